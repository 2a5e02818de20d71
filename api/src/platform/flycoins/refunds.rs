//! `POST /v1/backend/flycoins/refunds`: refunds of charges.

use flysk_domain::id::TransactionId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Command;
use flysk_domain::trace::Trace;
use flysk_store::platform::ledger::LedgerCommand;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::customer_of;
use super::idempotent_write::{
    RequiredFunds, WriteResult, first_answer_or, idempotency_key, load_transaction, submit,
};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::idempotency::KeyHeader;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// Request to refund a charge.
#[derive(Debug, Object)]
#[oai(example)]
struct RefundRequest {
    /// Id of the paying account in amoCRM.
    account_id: u64,
    /// Id of the charge or of the capture.
    #[oai(validator(max_length = 64))]
    transaction_id: String,
    /// Amount to refund, in micro-Flycoins. Send either this or `all`.
    #[oai(validator(minimum(value = "1")))]
    amount_micro: Option<i64>,
    /// `true` to refund everything that is left of the charge. Send either this or `amount_micro`.
    // Absent from the request hash if it is not set, so that the hashes of requests from before this field existed still match.
    #[oai(skip_serializing_if_is_none)]
    all: Option<bool>,
    /// Text that the account's users see with the refund, up to 200 characters.
    #[oai(validator(max_length = 200))]
    reference: Option<String>,
}

impl Example for RefundRequest {
    fn example() -> Self {
        Self {
            account_id: 31_234_567,
            transaction_id: "ltx_01KCQJ5V7M3S8W9GZ0B2E4R6TY".to_owned(),
            amount_micro: None,
            all: Some(true),
            reference: Some("Запись не распозналась".to_owned()),
        }
    }
}

/// A refund.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Refund {
    /// Id of the refund.
    transaction_id: String,
    /// Refunded amount, in micro-Flycoins.
    refunded_micro: i64,
    /// Available balance after the operation, in micro-Flycoins.
    available_micro: i64,
    /// Coins in holds after the operation, in micro-Flycoins.
    held_micro: i64,
}

impl Example for Refund {
    fn example() -> Self {
        Self {
            transaction_id: "ltx_01KCQJ6A1N5T0X2HB3D4F6G8JK".to_owned(),
            refunded_micro: 3_958_333,
            available_micro: 963_000_000,
            held_micro: 0,
        }
    }
}

answers! {
    /// Responses of `refundFlycoins`.
    Refunded {
        /// Refunded, by this request or by an earlier one with the same idempotency key.
        201 => Created(Json<Refund>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// Malformed request or invalid idempotency key.
        400 => BadRequest [IdempotencyKeyMissing],
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has not installed the widget, or the charge was not found.
        404 => NotFound [InstallNotFound, UnknownCharge],
        /// The amount exceeds the rest of the charge, or the widget does not use Flycoins.
        409 => Conflict [MoreThanCharged, FlycoinsNotUsed],
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

/// Operation to refund a charge.
pub(crate) struct RefundsApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl RefundsApi {
    /// Refund a charge, in whole or in part.
    ///
    /// Coins return to the lots that they came from. The sum of all refunds never exceeds the charge. Coins that have expired in
    /// the meantime can be spent for one more week. Also works for an inactive install.
    #[oai(path = "/v1/backend/flycoins/refunds", method = "post", operation_id = "refundFlycoins")]
    async fn refund(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Idempotency key of this refund: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: StrictJson<RefundRequest>,
    ) -> Refunded {
        match refund(&deps, &trace, &caller.0, &key.0, body.0).await {
            Ok((view, result)) => Refunded::Created(Json(view), result.header()),
            Err(problem) => problem.into(),
        }
    }
}

/// The amount to refund; `None` for all that is left. The caller must set one of the fields: if an absent amount meant
/// everything, a misspelt field would refund everything.
fn amount_of(request: &RefundRequest) -> Result<Option<MicroCoins>, Problem> {
    match (request.amount_micro, request.all) {
        (Some(amount), None | Some(false)) => Ok(Some(MicroCoins(amount))),
        (None, Some(true)) => Ok(None),
        _ => {
            let detail =
                "send either `amount_micro`, or `all: true` for everything that is left of the charge";
            Err(Problem::new(ProblemCode::InvalidRequest, detail))
        }
    }
}

async fn refund(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    key: &str,
    request: RefundRequest,
) -> Result<(Refund, WriteResult), Problem> {
    let key = idempotency_key(key, "refund", &request);
    let customer = customer_of(deps, trace, widget, request.account_id).await?;
    let charge: TransactionId = request
        .transaction_id
        .parse()
        .map_err(|_| Problem::new(ProblemCode::UnknownCharge, "invalid charge id"))?;
    let result = match amount_of(&request) {
        Ok(amount) => {
            let instruction = LedgerCommand {
                transaction: TransactionId::generate(deps.clock()),
                command: Command::Refund { charge, amount },
                key: Some(key),
                reference: request.reference,
                details: None,
            };
            submit(deps, customer.wallet, instruction, RequiredFunds::default()).await?
        }
        // This may repeat a request from before `all` was required.
        Err(problem) => first_answer_or(deps, widget, &key, problem).await?,
    };
    // Read the amount from the ledger: the caller may have requested everything that was left.
    let refunded = load_transaction(deps, result).await?.available;
    let view = Refund {
        transaction_id: result.answer.transaction.to_string(),
        refunded_micro: refunded.0,
        available_micro: result.answer.available.0,
        held_micro: result.answer.held.0,
    };
    Ok((view, result))
}
