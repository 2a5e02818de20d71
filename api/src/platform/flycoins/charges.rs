//! `POST /v1/backend/flycoins/charges`.

use flysk_domain::id::TransactionId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Command;
use flysk_domain::trace::Trace;
use flysk_store::ledger::{IdempotencyKey, Instruction};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Header;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{Customer, customer_of};
use super::pricing::{Priced, QuoteView, WantedLine, price, receipt_of};
use super::write::{Done, Needed, key_of, recall, replay_or, submit};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::StrictJson;

/// What to charge.
#[derive(Debug, Object)]
#[oai(example)]
struct ChargeRequest {
    /// The account that pays.
    account_id: u64,
    /// For what.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Vec<WantedLine>,
    /// What the account's people read beside the charge.
    #[oai(validator(max_length = 200))]
    reference: Option<String>,
}

impl Example for ChargeRequest {
    fn example() -> Self {
        Self {
            account_id: 31_234_567,
            lines: vec![WantedLine::example()],
            reference: Some("Звонок 12:41, Иванов".to_owned()),
        }
    }
}

/// What was charged.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ChargeView {
    /// Its id, for a refund.
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

impl Example for ChargeView {
    fn example() -> Self {
        Self {
            transaction_id: "ltx_01KCQJ5V7M3S8W9GZ0B2E4R6TY".to_owned(),
            charged_micro: 3_958_333,
            available_micro: 959_041_667,
            held_micro: 0,
            receipt: vec![QuoteView::example()],
        }
    }
}

answers! {
    /// Answers of `chargeFlycoins`.
    Charged {
        /// Charged now, or before under the same key.
        201 => Created(Json<ChargeView>, header "Idempotency-Replayed" Option<String>),
    }
    problems (InvalidRequest) {
        /// The request or its key cannot be read, or it names no service of the widget.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// There are not enough coins.
        402 => Insufficient,
        /// The account has not installed the widget.
        404 => NotFound,
        /// The widget is not active in the account, or does not use Flycoins.
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

/// Charges.
pub(crate) struct ChargesApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl ChargesApi {
    /// Charge an account at once.
    ///
    /// For work whose price is known. Repeat a request that was not answered under its key: it is carried out
    /// once, and each repetition gets the first answer.
    #[oai(path = "/v1/backend/flycoins/charges", method = "post", operation_id = "chargeFlycoins")]
    async fn charge(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// The caller's name for this charge: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: Header<String>,
        body: StrictJson<ChargeRequest>,
    ) -> Charged {
        match charge(&deps, &trace, &caller.0, &key.0, body.0).await {
            Ok((view, done)) => Charged::Created(Json(view), done.header()),
            Err(problem) => problem.into(),
        }
    }
}

async fn charge(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    key: &str,
    wanted: ChargeRequest,
) -> Result<(ChargeView, Done), Problem> {
    let key = key_of(key, "charge", &wanted)?;
    let customer = customer_of(deps, trace, widget, wanted.account_id).await?;
    let (done, priced) = match prepare(deps, widget, &customer, wanted, &key).await {
        Ok((priced, instruction)) => {
            let needed = Needed { amount: priced.total, ..Needed::default() };
            (submit(deps, customer.wallet, instruction, needed).await?, priced)
        }
        Err(problem) => (replay_or(deps, widget, &key, problem).await?, Priced::default()),
    };
    let (charged, receipt) = if done.replayed {
        let row = recall(deps, done).await?;
        (MicroCoins(-row.available.0), receipt_of(row.details.as_ref()))
    } else {
        (priced.total, priced.receipt())
    };
    let view = ChargeView {
        transaction_id: done.answer.transaction.to_string(),
        charged_micro: charged.0,
        available_micro: done.answer.available.0,
        held_micro: done.answer.held.0,
        receipt,
    };
    Ok((view, done))
}

async fn prepare(
    deps: &Deps,
    widget: &Widget,
    customer: &Customer,
    wanted: ChargeRequest,
    key: &IdempotencyKey,
) -> Result<(Priced, Instruction), Problem> {
    customer.must_be_active()?;
    let priced = price(deps, widget, &wanted.lines, deps.clock().now()).await?;
    let command = Command::Charge { lines: priced.lines()? };
    let instruction = Instruction {
        transaction: TransactionId::generate(deps.clock()),
        command,
        key: Some(key.clone()),
        reference: wanted.reference,
        details: Some(priced.details()),
    };
    Ok((priced, instruction))
}
