//! Queues of the product. Each has workers of its own, so slow jobs never delay quick ones.

use std::time::Duration;

use flysk_queue::{Backoff, Policy, Priority, QueueName};

/// OAuth tokens of amoCRM.
pub const OAUTH: QueueName = QueueName::new("oauth");
/// Unvouched authorization codes. Anybody can send some, so they have workers of their own.
pub const OAUTH_UNVOUCHED: QueueName = QueueName::new("oauth_unvouched");
/// Events to vendors' backends.
pub const LIFECYCLE: QueueName = QueueName::new("lifecycle");
/// Calls: jobs that wait for amoCRM, downloads, storage, recognition.
pub const CALLS: QueueName = QueueName::new("calls");
/// Calls: jobs that use the CPU.
pub const AUDIO: QueueName = QueueName::new("audio");
/// Ledger of Flycoins, purchases, T-Bank, refunds.
pub const BILLING: QueueName = QueueName::new("billing");
/// FlySense's activation: what people do in the bots.
pub const ACTIVATION: QueueName = QueueName::new("activation");
/// Requests to Telegram.
pub const TELEGRAM: QueueName = QueueName::new("telegram");
/// Requests to MAX.
pub const MAX: QueueName = QueueName::new("max");
/// Long work of the admin panel: exports and bulk acts.
pub const PANEL: QueueName = QueueName::new("panel");
/// Requests to the mail server.
pub const MAIL: QueueName = QueueName::new("mail");
/// Schedules and deletion of old rows.
pub const UPKEEP: QueueName = QueueName::new("upkeep");

/// Policy of jobs that hand one letter over to the mail server. Mail servers ask to come back in minutes or hours (greylisting):
/// these attempts last for two days.
pub(crate) const LETTER_POLICY: Policy = Policy::for_queue(MAIL)
    .priority(Priority::Low)
    .attempts(20)
    .timeout_secs(150)
    .backoff(Backoff::Exponential { first: Duration::from_mins(1), max: Duration::from_hours(4) });

/// Every queue.
pub const ALL: [QueueName; 12] = [
    OAUTH,
    OAUTH_UNVOUCHED,
    LIFECYCLE,
    CALLS,
    AUDIO,
    BILLING,
    ACTIVATION,
    TELEGRAM,
    MAX,
    MAIL,
    PANEL,
    UPKEEP,
];

/// No queue has this name.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a queue; known queues: {names}", names = ALL.map(QueueName::as_str).join(", "))]
pub struct UnknownQueue(String);

/// Finds the queue with this name.
///
/// # Errors
///
/// [`UnknownQueue`] if no queue has this name; its text lists all queues.
pub fn parse(name: &str) -> Result<QueueName, UnknownQueue> {
    ALL.into_iter().find(|queue| queue.as_str() == name).ok_or_else(|| UnknownQueue(name.to_owned()))
}
