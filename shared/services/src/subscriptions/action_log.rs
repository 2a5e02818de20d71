//! The log of a subscription: who did what, and why.

use std::fmt;

use flysk_domain::id::{InvoiceId, UserId};
pub use flysk_domain::platform::subscriptions::SubscriptionAction;
use flysk_domain::{Clock, TextEnum as _};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions::{self, Action, SubscriptionRow};
use flysk_store::platform::widgets::EventRules;
use serde_json::{Value, json};

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

/// An entry of the log.
#[derive(Debug, Clone)]
pub(super) struct Entry<'a> {
    pub(super) actor: Actor<'a>,
    pub(super) action: SubscriptionAction,
    pub(super) reason: Option<&'a str>,
    pub(super) invoice: Option<InvoiceId>,
    pub(super) data: Value,
    /// What decides about the widget's events, if the caller has read it.
    pub(super) events: Option<EventRules<'a>>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(actor: Actor<'a>, action: SubscriptionAction) -> Self {
        Self { actor, action, reason: None, invoice: None, data: json!({}), events: None }
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

    pub(super) fn knowing(self, events: EventRules<'a>) -> Self {
        Self { events: Some(events), ..self }
    }
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

/// Writes an entry of the log with these details.
pub(super) async fn log(
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
