//! Events for vendors' backends: their kinds and their data.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::lifecycle::{Fact, InstallStatus};
use crate::UnknownText;
use crate::id::{HoldId, InvoiceId, PlanId, PurchaseId, SubscriptionId};
use crate::money::{Kopecks, MicroCoins};

/// Kind of an event sent to a vendor's backend. More kinds may be added.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// The widget was installed or reinstalled in an account. Data: [`StatusChanged`].
    #[strum(serialize = "install")]
    Install,
    /// The widget became active. Data: [`StatusChanged`].
    #[strum(serialize = "activate")]
    Activate,
    /// The widget stopped being active, or was uninstalled while it was not. Data: [`StatusChanged`].
    #[strum(serialize = "deactivate")]
    Deactivate,
    /// The settings of the widget in an account were changed. Data: [`SettingsChanged`].
    #[strum(serialize = "settings.changed")]
    SettingsChanged,
    /// An account bought Flycoins. Data: [`FlycoinsPurchased`].
    #[strum(serialize = "flycoins.purchased")]
    FlycoinsPurchased,
    /// The balance of an account fell below the widget's threshold. Data: [`BalanceLow`].
    #[strum(serialize = "flycoins.balance_low")]
    FlycoinsBalanceLow,
    /// A hold expired without capture or release. Data: [`HoldExpired`].
    #[strum(serialize = "flycoins.hold_expired")]
    FlycoinsHoldExpired,
    /// The trial of an account ends in some days. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.trial_ending")]
    SubscriptionTrialEnding,
    /// The trial of an account ended without a purchase. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.trial_ended")]
    SubscriptionTrialEnded,
    /// A first period was paid, a new one after an end, or late money reopened the subscription. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.activated")]
    SubscriptionActivated,
    /// The card will be charged for the next period in some days. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.renewal_upcoming")]
    SubscriptionRenewalUpcoming,
    /// The account was notified that the price of its plan changes in a month or later. Data: [`SubscriptionChanged`]; the new
    /// price is in `GET /v1/backend/subscription`.
    #[strum(serialize = "subscription.price_changing")]
    SubscriptionPriceChanging,
    /// The next period was paid. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.renewed")]
    SubscriptionRenewed,
    /// A charge for the next period failed. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.payment_failed")]
    SubscriptionPaymentFailed,
    /// The period is over and the next one is not paid. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.past_due")]
    SubscriptionPastDue,
    /// Plan, seats, length, period or pending changes changed. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.changed")]
    SubscriptionChanged,
    /// The subscription ends with its period, or has ended, because it was cancelled. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.cancelled")]
    SubscriptionCancelled,
    /// The subscription ended, because the next period was not paid. Data: [`SubscriptionChanged`].
    #[strum(serialize = "subscription.expired")]
    SubscriptionExpired,
    /// Requested by the vendor to test a backend. Data: [`Test`].
    #[strum(serialize = "test")]
    Test,
}

impl EventKind {
    /// In the order in which they are declared.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Kinds of a widget that has chosen none.
    pub const DEFAULT: [Self; 3] = [Self::Install, Self::Activate, Self::Deactivate];

    /// Whether the event requests the payment of its invoice. Its data then gets `pay_url` whenever the backend gets it.
    pub const fn asks_for_payment(self) -> bool {
        matches!(self, Self::SubscriptionPaymentFailed | Self::SubscriptionPastDue)
    }

    /// Whether a widget can choose the kind. The others are sent to every widget.
    pub const fn is_optional(self) -> bool {
        !matches!(self, Self::Test)
    }
}

/// Events caused by a change of an install's status, in the order of sending.
pub fn caused_by_status_change(before: InstallStatus, after: InstallStatus) -> Vec<EventKind> {
    use InstallStatus::{Active, Installing, Uninstalled};
    let mut events = Vec::new();
    if matches!(before, Installing | Uninstalled) && !matches!(after, Installing | Uninstalled) {
        events.push(EventKind::Install);
    }
    if before != Active && after == Active {
        events.push(EventKind::Activate);
    }
    // An install that stopped for another reason can be uninstalled later: its backend hears of that, too.
    let uninstalled = after == Uninstalled && !matches!(before, Installing | Uninstalled);
    if uninstalled || before == Active && after != Active {
        events.push(EventKind::Deactivate);
    }
    events
}

/// Reason for a change of an install's status.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusReason {
    /// An administrator granted access.
    AccessGranted,
    /// amoCRM refused the grant permanently: an administrator must grant access again.
    AccessLost,
    /// The account disabled the integration.
    Uninstalled,
    /// An authorized user, the backend or an operator switched the widget on.
    SwitchedOn,
    /// An authorized user, the backend or an operator switched the widget off.
    SwitchedOff,
}

impl From<Fact> for StatusReason {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::Granted => Self::AccessGranted,
            Fact::Lost => Self::AccessLost,
            Fact::Disconnected => Self::Uninstalled,
            Fact::SwitchedOn => Self::SwitchedOn,
            Fact::SwitchedOff => Self::SwitchedOff,
        }
    }
}

/// Data of `install`, `activate` and `deactivate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StatusChanged {
    /// Status of the install after the change.
    pub status: InstallStatus,
    /// Cause of the change, as backends read it.
    pub reason: StatusReason,
}

/// Data of `settings.changed`. The settings themselves can be read with `GET /v1/backend/settings`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingsChanged<'a> {
    /// Number of the settings' version that is in force now, from 1.
    pub version: u32,
    /// Author: `user 501`, `backend` or `operator`.
    pub changed_by: &'a str,
}

/// Data of `flycoins.purchased`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlycoinsPurchased {
    /// Order that was paid; the ledger credited its coins.
    pub purchase_id: PurchaseId,
    /// The price that was paid, kopecks.
    pub price_kopecks: Kopecks,
    /// Coins that were bought, micro-Flycoins.
    pub coins_micro: MicroCoins,
    /// Coins added as a bonus, micro-Flycoins.
    pub bonus_micro: MicroCoins,
    /// Balance after the purchase, micro-Flycoins.
    pub available_micro: MicroCoins,
}

/// Data of `flycoins.balance_low`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BalanceLow {
    /// Balance when it fell below the threshold, micro-Flycoins.
    pub available_micro: MicroCoins,
    /// The threshold, micro-Flycoins.
    pub threshold_micro: MicroCoins,
}

/// Data of `flycoins.hold_expired`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HoldExpired {
    /// Reservation that nobody captured or released before its expiry.
    pub hold_id: HoldId,
    /// Coins that returned to the balance, micro-Flycoins.
    pub amount_micro: MicroCoins,
}

/// Data of the events of subscriptions: the subscription after the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubscriptionChanged {
    /// One per install, for ever.
    pub subscription_id: SubscriptionId,
    /// Code of the subscription's state after the change.
    pub state: &'static str,
    /// Level of access: what the widget has to obey.
    pub access_level: &'static str,
    /// Reason of the level.
    pub access_reason: &'static str,
    /// Until when the level is known to last.
    pub access_until: Option<DateTime<Utc>>,
    /// Version of the plan.
    pub plan_id: Option<PlanId>,
    /// Number of seats.
    pub seats: Option<u32>,
    /// Months that are paid at once.
    pub months: Option<u32>,
    /// First day of the current or last period, Moscow time.
    pub period_from: Option<NaiveDate>,
    /// Day after the last one of the current or last period, Moscow time.
    pub period_until: Option<NaiveDate>,
    /// Whether the subscription ends with its period.
    pub cancels: bool,
    /// The invoice that the change is about.
    pub invoice_id: Option<InvoiceId>,
    /// Days before the end of the trial or the charge, in reminders.
    pub days_before: Option<u32>,
    /// Day on which the card is charged, Moscow time, in `subscription.renewal_upcoming`; `None` if no card can be charged and
    /// the account has to pay the period itself.
    pub charges_on: Option<NaiveDate>,
}

/// Data of `test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Test {
    /// Text that marks the event as a test.
    pub message: &'static str,
}

impl Default for Test {
    fn default() -> Self {
        Self { message: "This event was requested to test the backend. Nothing happened in the account." }
    }
}

/// Outcome of an attempt to deliver an event.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The backend accepted the event (2xx).
    Delivered,
    /// The backend does not want events any more (410).
    Refused,
    /// Another response, or none.
    Failed,
    /// The worker stopped during the attempt: the backend may have received the event.
    Interrupted,
}

impl AttemptOutcome {
    /// The outcome of an attempt with this HTTP status (`None`: no response).
    pub const fn of(status: Option<u16>, interrupted: bool) -> Self {
        match status {
            _ if interrupted => Self::Interrupted,
            Some(200..=299) => Self::Delivered,
            Some(410) => Self::Refused,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;
    use crate::TextEnum as _;

    #[test]
    fn the_vendor_hears_of_each_change_once_and_in_order() {
        use EventKind::{Activate, Deactivate, Install};
        use InstallStatus::{Active, Inactive, Installing, Reconnect, Uninstalled};
        for (before, after, told) in [
            (Installing, Active, vec![Install, Activate]),
            (Uninstalled, Active, vec![Install, Activate]),
            (Uninstalled, Inactive, vec![Install]),
            (Inactive, Active, vec![Activate]),
            (Reconnect, Active, vec![Activate]),
            (Active, Reconnect, vec![Deactivate]),
            (Active, Uninstalled, vec![Deactivate]),
            (Active, Inactive, vec![Deactivate]),
            (Reconnect, Uninstalled, vec![Deactivate]),
            (Inactive, Uninstalled, vec![Deactivate]),
            (Inactive, Reconnect, vec![]),
            (Installing, Uninstalled, vec![]),
            (Uninstalled, Uninstalled, vec![]),
            (Active, Active, vec![]),
        ] {
            assert_eq!(caused_by_status_change(before, after), told, "{before} to {after}");
        }
    }

    #[test]
    fn kinds_fit_their_column_and_survive_a_row() {
        for &kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert!(kind.as_str().len() <= 48, "{kind}");
        }
        assert!(EventKind::DEFAULT.iter().all(|kind| kind.is_optional()));
    }

    #[test]
    fn reasons_have_the_same_text_in_json_and_elsewhere() {
        for &reason in StatusReason::VARIANTS {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn an_interrupted_attempt_has_no_other_outcome() {
        assert_eq!(AttemptOutcome::of(None, true), AttemptOutcome::Interrupted);
        assert_eq!(AttemptOutcome::of(Some(204), false), AttemptOutcome::Delivered);
        assert_eq!(AttemptOutcome::of(Some(410), false), AttemptOutcome::Refused);
        assert_eq!(AttemptOutcome::of(Some(500), false), AttemptOutcome::Failed);
        assert_eq!(AttemptOutcome::of(None, false), AttemptOutcome::Failed);
    }
}
