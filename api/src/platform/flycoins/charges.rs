//! `POST /v1/backend/flycoins/charges`: an immediate charge.

use flysk_domain::id::TransactionId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Command;
use flysk_domain::trace::Trace;
use flysk_store::platform::ledger::{IdempotencyKey, LedgerCommand};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{Customer, customer_of};
use super::idempotent_write::{
    RequiredFunds, WriteResult, first_answer_or, idempotency_key, load_refunded, load_transaction, submit,
};
use super::pricing::{PriceLine, PriceLineInput, PricedLines, price_lines, receipt_of};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::idempotency::KeyHeader;
use crate::problem::{Problem, answers};
use crate::strict_json::StrictJson;

/// Request to charge an account.
#[derive(Debug, Object)]
#[oai(example)]
struct ChargeRequest {
    /// Id of the paying account in amoCRM.
    account_id: u64,
    /// Services and quantities to charge, 1 to 20 lines.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Vec<PriceLineInput>,
    /// Text that the account's users see with the charge, up to 200 characters.
    #[oai(validator(max_length = 200))]
    reference: Option<String>,
}

impl Example for ChargeRequest {
    fn example() -> Self {
        Self {
            account_id: 31_234_567,
            lines: vec![PriceLineInput::example()],
            reference: Some("Звонок 12:41, Иванов".to_owned()),
        }
    }
}

/// A charge.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Charge {
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

impl Example for Charge {
    fn example() -> Self {
        Self {
            transaction_id: "ltx_01KCQJ5V7M3S8W9GZ0B2E4R6TY".to_owned(),
            charged_micro: 3_958_333,
            refunded_micro: 0,
            available_micro: 959_041_667,
            held_micro: 0,
            receipt: vec![PriceLine::example()],
        }
    }
}

answers! {
    /// Responses of `chargeFlycoins`.
    Charged {
        /// Charged, by this request or by an earlier one with the same idempotency key.
        201 => Created(Json<Charge>, header "Idempotency-Replayed" Option<String>),
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

/// Operation to charge an account.
pub(crate) struct ChargesApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl ChargesApi {
    /// Charge an account immediately.
    ///
    /// Use it for work whose price is known. If a request gets no response, repeat it with the same idempotency key: it is
    /// executed once, and every repetition returns the first response; only `refunded_micro` is that of now.
    ///
    /// Derive the key from the account, the work and its input. With a key of an id alone that the widget's page chose, a user gets
    /// another work for the same charge.
    #[oai(path = "/v1/backend/flycoins/charges", method = "post", operation_id = "chargeFlycoins")]
    async fn charge(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Idempotency key of this charge: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: StrictJson<ChargeRequest>,
    ) -> Charged {
        match charge(&deps, &trace, &caller.0, &key.0, body.0).await {
            Ok((view, result)) => Charged::Created(Json(view), result.header()),
            Err(problem) => problem.into(),
        }
    }
}

async fn charge(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    key: &str,
    request: ChargeRequest,
) -> Result<(Charge, WriteResult), Problem> {
    let key = idempotency_key(key, "charge", &request);
    let customer = customer_of(deps, trace, widget, request.account_id).await?;
    let (result, priced) = match prepare(deps, widget, &customer, request, &key).await {
        Ok((priced, instruction)) => {
            let required = RequiredFunds { amount: priced.total, ..RequiredFunds::default() };
            (submit(deps, customer.wallet, instruction, required).await?, priced)
        }
        Err(problem) => (first_answer_or(deps, widget, &key, problem).await?, PricedLines::default()),
    };
    let (charged, receipt) = if result.replayed {
        let row = load_transaction(deps, result).await?;
        (MicroCoins(-row.available.0), receipt_of(row.details.as_ref()))
    } else {
        (priced.total, priced.receipt())
    };
    let view = Charge {
        transaction_id: result.answer.transaction.to_string(),
        charged_micro: charged.0,
        refunded_micro: load_refunded(deps, result).await?.0,
        available_micro: result.answer.available.0,
        held_micro: result.answer.held.0,
        receipt,
    };
    Ok((view, result))
}

async fn prepare(
    deps: &Deps,
    widget: &Widget,
    customer: &Customer,
    request: ChargeRequest,
    key: &IdempotencyKey,
) -> Result<(PricedLines, LedgerCommand), Problem> {
    customer.must_be_active()?;
    let priced = price_lines(deps, widget, &request.lines, deps.clock().now()).await?;
    let command = Command::Charge { lines: priced.lines()? };
    let instruction = LedgerCommand {
        transaction: TransactionId::generate(deps.clock()),
        command,
        key: Some(key.clone()),
        reference: request.reference,
        details: Some(priced.details()),
    };
    Ok((priced, instruction))
}
