//! `/v1/backend/flycoins/holds`: coins set aside for work whose price is not known yet.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{AccountId, HoldId, TransactionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, HoldState};
use flysk_domain::trace::Trace;
use flysk_store::StoreError;
use flysk_store::ledger::{self, HoldRow, IdempotencyKey, Instruction};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};

use super::super::tag::Tag;
use super::customer::{Customer, customer_of, must_use_flycoins, sweep};
use super::pricing::{Priced, QuoteView, WantedLine, price, receipt_of};
use super::write::{Done, Needed, key_of, recall, replay_or, submit};
use crate::auth::BackendCaller;
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

/// What to set aside: the price of lines, or an amount.
#[derive(Debug, Object)]
#[oai(example)]
struct HoldRequest {
    /// The account that will pay.
    account_id: u64,
    /// What is expected to be charged. Either this or `amount_micro`.
    #[oai(validator(min_items = 1, max_items = 20))]
    lines: Option<Vec<WantedLine>>,
    /// How much to set aside. Either this or `lines`.
    #[oai(validator(minimum(value = "1")))]
    amount_micro: Option<i64>,
    /// When it frees itself, seconds from now: a minute to a week.
    #[oai(validator(minimum(value = "60"), maximum(value = "604800")))]
    expires_in_s: u32,
    /// What the account's people read beside the hold.
    #[oai(validator(max_length = 200))]
    reference: Option<String>,
}

impl Example for HoldRequest {
    fn example() -> Self {
        Self {
            account_id: 31_234_567,
            lines: Some(vec![WantedLine::example()]),
            amount_micro: None,
            expires_in_s: 86_400,
            reference: Some("Звонок 12:41, Иванов".to_owned()),
        }
    }
}

/// What was set aside.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct HoldView {
    /// Its id, to capture or release it.
    hold_id: String,
    /// The transaction that placed it.
    transaction_id: String,
    /// How much.
    amount_micro: i64,
    /// When it frees itself.
    expires_at: DateTime<Utc>,
    /// What the account can spend after it.
    available_micro: i64,
    /// What is set aside after it.
    held_micro: i64,
    /// A quote a line; empty for an amount.
    receipt: Vec<QuoteView>,
}

impl Example for HoldView {
    fn example() -> Self {
        Self {
            hold_id: "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned(),
            transaction_id: "ltx_01KCQJ4M2P8S0V2X4Z6B8D0F2H".to_owned(),
            amount_micro: 3_958_333,
            expires_at: DateTime::from_timestamp(1_796_000_000, 0).unwrap_or_default(),
            available_micro: 959_041_667,
            held_micro: 3_958_333,
            receipt: vec![QuoteView::example()],
        }
    }
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum HoldStateView {
    /// Its coins are set aside.
    Open,
    /// Paid.
    Captured,
    /// Given back by its owner.
    Released,
    /// Given back by time.
    Expired,
}

/// A hold.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct HoldStatusView {
    /// Its id.
    hold_id: String,
    /// The account.
    account_id: u64,
    /// Where it stands.
    state: HoldStateView,
    /// How much was set aside.
    amount_micro: i64,
    /// How much was paid in the end; 0 unless captured.
    captured_micro: i64,
    /// When it frees itself.
    expires_at: DateTime<Utc>,
}

impl Example for HoldStatusView {
    fn example() -> Self {
        Self {
            hold_id: "hld_01KCQJ4M2P7R9T1V3X5Z7B9D1F".to_owned(),
            account_id: 31_234_567,
            state: HoldStateView::Captured,
            amount_micro: 3_958_333,
            captured_micro: 2_500_000,
            expires_at: DateTime::from_timestamp(1_796_000_000, 0).unwrap_or_default(),
        }
    }
}

answers! {
    /// Answers of `holdFlycoins`.
    Held {
        /// Set aside now, or before under the same key.
        201 => Created(Json<HoldView>, header "Idempotency-Replayed" Option<String>),
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

answers! {
    /// Answers of `getFlycoinHold`.
    Got {
        /// The hold.
        200 => Ok(Json<HoldStatusView>),
    }
    problems (InvalidRequest) {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// There is no such hold.
        404 => NotFound,
        /// The widget does not use Flycoins.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Holds.
pub(crate) struct HoldsApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl HoldsApi {
    /// Set coins aside before work whose price is not known yet.
    ///
    /// A hold counts against what can be spent. It ends by a capture, a release, or by itself when its time is
    /// over.
    #[oai(path = "/v1/backend/flycoins/holds", method = "post", operation_id = "holdFlycoins")]
    async fn hold(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// The caller's name for this hold: 1 to 120 visible ASCII characters, unique per widget.
        #[oai(name = "Idempotency-Key")]
        key: Header<String>,
        body: StrictJson<HoldRequest>,
    ) -> Held {
        match hold(&deps, &trace, &caller.0, &key.0, body.0).await {
            Ok((view, done)) => Held::Created(Json(view), done.header()),
            Err(problem) => problem.into(),
        }
    }

    /// Where a hold stands.
    #[oai(path = "/v1/backend/flycoins/holds/:hold_id", method = "get", operation_id = "getFlycoinHold")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Its id.
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
    wanted: HoldRequest,
) -> Result<(HoldView, Done), Problem> {
    let key = key_of(key, "hold", &wanted)?;
    let customer = customer_of(deps, trace, widget, wanted.account_id).await?;
    let done = match prepare(deps, widget, &customer, wanted, &key).await {
        Ok((amount, instruction)) => {
            let needed = Needed { amount, ..Needed::default() };
            submit(deps, customer.wallet, instruction, needed).await?
        }
        Err(problem) => replay_or(deps, widget, &key, problem).await?,
    };
    // Fresh or repeated, the answer is what the ledger wrote.
    let row = recall(deps, done).await?;
    let id = done.answer.hold.ok_or(StoreError::Stale { what: "hold" })?;
    let (placed, _) = find(deps, widget, id).await?;
    let view = HoldView {
        hold_id: id.to_string(),
        transaction_id: row.id.to_string(),
        amount_micro: placed.amount.0,
        expires_at: placed.expires_at,
        available_micro: done.answer.available.0,
        held_micro: done.answer.held.0,
        receipt: receipt_of(row.details.as_ref()),
    };
    Ok((view, done))
}

async fn prepare(
    deps: &Deps,
    widget: &Widget,
    customer: &Customer,
    wanted: HoldRequest,
    key: &IdempotencyKey,
) -> Result<(MicroCoins, Instruction), Problem> {
    customer.must_be_active()?;
    let now = deps.clock().now();
    let (priced, amount) = match (wanted.lines, wanted.amount_micro) {
        (Some(lines), None) => {
            let priced = price(deps, widget, &lines, now).await?;
            let amount = priced.total;
            (priced, amount)
        }
        (None, Some(amount)) => (Priced::default(), MicroCoins(amount)),
        _ => {
            let detail = "send either `lines` or `amount_micro`";
            return Err(Problem::new(ProblemCode::InvalidRequest, detail));
        }
    };
    let command = Command::Hold {
        hold: HoldId::generate(deps.clock()),
        amount,
        expires_at: now + TimeDelta::seconds(wanted.expires_in_s.into()),
    };
    let instruction = Instruction {
        transaction: TransactionId::generate(deps.clock()),
        command,
        key: Some(key.clone()),
        reference: wanted.reference,
        details: Some(priced.details()),
    };
    Ok((amount, instruction))
}

async fn status(deps: &Deps, widget: &Widget, id: &str) -> Result<HoldStatusView, Problem> {
    must_use_flycoins(widget)?;
    let id = read_id(id)?;
    let (mut hold, account) = find(deps, widget, id).await?;
    if hold.state == HoldState::Open && hold.expires_at <= deps.clock().now() {
        sweep(deps, hold.wallet_id).await?;
        (hold, _) = find(deps, widget, id).await?;
    }
    Ok(HoldStatusView {
        hold_id: id.to_string(),
        account_id: account.0,
        state: match hold.state {
            HoldState::Open => HoldStateView::Open,
            HoldState::Captured => HoldStateView::Captured,
            HoldState::Released => HoldStateView::Released,
            HoldState::Expired => HoldStateView::Expired,
        },
        amount_micro: hold.amount.0,
        captured_micro: hold.captured.0,
        expires_at: hold.expires_at,
    })
}

/// A hold's id as it stands in an address.
pub(super) fn read_id(text: &str) -> Result<HoldId, Problem> {
    text.parse().map_err(|_| Problem::new(ProblemCode::UnknownHold, "that is not the id of a hold"))
}

/// The widget's own hold, and whose it is.
pub(super) async fn find(deps: &Deps, widget: &Widget, id: HoldId) -> Result<(HoldRow, AccountId), Problem> {
    let found = ledger::find_hold_of_widget(on(&mut deps.conn().await?), widget.id, id).await?;
    found.ok_or_else(|| Problem::new(ProblemCode::UnknownHold, format!("{id} is no hold of this widget")))
}
