//! A locked subscription, with what its steps and its charges are decided by.

use flysk_domain::Clock;
use flysk_domain::platform::subscriptions::SubscriptionSettings;
use flysk_store::platform::subscriptions::SubscriptionRow;
use flysk_store::platform::widgets::EventRules;

/// A locked subscription.
pub(super) struct Context<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) settings: &'a SubscriptionSettings,
    pub(super) row: &'a SubscriptionRow,
    /// What decides about the widget's events, if the caller has read it.
    pub(super) events: Option<EventRules<'a>>,
}
