//! How a hold ends: `POST /v1/backend/flycoins/holds/{hold_id}/capture` and `…/release`.

use flysk_domain::id::TransactionId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Command;
use flysk_store::StoreError;
use flysk_store::ledger::{self, HoldRow, IdempotencyKey, Instruction, TransactionRow, WalletRow};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::must_use_flycoins;
use super::holds::{find, read_id};
use super::pricing::{Priced, QuoteView, WantedLine, price, receipt_of};
use super::write::{Done, Needed, key_of, recall, replay_or, submit};
use crate::auth::BackendCaller;
use crate::deps::{Deps, on};
use crate::problem::{Problem, answers};
use crate::strict_json::{NoBody, StrictJson};

/// What the work came to.
#[derive(Debug, Object)]
#[oai(example)]
struct CaptureRequest {
    /// For what.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Vec<WantedLine>,
    /// What the account's people read beside the charge.
    #[oai(validator(max_length = 200))]
    reference: Option<String>,
}

impl Example for CaptureRequest {
    fn example() -> Self {
        Self {
            lines: vec![WantedLine::example()], reference: Some("Звонок 12:41, Иванов".to_owned())
        }
    }
}

/// What was charged.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CaptureView {
    /// The hold.
    hold_id: String,
    /// The charge, for a refund.
    transaction_id: String,
    /// How much.
    charged_micro: i64,
    /// What the account can spend after it.
    available_micro: i64,
    /// What is set aside after it.
    held_micro: i64,
    /// A quote a line.
    receipt: Vec<QuoteView>,
}

impl Example for CaptureView {
    fn example() -> Self {
        Self {
            hold_id: "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned(),
            transaction_id: "ltx_01KCQJ5V7M3S8W9GZ0B2E4R6TY".to_owned(),
            charged_micro: 3_958_333,
            available_micro: 959_041_667,
            held_micro: 0,
            receipt: vec![QuoteView::example()],
        }
    }
}

/// What was given back.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ReleaseView {
    /// The hold.
    hold_id: String,
    /// The transaction that gave it back.
    transaction_id: String,
    /// What the account can spend after it.
    available_micro: i64,
    /// What is set aside after it.
    held_micro: i64,
}

impl Example for ReleaseView {
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
    /// Answers of `captureFlycoinHold`.
    Captured {
        /// Charged now, or before under the same key.
        200 => Ok(Json<CaptureView>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// The request or its key cannot be read, or it names no service of the widget.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// What the lines need beyond the hold is not there.
        402 => Insufficient,
        /// There is no such hold.
        404 => NotFound,
        /// The hold has ended, or the widget does not use Flycoins.
        409 => Conflict,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// The key was used with another request.
        422 => KeyReused,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away: repeat the request under its key.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `releaseFlycoinHold`.
    Released {
        /// Given back now, or before under the same key.
        200 => Ok(Json<ReleaseView>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// The request's key cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// There is no such hold.
        404 => NotFound,
        /// The hold has ended, or the widget does not use Flycoins.
        409 => Conflict,
        /// The key was used with another request.
        422 => KeyReused,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away: repeat the request under its key.
        503 => Unavailable,
    }
}

/// Ends of holds.
pub(crate) struct HoldEndsApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl HoldEndsApi {
    /// Charge what the work really cost.
    ///
    /// What the lines leave over goes back. What they need beyond the hold is taken from the coins that can be
    /// spent, or all is refused. Works for an install that is no longer active, too.
    #[oai(
        path = "/v1/backend/flycoins/holds/:hold_id/capture",
        method = "post",
        operation_id = "captureFlycoinHold"
    )]
    async fn capture(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// The hold.
        hold_id: Path<String>,
        /// The caller's name for this capture: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: Header<String>,
        body: StrictJson<CaptureRequest>,
    ) -> Captured {
        match capture(&deps, &caller.0, &hold_id.0, &key.0, body.0).await {
            Ok((view, done)) => Captured::Ok(Json(view), done.header()),
            Err(problem) => problem.into(),
        }
    }

    /// Give a hold back, always all of it. Works for an install that is no longer active, too.
    ///
    /// Takes no body, or an empty object: to keep a part, capture it.
    #[oai(
        path = "/v1/backend/flycoins/holds/:hold_id/release",
        method = "post",
        operation_id = "releaseFlycoinHold"
    )]
    async fn release(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// The hold.
        hold_id: Path<String>,
        /// The caller's name for this release: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: Header<String>,
        _body: NoBody,
    ) -> Released {
        match release(&deps, &caller.0, &hold_id.0, &key.0).await {
            Ok((view, done)) => Released::Ok(Json(view), done.header()),
            Err(problem) => problem.into(),
        }
    }
}

async fn capture(
    deps: &Deps,
    widget: &Widget,
    hold: &str,
    key: &str,
    wanted: CaptureRequest,
) -> Result<(CaptureView, Done), Problem> {
    let key = key_of(key, &format!("capture {hold}"), &wanted)?;
    let (hold, wallet) = wallet_of(deps, widget, hold).await?;
    let done = match prepare(deps, widget, &hold, wanted, &key).await {
        Ok((priced, instruction)) => {
            let needed = Needed { amount: priced.total, from_hold: hold.amount };
            submit(deps, wallet, instruction, needed).await?
        }
        Err(problem) => replay_or(deps, widget, &key, problem).await?,
    };
    // Fresh or repeated, the answer is what the ledger wrote.
    let row = recall(deps, done).await?;
    let view = CaptureView {
        hold_id: hold.id.to_string(),
        transaction_id: row.id.to_string(),
        charged_micro: paid_by(&row)?.0,
        available_micro: done.answer.available.0,
        held_micro: done.answer.held.0,
        receipt: receipt_of(row.details.as_ref()),
    };
    Ok((view, done))
}

/// What left the wallet: from the hold, less what went back, more what was taken beside it.
fn paid_by(row: &TransactionRow) -> Result<MicroCoins, Problem> {
    let left = row.available.plus(row.held).and_then(MicroCoins::negated);
    left.map_err(|_| StoreError::Corrupt { what: "transaction", reason: row.id.to_string() }.into())
}

async fn prepare(
    deps: &Deps,
    widget: &Widget,
    hold: &HoldRow,
    wanted: CaptureRequest,
    key: &IdempotencyKey,
) -> Result<(Priced, Instruction), Problem> {
    let priced = price(deps, widget, &wanted.lines, deps.clock().now()).await?;
    let command = Command::Capture { hold: hold.id, lines: priced.lines()? };
    let instruction = Instruction {
        transaction: TransactionId::generate(deps.clock()),
        command,
        key: Some(key.clone()),
        reference: wanted.reference,
        details: Some(priced.details()),
    };
    Ok((priced, instruction))
}

async fn release(
    deps: &Deps,
    widget: &Widget,
    hold: &str,
    key: &str,
) -> Result<(ReleaseView, Done), Problem> {
    let key = key_of(key, &format!("release {hold}"), &String::new())?;
    let (hold, wallet) = wallet_of(deps, widget, hold).await?;
    let command = Command::Release { hold: hold.id };
    let instruction = Instruction::new(TransactionId::generate(deps.clock()), command).keyed(key);
    let done = submit(deps, wallet, instruction, Needed::default()).await?;
    let view = ReleaseView {
        hold_id: hold.id.to_string(),
        transaction_id: done.answer.transaction.to_string(),
        available_micro: done.answer.available.0,
        held_micro: done.answer.held.0,
    };
    Ok((view, done))
}

/// The widget's own hold, and the wallet it is in.
async fn wallet_of(deps: &Deps, widget: &Widget, hold: &str) -> Result<(HoldRow, WalletRow), Problem> {
    must_use_flycoins(widget)?;
    let (hold, _) = find(deps, widget, read_id(hold)?).await?;
    let wallet = ledger::find_wallet(on(&mut deps.conn().await?), hold.wallet_id).await?;
    Ok((hold, wallet.ok_or(StoreError::Stale { what: "wallet" })?))
}
