//! Writing a subscription: its state, its next due time, and an entry of the log.

use std::fmt;

use flysk_domain::id::{InvoiceId, UserId};
use flysk_domain::platform::subscriptions::{Subscription, SubscriptionSettings};
use flysk_domain::{Clock, TextEnum as _, UnknownText};
use flysk_queue::UnitOfWork;
use flysk_store::platform::cache_invalidations::{self, Subject};
use flysk_store::platform::subscriptions::{self, Action, SubscriptionRow};
use flysk_store::{StoreError, StoreResult};
use serde_json::{Value, json};

use super::announce::announce;
use super::seats::drop_surplus_seats;

/// Actor of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// A user of the account.
    User(UserId),
    /// An operator of Flysk, by name.
    Operator(&'a str),
    /// A reader of a letter to the payer.
    Letter,
    /// The bank, by its answer or notification about a payment.
    Bank,
    /// Flysk, because something became due.
    System,
}

impl fmt::Display for Actor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Operator(name) => write!(f, "operator:{name}"),
            Self::Letter => f.write_str("letter"),
            Self::Bank => f.write_str("bank"),
            Self::System => f.write_str("system"),
        }
    }
}

/// Action on a subscription; the text is used in the log and in metrics.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionAction {
    /// A subscription was created, with its trial.
    TrialStarted,
    /// The end of the trial is near.
    TrialEnding,
    /// The trial ended.
    TrialEnded,
    /// An invoice was written for a quote.
    InvoiceCreated,
    /// An open invoice was voided.
    InvoiceVoided,
    /// A first period, or a new one after an end, was paid.
    Activated,
    /// The next period was paid.
    Renewed,
    /// The next period, which was paid ahead, began.
    PeriodBegan,
    /// A charge at the end of the period is near.
    RenewalUpcoming,
    /// The invoice of the next period was written.
    RenewalOpened,
    /// The open invoice of the next period was withdrawn, because the widget sold no subscriptions up to its end.
    RenewalWithdrawn,
    /// A payment failed.
    PaymentFailed,
    /// A charge failed by a fault of ours or of the terminal; it is made again, and the payer is not told.
    ChargePostponed,
    /// No saved card can be charged for the next period: the customer has to pay it by another means.
    CardNotChargeable,
    /// Plan or seats changed.
    Changed,
    /// A change waits for the next period.
    ChangePlanned,
    /// A change that waited was withdrawn.
    ChangeWithdrawn,
    /// A change that waited is not possible any more.
    ChangeUnavailable,
    /// A cancellation at the end of the period was asked for.
    CancelRequested,
    /// A cancellation was revoked.
    Restored,
    /// The subscription was cancelled.
    Cancelled,
    /// The subscription ended unpaid.
    Expired,
    /// The subscription reopened, because its money arrived late.
    Reopened,
    /// Money arrived that must be returned.
    PaymentReturned,
    /// A transfer arrived that the subscription cannot take: it is in the firm's balance.
    PaymentToBalance,
    /// More than one boundary went by unpaid: a person must decide.
    Lapsed,
    /// An operator granted days.
    BonusGranted,
    /// An operator charged or invoiced the next period ahead of time.
    RenewalForced,
    /// An operator ended a review.
    ReviewEnded,
    /// An operator reinstated the subscription after its end.
    Reinstated,
    /// An operator ended an attempt that kept an invoice from being paid.
    PaymentLockCleared,
    /// The next period, which was paid ahead, was taken back, because its payment is refunded whole.
    PrepaidWithdrawn,
    /// The next period was given back, because the bank refused to return its payment.
    PrepaidRestored,
    /// An operator found the closing receipt registered.
    ReceiptRegistered,
    /// An operator found no closing receipt registered, and had it sent again.
    ReceiptSentAgain,
    /// The customer was notified of a new price.
    PriceAnnounced,
    /// A card was saved for renewals.
    CardSaved,
    /// A card was unlinked.
    CardUnlinked,
    /// A user's seat was freed.
    SeatFreed,
    /// Users lost their seats, because there are fewer of them.
    SeatsLost,
}

/// An entry of the log.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) actor: Actor<'a>,
    pub(super) action: SubscriptionAction,
    pub(super) reason: Option<&'a str>,
    pub(super) invoice: Option<InvoiceId>,
    pub(super) data: Value,
}

impl<'a> Entry<'a> {
    pub(super) fn new(actor: Actor<'a>, action: SubscriptionAction) -> Self {
        Self { actor, action, reason: None, invoice: None, data: json!({}) }
    }

    pub(super) fn about(self, invoice: InvoiceId) -> Self {
        Self { invoice: Some(invoice), ..self }
    }

    pub(super) fn because(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    pub(super) fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }
}

/// Writes the new state of a subscription whose row the caller has locked, and logs it. Returns the row as written.
pub(super) async fn save(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    new: &Subscription,
    entry: Entry<'_>,
) -> StoreResult<SubscriptionRow> {
    let now = clock.now();
    let next_due_at = new.next_due_at(now, settings);
    subscriptions::update_subscription(unit, row, new, next_due_at, now).await?;
    drop_surplus_seats(unit, clock, row, new).await?;
    let details = json!({ "before": summary(&row.subscription), "after": summary(new), "data": entry.data });
    log(unit, clock, row, &entry, details).await?;
    cache_invalidations::record(unit, Subject::Install(row.install_id)).await?;
    if row.subscription.state != new.state {
        tracing::info!(
            subscription.id = %row.id, account.id = %row.account_id, from = %row.subscription.state, to = %new.state,
            action = %entry.action, "subscription changed its state"
        );
    }
    let written = subscriptions::find_subscription(unit, row.id).await?;
    let written = written.ok_or(StoreError::WrongState { what: "subscription" })?;
    let about = (entry.action, entry.invoice);
    announce(unit, clock, settings, row.subscription.state, &written, about).await?;
    Ok(written)
}

/// Logs what does not change the subscription's row.
pub(super) async fn note(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    entry: Entry<'_>,
) -> StoreResult<()> {
    let details = json!({ "data": entry.data });
    log(unit, clock, row, &entry, details).await
}

async fn log(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    entry: &Entry<'_>,
    details: Value,
) -> StoreResult<()> {
    metrics::counter!("flysk_subscription_actions_total", "action" => entry.action.as_str()).increment(1);
    let action = Action {
        subscription_id: row.id,
        actor: entry.actor.to_string(),
        action: entry.action.to_string(),
        reason: entry.reason.map(str::to_owned),
        invoice_id: entry.invoice,
        details,
        acted_at: clock.now(),
    };
    subscriptions::insert_action(unit, &action).await
}

/// Summary of a state for the log.
fn summary(subscription: &Subscription) -> Value {
    json!({
        "state": subscription.state.as_str(),
        "plan_id": subscription.terms.map(|terms| terms.plan),
        "seats": subscription.terms.map(|terms| terms.seats),
        "months": subscription.terms.map(|terms| terms.length.months()),
        "seat_price_kopecks": subscription.terms.map(|terms| terms.seat_price),
        "period_no": subscription.period_no,
        "period": subscription.period,
        "prepaid": subscription.prepaid,
        "trial": subscription.trial,
        "cancels": subscription.cancels,
    })
}
