//! `/v1/backend/flycoins/holds`: coins reserved for work whose price is not known yet.

use chrono::TimeDelta;
use flysk_domain::id::{AccountId, HoldId, TransactionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, HoldState};
use flysk_domain::trace::Trace;
use flysk_store::StoreError;
use flysk_store::platform::ledger::{self, HoldRow, IdempotencyKey, LedgerCommand};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use flysk_services::wallets;

use super::customer::{Customer, customer_of, must_use_flycoins};
use super::idempotent_write::{
    RequiredFunds, WriteResult, first_answer_or, idempotency_key, load_transaction, submit,
};
use super::pricing::{PriceLine, PriceLineInput, PricedLines, price_lines, receipt_of};
use crate::auth::BackendCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::idempotency::KeyHeader;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;
use crate::time::Time;

/// Request to hold coins: the price of lines, or an amount.
#[derive(Debug, Object)]
#[oai(example)]
struct HoldRequest {
    /// Id of the paying account in amoCRM.
    account_id: u64,
    /// Services and quantities that are expected to be charged, 1 to 20 lines. Send either this or `amount_micro`.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Option<Vec<PriceLineInput>>,
    /// Amount to hold, in micro-Flycoins. Send either this or `lines`.
    #[oai(validator(minimum(value = "1")))]
    amount_micro: Option<i64>,
    /// Seconds until the hold expires: 60 (a minute) to 604800 (a week).
    #[oai(validator(minimum(value = "60"), maximum(value = "604800")))]
    expires_in_s: u32,
    /// Text that the account's users see with the hold, up to 200 characters.
    #[oai(validator(max_length = 200))]
    reference: Option<String>,
}

impl Example for HoldRequest {
    fn example() -> Self {
        Self {
            account_id: 31_234_567,
            lines: Some(vec![PriceLineInput::example()]),
            amount_micro: None,
            expires_in_s: 86_400,
            reference: Some("Звонок 12:41, Иванов".to_owned()),
        }
    }
}

/// A new hold.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CreatedHold {
    /// Hold id, to capture or release it.
    hold_id: String,
    /// Id of the transaction that created the hold.
    transaction_id: String,
    /// Held amount, in micro-Flycoins.
    amount_micro: i64,
    /// Time when the hold expires.
    expires_at: Time,
    /// Available balance after the operation, in micro-Flycoins.
    available_micro: i64,
    /// Coins in holds after the operation, in micro-Flycoins.
    held_micro: i64,
    /// Prices, one per requested line; empty for a hold of an amount.
    receipt: Vec<PriceLine>,
}

impl Example for CreatedHold {
    fn example() -> Self {
        Self {
            hold_id: "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned(),
            transaction_id: "ltx_01KCQJ4M2P8S0V2X4Z6B8D0F2H".to_owned(),
            amount_micro: 3_958_333,
            expires_at: Time::example(),
            available_micro: 959_041_667,
            held_micro: 3_958_333,
            receipt: vec![PriceLine::example()],
        }
    }
}

/// A hold.
#[derive(Debug, Object)]
#[oai(example)]
#[expect(clippy::struct_field_names, reason = "`hold_id` is the field's name in the API")]
pub(crate) struct Hold {
    /// Hold id.
    hold_id: String,
    /// Account id in amoCRM.
    account_id: u64,
    /// State of the hold.
    state: Choice<HoldState>,
    /// Held amount, in micro-Flycoins.
    amount_micro: i64,
    /// Charged amount, in micro-Flycoins; 0 unless captured.
    captured_micro: i64,
    /// Time when the hold expires.
    expires_at: Time,
}

impl Example for Hold {
    fn example() -> Self {
        Self {
            hold_id: "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned(),
            account_id: 31_234_567,
            state: HoldState::Captured.into(),
            amount_micro: 3_958_333,
            captured_micro: 2_500_000,
            expires_at: Time::example(),
        }
    }
}

answers! {
    /// Responses of `holdFlycoins`.
    HoldAnswer {
        /// Held, by this request or by an earlier one with the same idempotency key.
        201 => Created(Json<CreatedHold>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// Malformed request, invalid idempotency key, or unknown service.
        400 => BadRequest [IdempotencyKeyMissing, UnknownService],
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// Not enough Flycoins.
        402 => Insufficient,
        /// The account has not installed the widget.
        404 => NotFound [InstallNotFound],
        /// The widget is not active in the account, or does not use Flycoins.
        409 => Conflict [InstallNotActive, FlycoinsNotUsed],
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
    /// Responses of `getFlycoinHold`.
    Got {
        /// The hold.
        200 => Ok(Json<Hold>),
    }
    problems (InvalidRequest) {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// Hold not found.
        404 => NotFound [UnknownHold],
        /// The widget does not use Flycoins.
        409 => Conflict [FlycoinsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on holds.
pub(crate) struct HoldsApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl HoldsApi {
    /// Hold coins before work whose price is not known yet.
    ///
    /// Held coins are not available for other charges. A hold ends when it is captured, released or expires.
    #[oai(path = "/v1/backend/flycoins/holds", method = "post", operation_id = "holdFlycoins")]
    async fn hold(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Idempotency key of this hold: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: StrictJson<HoldRequest>,
    ) -> HoldAnswer {
        match hold(&deps, &trace, &caller.0, &key.0, body.0).await {
            Ok((view, result)) => HoldAnswer::Created(Json(view), result.header()),
            Err(problem) => problem.into(),
        }
    }

    /// Get a hold.
    #[oai(path = "/v1/backend/flycoins/holds/:hold_id", method = "get", operation_id = "getFlycoinHold")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Hold id.
        hold_id: Path<String>,
    ) -> Got {
        match status(&deps, &caller.0, &hold_id.0).await {
            Ok(view) => Got::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn hold(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    key: &str,
    request: HoldRequest,
) -> Result<(CreatedHold, WriteResult), Problem> {
    let key = idempotency_key(key, "hold", &request);
    let customer = customer_of(deps, trace, widget, request.account_id).await?;
    let result = match prepare(deps, widget, &customer, request, &key).await {
        Ok((amount, instruction)) => {
            let required = RequiredFunds { amount, ..RequiredFunds::default() };
            submit(deps, customer.wallet, instruction, required).await?
        }
        Err(problem) => first_answer_or(deps, widget, &key, problem).await?,
    };
    // The answer is read from the ledger, so that a replay returns the same.
    let row = load_transaction(deps, result).await?;
    let id = result.answer.hold.ok_or(StoreError::WrongState { what: "hold" })?;
    let (placed, _) = find(deps, widget, id).await?;
    let view = CreatedHold {
        hold_id: id.to_string(),
        transaction_id: row.id.to_string(),
        amount_micro: placed.amount.0,
        expires_at: placed.expires_at.into(),
        available_micro: result.answer.available.0,
        held_micro: result.answer.held.0,
        receipt: receipt_of(row.details.as_ref()),
    };
    Ok((view, result))
}

async fn prepare(
    deps: &Deps,
    widget: &Widget,
    customer: &Customer,
    request: HoldRequest,
    key: &IdempotencyKey,
) -> Result<(MicroCoins, LedgerCommand), Problem> {
    customer.must_be_active()?;
    let now = deps.clock().now();
    let (priced, amount) = match (request.lines, request.amount_micro) {
        (Some(lines), None) => {
            let priced = price_lines(deps, widget, &lines, now).await?;
            let amount = priced.total;
            (priced, amount)
        }
        (None, Some(amount)) => (PricedLines::default(), MicroCoins(amount)),
        _ => {
            let detail = "send either `lines` or `amount_micro`";
            return Err(Problem::new(ProblemCode::InvalidRequest, detail));
        }
    };
    let command = Command::Hold {
        hold: HoldId::generate(deps.clock()),
        amount,
        expires_at: now + TimeDelta::seconds(request.expires_in_s.into()),
    };
    let instruction = LedgerCommand {
        transaction: TransactionId::generate(deps.clock()),
        command,
        key: Some(key.clone()),
        reference: request.reference,
        details: Some(priced.details()),
    };
    Ok((amount, instruction))
}

async fn status(deps: &Deps, widget: &Widget, id: &str) -> Result<Hold, Problem> {
    must_use_flycoins(widget)?;
    let id = read_id(id)?;
    let (mut hold, account) = find(deps, widget, id).await?;
    if hold.state == HoldState::Open && hold.expires_at <= deps.clock().now() {
        wallets::expire_due(&deps.outbox, hold.wallet_id).await?;
        (hold, _) = find(deps, widget, id).await?;
    }
    Ok(Hold {
        hold_id: id.to_string(),
        account_id: account.0,
        state: hold.state.into(),
        amount_micro: hold.amount.0,
        captured_micro: hold.captured.0,
        expires_at: hold.expires_at.into(),
    })
}

/// Parses a hold id from a path.
pub(super) fn read_id(text: &str) -> Result<HoldId, Problem> {
    text.parse().map_err(|_| Problem::new(ProblemCode::UnknownHold, "invalid hold id"))
}

/// The widget's hold and its account. Holds of other widgets are not found.
pub(super) async fn find(deps: &Deps, widget: &Widget, id: HoldId) -> Result<(HoldRow, AccountId), Problem> {
    let found = ledger::find_hold_of_widget(&mut *deps.conn().await?, widget.id, id).await?;
    found.ok_or_else(|| Problem::new(ProblemCode::UnknownHold, format!("the widget has no hold {id}")))
}
