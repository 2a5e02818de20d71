//! Effect of an answer or a notification of the bank on an attempt.

use chrono::TimeDelta;

use super::{AttemptKind, AttemptState, UNSTARTED_AFTER};
use crate::money::Kopecks;
use crate::platform::purchases::{Discrepancy, PaymentUpdate, UpdateSource};
use crate::platform::tbank::{PaymentOutcome, PaymentStatus, StatusOrder};

/// The part of an attempt that decides the effect of an update.
#[derive(Debug, Clone, Copy)]
pub struct PaymentSnapshot<'a> {
    /// Way of taking the money.
    pub kind: AttemptKind,
    /// As it is stored before the update.
    pub state: AttemptState,
    /// The bank's id of its payment, once known.
    pub payment_id: Option<&'a str>,
    /// Last known status.
    pub status: Option<&'a PaymentStatus>,
    /// Total of the invoice when the attempt began.
    pub amount: Kopecks,
    /// Time since `Charge` was about to be sent; `None` if it was not.
    pub since_charge: Option<TimeDelta>,
}

/// Effect of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentStep {
    /// Nothing new.
    Ignore,
    /// Only the status changes; the attempt goes on.
    Record,
    /// The money was taken.
    Settle,
    /// No money was taken, and none will be.
    Fail,
    /// The charge never started: cancel the payment, and wait for `CANCELED`.
    Cancel,
    /// A notification contradicts what is known: ask the bank.
    Ask(Discrepancy),
    /// The bank's own answer contradicts what is known: a person must look at it.
    Review(Discrepancy),
}

impl PaymentSnapshot<'_> {
    /// Decides about an update. Notifications arrive twice, in any order and late; a success after a failure counts.
    pub fn step(&self, update: &PaymentUpdate) -> PaymentStep {
        let contradiction = |what| match update.source {
            UpdateSource::Notification => PaymentStep::Ask(what),
            UpdateSource::StatusQuery if self.state == AttemptState::Review => PaymentStep::Ignore,
            UpdateSource::StatusQuery => PaymentStep::Review(what),
        };
        if self.payment_id.is_some_and(|known| known != update.payment_id) {
            return contradiction(Discrepancy::OtherPayment);
        }
        let order = self.order(update);
        match order {
            StatusOrder::Late => return PaymentStep::Ignore,
            StatusOrder::Contradiction => return contradiction(Discrepancy::Contradiction),
            StatusOrder::Forward | StatusOrder::Repeated => {}
        }
        let outcome = match (update.status.outcome(), update.source, update.success) {
            // A decline that claims success, or the reverse, is not trusted.
            (PaymentOutcome::Paid, UpdateSource::Notification, false) => {
                return PaymentStep::Ask(Discrepancy::Contradiction);
            }
            (outcome, ..) => outcome,
        };
        match (self.state, outcome) {
            (AttemptState::Paid, PaymentOutcome::Paid) | (AttemptState::Failed, PaymentOutcome::Failed) => {
                repeated_or_recorded(order)
            }
            (AttemptState::Paid, PaymentOutcome::Failed) => contradiction(Discrepancy::Contradiction),
            // It would pay for what the seller is giving back: what the bank leaves decides.
            (_, PaymentOutcome::Paid) if is_returning(&update.status) => PaymentStep::Record,
            // Everything was returned at the bank before we knew of the money.
            (state, PaymentOutcome::Paid) if update.status == PaymentStatus::Refunded => {
                if state == AttemptState::Failed { repeated_or_recorded(order) } else { PaymentStep::Fail }
            }
            (_, PaymentOutcome::Paid) => {
                let is_whole = update.status == PaymentStatus::Confirmed;
                match update.amount.filter(|amount| is_whole && *amount != self.amount) {
                    Some(_) => contradiction(Discrepancy::Amount),
                    None => PaymentStep::Settle,
                }
            }
            (_, PaymentOutcome::Failed) => PaymentStep::Fail,
            (AttemptState::Charging, PaymentOutcome::NotStarted)
                if self.kind == AttemptKind::Charge
                    && self.since_charge.is_some_and(|since| since >= UNSTARTED_AFTER) =>
            {
                PaymentStep::Cancel
            }
            (_, PaymentOutcome::NotStarted | PaymentOutcome::InDoubt | PaymentOutcome::Pending) => {
                PaymentStep::Record
            }
        }
    }

    /// How an update follows the known status. The bank's own answer ends the doubt about money that may be on its way back: a refund that
    /// failed leaves the payment confirmed, and a cancellation that was checked leaves it as it is.
    fn order(&self, update: &PaymentUpdate) -> StatusOrder {
        let Some(known) = self.status else { return StatusOrder::Forward };
        let order = update.status.compare_to(known);
        let is_answer = update.source == UpdateSource::StatusQuery && self.state != AttemptState::Paid;
        let ends_doubt = match known {
            PaymentStatus::CancelChecking => true,
            known => is_returning(known) && update.status == PaymentStatus::Confirmed,
        };
        if is_answer && ends_doubt && order != StatusOrder::Repeated { StatusOrder::Forward } else { order }
    }
}

/// Whether the bank is still deciding about a refund or a cancellation.
const fn is_returning(status: &PaymentStatus) -> bool {
    matches!(status, PaymentStatus::Refunding | PaymentStatus::AsyncRefunding | PaymentStatus::CancelChecking)
}

const fn repeated_or_recorded(order: StatusOrder) -> PaymentStep {
    if matches!(order, StatusOrder::Repeated) { PaymentStep::Ignore } else { PaymentStep::Record }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(status: &str, source: UpdateSource) -> PaymentUpdate {
        PaymentUpdate {
            amount: Some(Kopecks(49_900)),
            ..PaymentUpdate::new(source, "7", PaymentStatus::from(status.to_owned()))
        }
    }

    fn charging(status: Option<&PaymentStatus>, minutes: i64) -> PaymentSnapshot<'_> {
        PaymentSnapshot {
            kind: AttemptKind::Charge,
            state: AttemptState::Charging,
            payment_id: Some("7"),
            status,
            amount: Kopecks(49_900),
            since_charge: Some(TimeDelta::minutes(minutes)),
        }
    }

    const SOURCES: [UpdateSource; 2] = [UpdateSource::Notification, UpdateSource::StatusQuery];

    #[test]
    fn a_charge_ends_only_with_a_status_that_is_certain() {
        for (status, minutes, step) in [
            ("CONFIRMED", 0, PaymentStep::Settle),
            ("REJECTED", 0, PaymentStep::Fail),
            ("CANCELED", 90, PaymentStep::Fail),
            ("DEADLINE_EXPIRED", 90, PaymentStep::Fail),
            ("REVERSED", 0, PaymentStep::Fail),
            ("REFUNDED", 0, PaymentStep::Fail),
            ("AUTHORIZED", 0, PaymentStep::Record),
            ("PAY_CHECKING", 300, PaymentStep::Record),
            ("SOMETHING_NEW", 300, PaymentStep::Record),
            ("NEW", 59, PaymentStep::Record),
            ("NEW", 60, PaymentStep::Cancel),
        ] {
            for source in SOURCES {
                assert_eq!(charging(None, minutes).step(&update(status, source)), step, "{status}");
            }
        }
    }

    #[test]
    fn notifications_twice_and_out_of_order_change_nothing() {
        let confirmed = PaymentStatus::Confirmed;
        let paid = PaymentSnapshot { state: AttemptState::Paid, ..charging(Some(&confirmed), 0) };
        for status in ["CONFIRMED", "AUTHORIZED", "NEW"] {
            for source in SOURCES {
                assert_eq!(paid.step(&update(status, source)), PaymentStep::Ignore, "{status}");
            }
        }
        assert_eq!(paid.step(&update("REFUNDED", UpdateSource::StatusQuery)), PaymentStep::Record);
    }

    #[test]
    fn money_that_arrives_after_a_failure_counts() {
        let rejected = PaymentStatus::Rejected;
        let failed = PaymentSnapshot { state: AttemptState::Failed, ..charging(Some(&rejected), 0) };
        for source in SOURCES {
            assert_eq!(failed.step(&update("CONFIRMED", source)), PaymentStep::Settle);
            assert_eq!(failed.step(&update("REJECTED", source)), PaymentStep::Ignore);
        }
    }

    #[test]
    fn a_failed_attempt_fails_once_however_often_the_bank_tells_of_its_refund() {
        let (rejected, refunded) = (PaymentStatus::Rejected, PaymentStatus::Refunded);
        for (known, step) in [(&rejected, PaymentStep::Record), (&refunded, PaymentStep::Ignore)] {
            let failed = PaymentSnapshot { state: AttemptState::Failed, ..charging(Some(known), 0) };
            for source in SOURCES {
                assert_eq!(failed.step(&update("REFUNDED", source)), step, "after {known}");
            }
        }
    }

    /// Somebody returns the money in T-Bank's portal before Flysk has learned that it was taken, or an unpaid form is being cancelled.
    #[test]
    fn money_that_may_be_on_its_way_back_settles_nothing_before_the_bank_has_decided() {
        for status in ["REFUNDING", "ASYNC_REFUNDING", "CANCEL_CHECKING"] {
            let known = PaymentStatus::from(status.to_owned());
            let waiting = charging(Some(&known), 0);
            for source in SOURCES {
                assert_eq!(charging(None, 0).step(&update(status, source)), PaymentStep::Record, "{status}");
                assert_eq!(waiting.step(&update(status, source)), PaymentStep::Record, "{status}");
                assert_eq!(waiting.step(&update("REFUNDED", source)), PaymentStep::Fail, "{status}");
                assert_eq!(
                    waiting.step(&update("PARTIAL_REFUNDED", source)),
                    PaymentStep::Settle,
                    "{status}"
                );
            }
            let [told, asked] = SOURCES.map(|source| update("CONFIRMED", source));
            assert_eq!(waiting.step(&told), PaymentStep::Ignore, "sent before {status}");
            assert_eq!(waiting.step(&asked), PaymentStep::Settle, "after {status}");
            let paid = PaymentSnapshot { state: AttemptState::Paid, ..waiting };
            assert_eq!(paid.step(&asked), PaymentStep::Ignore, "it counts already");
        }
        let checking = PaymentStatus::CancelChecking;
        let cancelled = update("CANCELED", UpdateSource::StatusQuery);
        assert_eq!(charging(Some(&checking), 0).step(&cancelled), PaymentStep::Fail);
    }

    #[test]
    fn contradictions_are_asked_about_and_then_shown_to_a_person() {
        let confirmed = PaymentStatus::Confirmed;
        let paid = PaymentSnapshot { state: AttemptState::Paid, ..charging(Some(&confirmed), 0) };
        let other = |source| PaymentUpdate { payment_id: "8".to_owned(), ..update("CONFIRMED", source) };
        let amount = |source| PaymentUpdate { amount: Some(Kopecks(1)), ..update("CONFIRMED", source) };
        for (snapshot, make, what) in [
            (
                paid,
                (|source| update("REJECTED", source)) as fn(UpdateSource) -> PaymentUpdate,
                Discrepancy::Contradiction,
            ),
            (charging(None, 0), other, Discrepancy::OtherPayment),
            (charging(None, 0), amount, Discrepancy::Amount),
        ] {
            assert_eq!(snapshot.step(&make(UpdateSource::Notification)), PaymentStep::Ask(what));
            assert_eq!(snapshot.step(&make(UpdateSource::StatusQuery)), PaymentStep::Review(what));
        }
        let unsuccessful =
            PaymentUpdate { success: false, ..update("CONFIRMED", UpdateSource::Notification) };
        assert_eq!(charging(None, 0).step(&unsuccessful), PaymentStep::Ask(Discrepancy::Contradiction));
    }
}
