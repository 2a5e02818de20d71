//! Plans and subscriptions in responses.

use chrono::NaiveDate;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{
    Access, AccessLevel, AccessReason, Notice, NoticeKind, PendingChange, PendingKind, PeriodLength,
    SubscriptionState,
};
use flysk_services::subscriptions::SubscriptionDetails;
use flysk_store::platform::subscriptions::Plan;
use poem_openapi::Object;
use poem_openapi::types::Example;
use serde_json::{Value, json};

use super::examples::example_day;
use super::invoice_views::InvoiceView;
use crate::choice::Choice;
use crate::time::Time;

/// Price of a seat for one length of the period.
#[derive(Debug, Object)]
#[oai(rename = "SeatPrice")]
pub(crate) struct SeatPrice {
    /// Months that are paid at once: 1, 3, 6 or 12.
    months: u32,
    /// Price of a seat for all these months, in kopecks.
    seat_price_kopecks: i64,
}

/// A plan on offer.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionPlan", example)]
pub(crate) struct PlanView {
    /// Id of this version of the plan, to ask for a quote.
    id: String,
    /// Code of the plan, the same in all versions.
    code: String,
    /// Version of the plan.
    version: u32,
    /// Title in Russian.
    title: String,
    /// Prices by length of the period, shortest first.
    prices: Vec<SeatPrice>,
    /// Minimum number of seats.
    min_seats: u32,
    /// Maximum number of seats; null if there is none.
    max_seats: Option<u32>,
    /// Currency of the prices, always `RUB`.
    currency: String,
    /// Features of the plan, as the vendor registered them.
    features: Value,
}

impl Example for PlanView {
    fn example() -> Self {
        Self {
            id: "pln_01KCQJ3F8A1C5E7G9J2M4P6R8T".to_owned(),
            code: "pro".to_owned(),
            version: 1,
            title: "Про".to_owned(),
            prices: vec![SeatPrice { months: 1, seat_price_kopecks: 49_900 }],
            min_seats: 1,
            max_seats: Some(100),
            currency: "RUB".to_owned(),
            features: json!({ "reports": true }),
        }
    }
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        let price = |(length, price): (&PeriodLength, &Kopecks)| SeatPrice {
            months: length.months(),
            seat_price_kopecks: price.0,
        };
        Self {
            id: plan.id.to_string(),
            code: plan.code.to_string(),
            version: plan.version,
            title: plan.terms.title.clone(),
            prices: plan.terms.prices.iter().map(price).collect(),
            min_seats: plan.terms.min_seats,
            max_seats: plan.terms.max_seats,
            currency: plan.terms.currency.to_string(),
            features: plan.terms.features.clone(),
        }
    }
}

/// Whether the account, or the user who asks, may use the widget.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionAccess", example)]
pub(crate) struct SubscriptionAccess {
    /// Level of access.
    level: Choice<AccessLevel>,
    /// Why.
    reason: Choice<AccessReason>,
    /// Text for users, in Russian; null if nothing needs to be said.
    notice: Option<String>,
    /// Until when, if that is known.
    until: Option<Time>,
}

impl Example for SubscriptionAccess {
    fn example() -> Self {
        let (level, reason) = (AccessLevel::Allowed.into(), AccessReason::Paid.into());
        Self { level, reason, notice: None, until: Some(Time::example()) }
    }
}

impl From<Access> for SubscriptionAccess {
    fn from(access: Access) -> Self {
        Self {
            level: access.level.into(),
            reason: access.reason.into(),
            notice: access.reason.notice_ru().map(str::to_owned),
            until: access.until.map(Time),
        }
    }
}

/// A change that waits for the next period.
#[derive(Debug, Object)]
#[oai(rename = "PendingChange")]
pub(crate) struct PendingView {
    /// Kind of the change. Each kind is withdrawn by itself.
    kind: Choice<PendingKind>,
    /// Id of the next version of the plan; null for other kinds.
    plan_id: Option<String>,
    /// Next number of seats; null for other kinds.
    seats: Option<u32>,
    /// Next number of months; null for other kinds.
    months: Option<u32>,
}

impl From<&PendingChange> for PendingView {
    fn from(change: &PendingChange) -> Self {
        let (mut plan_id, mut seats, mut months) = (None, None, None);
        match change {
            PendingChange::Plan(plan) => plan_id = Some(plan.to_string()),
            PendingChange::Seats(wanted) => seats = Some(*wanted),
            PendingChange::Length(length) => months = Some(length.months()),
        }
        Self { kind: change.kind().into(), plan_id, seats, months }
    }
}

/// Notice to the users of the account about its subscription.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionNotice")]
pub(crate) struct NoticeView {
    /// Subject.
    kind: Choice<NoticeKind>,
    /// Sentence in Russian.
    text: String,
    /// The day that it is about, Moscow time; null for a notice about access.
    on: Option<NaiveDate>,
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        Self { kind: notice.kind.into(), text: notice.text, on: notice.on }
    }
}

/// A new price of a seat, of which the account was notified.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionPriceChange", example)]
pub(crate) struct PriceChangeView {
    /// First day of the first period that has the new price, Moscow time.
    on: NaiveDate,
    /// Price of a seat for a period until then, in kopecks.
    seat_price_kopecks: i64,
    /// Price of a seat for a period from then on, in kopecks.
    next_seat_price_kopecks: i64,
}

impl Example for PriceChangeView {
    fn example() -> Self {
        Self { on: example_day(31), seat_price_kopecks: 49_900, next_seat_price_kopecks: 59_900 }
    }
}

/// Subscription of an account.
#[derive(Debug, Object)]
#[oai(rename = "Subscription", example)]
pub(crate) struct SubscriptionView {
    /// Subscription id, `sub_…`.
    id: String,
    /// State. Decide by `access`, not by the state.
    state: Choice<SubscriptionState>,
    /// Name of the state in Russian.
    label: String,
    /// Whether the account may use the widget.
    access: SubscriptionAccess,
    /// Version of the plan; null before the first purchase. Its price may differ from the plan on offer.
    plan: Option<PlanView>,
    /// Number of seats; null before the first purchase.
    seats: Option<u32>,
    /// Number of seats that users occupy; null if the widget gives no seats to users, and before the first purchase.
    seats_taken: Option<u32>,
    /// Whether the user who asks has a seat, in the answers of the handshake and of `getSubscription`: if all are in use, `access` is
    /// that user's. Null elsewhere, if the widget gives no seats to users, and before the first purchase.
    pub(super) has_seat: Option<bool>,
    /// Months that are paid at once; null before the first purchase.
    months: Option<u32>,
    /// Price of a seat for these months, in kopecks; null before the first purchase.
    seat_price_kopecks: Option<i64>,
    /// First day of the current or last period, Moscow time.
    period_from: Option<NaiveDate>,
    /// Day after the last one of the current or last period, Moscow time.
    period_until: Option<NaiveDate>,
    /// Day after the last one that is paid, Moscow time; later than `period_until` if the next period is paid ahead.
    paid_until: Option<NaiveDate>,
    /// Day after the last one of the trial, Moscow time; null if there was none.
    trial_until: Option<NaiveDate>,
    /// Whether a card is charged for the next period. Not one that was saved at another terminal than the seller's.
    renews: bool,
    /// Whether the subscription ends with its period.
    cancels: bool,
    /// Changes that wait for the next period.
    pending_changes: Vec<PendingView>,
    /// A new price of which the account was notified at least 30 days before; null if the price stays.
    price_change: Option<PriceChangeView>,
    /// The invoice to be paid.
    open_invoice: Option<InvoiceView>,
    /// Notices for users now, such as the coming end of a trial.
    notices: Vec<NoticeView>,
}

impl Example for SubscriptionView {
    fn example() -> Self {
        Self {
            id: "sub_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned(),
            state: SubscriptionState::Active.into(),
            label: SubscriptionState::Active.label_ru().to_owned(),
            access: SubscriptionAccess::example(),
            plan: Some(PlanView::example()),
            seats: Some(3),
            seats_taken: Some(2),
            has_seat: Some(true),
            months: Some(1),
            seat_price_kopecks: Some(49_900),
            period_from: Some(example_day(1)),
            period_until: Some(example_day(31)),
            paid_until: Some(example_day(31)),
            trial_until: None,
            renews: true,
            cancels: false,
            pending_changes: Vec::new(),
            price_change: None,
            open_invoice: None,
            notices: Vec::new(),
        }
    }
}

impl From<SubscriptionDetails> for SubscriptionView {
    fn from(details: SubscriptionDetails) -> Self {
        let subscription = &details.row.subscription;
        let terms = subscription.terms;
        Self {
            id: details.row.id.to_string(),
            state: subscription.state.into(),
            label: subscription.state.label_ru().to_owned(),
            access: details.access.into(),
            plan: details.plan.as_ref().map(PlanView::from),
            seats: terms.map(|terms| terms.seats),
            seats_taken: details.seats.map(|seats| seats.taken),
            has_seat: None,
            months: terms.map(|terms| terms.length.months()),
            seat_price_kopecks: terms.map(|terms| terms.seat_price.0),
            period_from: subscription.period.map(|period| period.from),
            period_until: subscription.period.map(|period| period.until),
            paid_until: subscription.paid_until(),
            trial_until: subscription.trial.map(|trial| trial.until),
            renews: details.can_charge_card && !subscription.cancels,
            cancels: subscription.cancels,
            pending_changes: details.pending.iter().map(PendingView::from).collect(),
            price_change: details.new_price.map(|(told, on)| PriceChangeView {
                on,
                seat_price_kopecks: told.old_price.0,
                next_seat_price_kopecks: told.new_price.0,
            }),
            open_invoice: details.open_invoice.as_ref().map(InvoiceView::from),
            notices: details.notices.into_iter().map(NoticeView::from).collect(),
        }
    }
}
