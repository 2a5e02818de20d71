//! `POST /v1/backend/flycoins/holds/{hold_id}/capture` and `…/release`.

use flysk_domain::id::TransactionId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Command;
use flysk_store::StoreError;
use flysk_store::platform::ledger::{
    self, HoldRow, IdempotencyKey, LedgerCommand, TransactionRow, WalletRow,
};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::must_use_flycoins;
use super::holds::{find, read_id};
use super::idempotent_write::{
    RequiredFunds, WriteResult, first_answer_or, idempotency_key, load_refunded, load_transaction, submit,
};
use super::pricing::{PriceLine, PriceLineInput, PricedLines, price_lines, receipt_of};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::idempotency::KeyHeader;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::{NoBody, StrictJson};

/// Request to capture a hold.
#[derive(Debug, Object)]
#[oai(example)]
struct CaptureRequest {
    /// Services and quantities to charge, 1 to 20 lines.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Vec<PriceLineInput>,
    /// Highest price that may be charged, in micro-Flycoins. If the lines cost more, nothing is charged (`price_above_limit`).
    /// Without it, the lines may cost more than the hold. Set it to the hold's `amount_micro` to charge at most the hold.
    // Absent from the hash of requests without it, which is the same as before this field existed.
    #[oai(validator(minimum(value = "1")), skip_serializing_if_is_none)]
    at_most_micro: Option<i64>,
    /// Text that the account's users see with the charge, up to 200 characters.
    #[oai(validator(max_length = 200))]
    reference: Option<String>,
}

impl Example for CaptureRequest {
    fn example() -> Self {
        Self {
            lines: vec![PriceLineInput::example()],
            at_most_micro: Some(3_958_333),
            reference: Some("Звонок 12:41, Иванов".to_owned()),
        }
    }
}

/// Result of a capture.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct HoldCapture {
    /// Hold id.
    hold_id: String,
    /// Id of the charge, to refund it.
    transaction_id: String,
    /// Charged amount, in micro-Flycoins.
    charged_micro: i64,
    /// Amount of this charge that has been refunded by now, in micro-Flycoins. More than zero only in a repeated response: the work
    /// of an earlier request was refunded, so do not do it for this charge.
    refunded_micro: i64,
    /// Available balance after the operation, in micro-Flycoins.
    available_micro: i64,
    /// Coins in holds after the operation, in micro-Flycoins.
    held_micro: i64,
    /// Prices, one per requested line.
    receipt: Vec<PriceLine>,
}

impl Example for HoldCapture {
    fn example() -> Self {
        Self {
            hold_id: "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned(),
            transaction_id: "ltx_01KCQJ5V7M3S8W9GZ0B2E4R6TY".to_owned(),
            charged_micro: 3_958_333,
            refunded_micro: 0,
            available_micro: 959_041_667,
            held_micro: 0,
            receipt: vec![PriceLine::example()],
        }
    }
}

/// Result of a release.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct HoldRelease {
    /// Hold id.
    hold_id: String,
    /// Id of the release transaction.
    transaction_id: String,
    /// Available balance after the operation, in micro-Flycoins.
    available_micro: i64,
    /// Coins in holds after the operation, in micro-Flycoins.
    held_micro: i64,
}

impl Example for HoldRelease {
    fn example() -> Self {
        Self {
            hold_id: "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned(),
            transaction_id: "ltx_01KCQJ6A1N5T0X2HB3D4F6G8JK".to_owned(),
            available_micro: 963_000_000,
            held_micro: 0,
        }
    }
}

answers! {
    /// Responses of `captureFlycoinHold`.
    Captured {
        /// Charged, by this request or by an earlier one with the same idempotency key.
        200 => Ok(Json<HoldCapture>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// Malformed request, invalid idempotency key, or unknown service.
        400 => BadRequest [IdempotencyKeyMissing, UnknownService],
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The lines cost more than the hold, and the available balance does not cover the difference.
        402 => Insufficient,
        /// Hold not found.
        404 => NotFound [UnknownHold],
        /// The hold has ended, the lines cost more than `at_most_micro`, or the widget does not use Flycoins.
        409 => Conflict [HoldEnded, PriceAboveLimit, FlycoinsNotUsed],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// The idempotency key was already used with a different request.
        422 => KeyReused [IdempotencyKeyReused],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable: repeat the request with the same key.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `releaseFlycoinHold`.
    Released {
        /// Released, by this request or by an earlier one with the same idempotency key.
        200 => Ok(Json<HoldRelease>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// Malformed request or invalid idempotency key.
        400 => BadRequest [IdempotencyKeyMissing],
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// Hold not found.
        404 => NotFound [UnknownHold],
        /// The hold has ended, or the widget does not use Flycoins.
        409 => Conflict [HoldEnded, FlycoinsNotUsed],
        /// The idempotency key was already used with a different request.
        422 => KeyReused [IdempotencyKeyReused],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable: repeat the request with the same key.
        503 => Unavailable,
    }
}

/// Operations that end a hold.
pub(crate) struct CaptureReleaseApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl CaptureReleaseApi {
    /// Capture a hold: charge the actual cost, which may exceed the hold.
    ///
    /// If the lines cost less than the hold, the rest is released. If they cost more, the difference is taken from the available
    /// balance; if it is not sufficient, the request fails and the hold stays open. `at_most_micro` limits the price: above it
    /// nothing is charged and the hold stays open. A hold can be captured once. Also works for an inactive install.
    #[oai(
        path = "/v1/backend/flycoins/holds/:hold_id/capture",
        method = "post",
        operation_id = "captureFlycoinHold"
    )]
    async fn capture(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Hold id.
        hold_id: Path<String>,
        /// Idempotency key of this capture: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: StrictJson<CaptureRequest>,
    ) -> Captured {
        match capture(&deps, &caller.0, &hold_id.0, &key.0, body.0).await {
            Ok((view, result)) => Captured::Ok(Json(view), result.header()),
            Err(problem) => problem.into(),
        }
    }

    /// Release the whole hold. Also works for an inactive install.
    ///
    /// Send no body or an empty object. To charge a part, capture the hold.
    #[oai(
        path = "/v1/backend/flycoins/holds/:hold_id/release",
        method = "post",
        operation_id = "releaseFlycoinHold"
    )]
    async fn release(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Hold id.
        hold_id: Path<String>,
        /// Idempotency key of this release: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        _body: NoBody,
    ) -> Released {
        match release(&deps, &caller.0, &hold_id.0, &key.0).await {
            Ok((view, result)) => Released::Ok(Json(view), result.header()),
            Err(problem) => problem.into(),
        }
    }
}

async fn capture(
    deps: &Deps,
    widget: &Widget,
    hold: &str,
    key: &str,
    request: CaptureRequest,
) -> Result<(HoldCapture, WriteResult), Problem> {
    let key = idempotency_key(key, &format!("capture {hold}"), &request);
    let (hold, wallet) = wallet_of(deps, widget, hold).await?;
    let result = match prepare(deps, widget, &hold, request, &key).await {
        Ok((priced, instruction)) => {
            let required = RequiredFunds { amount: priced.total, from_hold: hold.amount };
            submit(deps, wallet, instruction, required).await?
        }
        Err(problem) => first_answer_or(deps, widget, &key, problem).await?,
    };
    // The answer is read from the ledger, so that a replay returns the same but for what was refunded since.
    let row = load_transaction(deps, result).await?;
    let view = HoldCapture {
        hold_id: hold.id.to_string(),
        transaction_id: row.id.to_string(),
        charged_micro: paid_by(&row)?.0,
        refunded_micro: load_refunded(deps, result).await?.0,
        available_micro: result.answer.available.0,
        held_micro: result.answer.held.0,
        receipt: receipt_of(row.details.as_ref()),
    };
    Ok((view, result))
}

/// Amount that left the wallet: the hold, minus what returned to the balance, plus what was taken in addition.
fn paid_by(row: &TransactionRow) -> Result<MicroCoins, Problem> {
    let left = row.available.checked_add(row.held).and_then(MicroCoins::checked_neg);
    left.map_err(|_| StoreError::InvalidRow { what: "transaction", reason: row.id.to_string() }.into())
}

async fn prepare(
    deps: &Deps,
    widget: &Widget,
    hold: &HoldRow,
    request: CaptureRequest,
    key: &IdempotencyKey,
) -> Result<(PricedLines, LedgerCommand), Problem> {
    let priced = price_lines(deps, widget, &request.lines, deps.clock().now()).await?;
    if let Some(limit) = request.at_most_micro.map(MicroCoins).filter(|limit| priced.total > *limit) {
        let detail = format!("the lines cost {} Flycoins, more than the limit of {limit}", priced.total);
        return Err(Problem::new(ProblemCode::PriceAboveLimit, detail));
    }
    let command = Command::Capture { hold: hold.id, lines: priced.lines()? };
    let instruction = LedgerCommand {
        transaction: TransactionId::generate(deps.clock()),
        command,
        key: Some(key.clone()),
        reference: request.reference,
        details: Some(priced.details()),
    };
    Ok((priced, instruction))
}

async fn release(
    deps: &Deps,
    widget: &Widget,
    hold: &str,
    key: &str,
) -> Result<(HoldRelease, WriteResult), Problem> {
    let key = idempotency_key(key, &format!("release {hold}"), &String::new());
    let (hold, wallet) = wallet_of(deps, widget, hold).await?;
    let command = Command::Release { hold: hold.id };
    let instruction = LedgerCommand::new(TransactionId::generate(deps.clock()), command).keyed(key);
    let result = submit(deps, wallet, instruction, RequiredFunds::default()).await?;
    let view = HoldRelease {
        hold_id: hold.id.to_string(),
        transaction_id: result.answer.transaction.to_string(),
        available_micro: result.answer.available.0,
        held_micro: result.answer.held.0,
    };
    Ok((view, result))
}

/// The widget's hold and its wallet. Holds of other widgets are not found.
async fn wallet_of(deps: &Deps, widget: &Widget, hold: &str) -> Result<(HoldRow, WalletRow), Problem> {
    must_use_flycoins(widget)?;
    let (hold, _) = find(deps, widget, read_id(hold)?).await?;
    let wallet = ledger::find_wallet(&mut *deps.conn().await?, hold.wallet_id).await?;
    Ok((hold, wallet.ok_or(StoreError::WrongState { what: "wallet" })?))
}
