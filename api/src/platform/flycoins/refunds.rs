//! `POST /v1/backend/flycoins/refunds`.

use flysk_domain::id::TransactionId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Command;
use flysk_domain::trace::Trace;
use flysk_store::ledger::Instruction;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::customer_of;
use super::write::{Done, Needed, key_of, recall, replay_or, submit};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// What to give back.
#[derive(Debug, Object)]
#[oai(example)]
struct RefundRequest {
    /// The account that paid.
    account_id: u64,
    /// The charge, or the capture of a hold.
    #[oai(validator(max_length = 64))]
    transaction_id: String,
    /// How much. Either this or `all`.
    #[oai(validator(minimum(value = "1")))]
    amount_micro: Option<i64>,
    /// True for all that is left of the charge. Either this or `amount_micro`.
    // Left out of the fingerprint of requests that do not name it, so that a repetition from before it was known is one.
    #[oai(skip_serializing_if_is_none)]
    all: Option<bool>,
    /// What the account's people read beside the refund.
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

/// What came back.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct RefundView {
    /// The refund's own id.
    transaction_id: String,
    /// How much came back.
    refunded_micro: i64,
    /// What the account can spend after it.
    available_micro: i64,
    /// What is set aside after it.
    held_micro: i64,
}

impl Example for RefundView {
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
    /// Answers of `refundFlycoins`.
    Refunded {
        /// Given back now, or before under the same key.
        201 => Created(Json<RefundView>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// The request or its key cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// The account has not installed the widget, or has no such charge.
        404 => NotFound,
        /// Less is left of the charge, or the widget does not use Flycoins.
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

/// Refunds.
pub(crate) struct RefundsApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl RefundsApi {
    /// Give a charge or a part of it back: `amount_micro`, or `all`.
    ///
    /// Coins return to where they came from, never more than was charged. Coins that expired meanwhile can be
    /// spent for another week. Works for an install that is no longer active, too.
    #[oai(path = "/v1/backend/flycoins/refunds", method = "post", operation_id = "refundFlycoins")]
    async fn refund(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// The caller's name for this refund: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: Header<String>,
        body: StrictJson<RefundRequest>,
    ) -> Refunded {
        match refund(&deps, &trace, &caller.0, &key.0, body.0).await {
            Ok((view, done)) => Refunded::Created(Json(view), done.header()),
            Err(problem) => problem.into(),
        }
    }
}

/// How much is given back; `None` for all that is left. Never by leaving something out: a misspelt amount would give
/// everything back.
fn amount_of(wanted: &RefundRequest) -> Result<Option<MicroCoins>, Problem> {
    match (wanted.amount_micro, wanted.all) {
        (Some(amount), None | Some(false)) => Ok(Some(MicroCoins(amount))),
        (None, Some(true)) => Ok(None),
        _ => {
            let detail = "send either `amount_micro`, or `all` as true for all that is left of the charge";
            Err(Problem::new(ProblemCode::InvalidRequest, detail))
        }
    }
}

async fn refund(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    key: &str,
    wanted: RefundRequest,
) -> Result<(RefundView, Done), Problem> {
    let key = key_of(key, "refund", &wanted)?;
    let customer = customer_of(deps, trace, widget, wanted.account_id).await?;
    let charge: TransactionId = wanted
        .transaction_id
        .parse()
        .map_err(|_| Problem::new(ProblemCode::UnknownCharge, "that is not the id of a charge"))?;
    let done = match amount_of(&wanted) {
        Ok(amount) => {
            let instruction = Instruction {
                transaction: TransactionId::generate(deps.clock()),
                command: Command::Refund { charge, amount },
                key: Some(key),
                reference: wanted.reference,
                details: None,
            };
            submit(deps, customer.wallet, instruction, Needed::default()).await?
        }
        // It may repeat a request from before `all` had to be said.
        Err(problem) => replay_or(deps, widget, &key, problem).await?,
    };
    // How much came back is what the ledger wrote: the caller may have asked for whatever was left.
    let refunded = recall(deps, done).await?.available;
    let view = RefundView {
        transaction_id: done.answer.transaction.to_string(),
        refunded_micro: refunded.0,
        available_micro: done.answer.available.0,
        held_micro: done.answer.held.0,
    };
    Ok((view, done))
}
