//! Effect of a payment update on a purchase.
//!
//! Notifications arrive duplicated, out of order, late, early and, if the password leaked, forged; responses to
//! queries (`GetState`, `CheckOrder`) are authoritative. A notification that does not fit is therefore neither
//! believed nor dropped: the bank is queried. A response that does not fit is left to an operator.

use super::{PaymentUpdate, PurchaseState, UpdateSource};
use crate::UnknownText;
use crate::money::Kopecks;
use crate::platform::tbank::{PaymentOutcome, PaymentStatus, StatusOrder};

/// State of a purchase before the update.
#[derive(Debug, Clone)]
pub struct PurchaseSnapshot<'a> {
    /// As it is stored, read under the lock of the purchase.
    pub state: PurchaseState,
    /// Whether the coins were credited.
    pub credited: bool,
    /// Last known status of the payment.
    pub status: Option<&'a PaymentStatus>,
    /// The bank's payment id.
    pub payment_id: Option<&'a str>,
    /// Price to be paid.
    pub price: Kopecks,
}

/// Contradiction between a purchase and the bank's data; the text is used in columns, logs and metrics.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discrepancy {
    /// Another payment of the same order.
    OtherPayment,
    /// Paid, but with another amount than the price.
    #[strum(serialize = "other_amount")]
    Amount,
    /// The new status contradicts the known one, or its name is not in the list.
    Contradiction,
    /// The coins were credited, but the bank reports that the money was not captured.
    NotPaid,
    /// Money was refunded before the coins were credited.
    RefundedBefore,
    /// Said to be paid at a terminal that its vendor has removed: nobody can verify that.
    RemovedTerminal,
}

/// Effect of an update on the purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// None: the update is known or outdated.
    Ignore,
    /// Store the status; the purchase's state does not change.
    RecordStatus,
    /// Store the status; the purchase waits for its payer (again).
    AwaitPayment,
    /// The price was paid: credit the coins.
    Credit,
    /// Not paid: fail the purchase.
    Fail,
    /// Store the status and end the review: the data fits again, and the purchase is paid.
    ResolveReview,
    /// Query the bank; change nothing.
    Requery(Discrepancy),
    /// Put the purchase into review: an operator must check.
    NeedsReview(Discrepancy),
}

impl PurchaseSnapshot<'_> {
    /// Decides the effect of an update.
    pub fn transition(&self, update: &PaymentUpdate) -> Transition {
        let discrepancy = |discrepancy| match update.source {
            UpdateSource::Notification => Transition::Requery(discrepancy),
            UpdateSource::StatusQuery => Transition::NeedsReview(discrepancy),
        };
        let charged = update.status.outcome();
        if self.payment_id.is_some_and(|known| known != update.payment_id) {
            // For another payment of the order, only captured money matters.
            let harmless = matches!(charged, PaymentOutcome::Failed | PaymentOutcome::NotStarted);
            return if harmless { Transition::Ignore } else { discrepancy(Discrepancy::OtherPayment) };
        }
        match self.status.map_or(StatusOrder::Forward, |known| update.status.compare_to(known)) {
            // A purchase in review is re-evaluated: a query's response may end the review.
            StatusOrder::Repeated if self.state != PurchaseState::Review => return Transition::Ignore,
            StatusOrder::Late if !self.is_failed_refund(update) => return Transition::Ignore,
            StatusOrder::Contradiction if update.source == UpdateSource::Notification => {
                return Transition::Requery(Discrepancy::Contradiction);
            }
            StatusOrder::Repeated | StatusOrder::Late | StatusOrder::Forward | StatusOrder::Contradiction => {
            }
        }
        match charged {
            PaymentOutcome::Paid => self.paid(update),
            PaymentOutcome::Failed if self.credited => discrepancy(Discrepancy::NotPaid),
            PaymentOutcome::Failed
                if self.state == PurchaseState::Review && update.source == UpdateSource::Notification =>
            {
                Transition::RecordStatus
            }
            PaymentOutcome::Failed => Transition::Fail,
            PaymentOutcome::NotStarted | PaymentOutcome::InDoubt | PaymentOutcome::Pending => {
                if self.credited || self.state == PurchaseState::Review {
                    Transition::RecordStatus
                } else {
                    Transition::AwaitPayment
                }
            }
        }
    }

    fn paid(&self, update: &PaymentUpdate) -> Transition {
        let discrepancy = |discrepancy| match update.source {
            UpdateSource::Notification => Transition::Requery(discrepancy),
            UpdateSource::StatusQuery => Transition::NeedsReview(discrepancy),
        };
        // A notification never ends a review, and one with `Success = false` does not count as paid.
        if update.source == UpdateSource::Notification
            && (self.state == PurchaseState::Review || !update.success)
        {
            return Transition::Requery(Discrepancy::Contradiction);
        }
        if self.credited {
            let in_review = self.state == PurchaseState::Review;
            return if in_review && self.fits(update) {
                Transition::ResolveReview
            } else {
                Transition::RecordStatus
            };
        }
        match &update.status {
            PaymentStatus::Confirmed if update.amount == Some(self.price) => Transition::Credit,
            PaymentStatus::Confirmed => discrepancy(Discrepancy::Amount),
            // Fully refunded before coins were credited: for the buyer, the purchase was not paid.
            PaymentStatus::Refunded if update.source == UpdateSource::StatusQuery => Transition::Fail,
            PaymentStatus::Refunded | PaymentStatus::PartialRefunded => {
                discrepancy(Discrepancy::RefundedBefore)
            }
            // A refund in progress, or a check at the bank: wait for the final status.
            _ => Transition::RecordStatus,
        }
    }

    /// Whether the price was captured, regardless of later refunds.
    fn fits(&self, update: &PaymentUpdate) -> bool {
        match &update.status {
            PaymentStatus::Confirmed => update.amount == Some(self.price),
            PaymentStatus::PartialRefunded | PaymentStatus::Refunded => true,
            _ => false,
        }
    }

    /// Whether a refund failed at the bank: the payment returns to `CONFIRMED`, which only a status query reports.
    fn is_failed_refund(&self, update: &PaymentUpdate) -> bool {
        update.source == UpdateSource::StatusQuery
            && update.status == PaymentStatus::Confirmed
            && matches!(
                self.status,
                Some(
                    PaymentStatus::Refunding | PaymentStatus::AsyncRefunding | PaymentStatus::CancelChecking
                )
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Kopecks = Kopecks(50_000);

    fn transition(
        state: PurchaseState,
        known: Option<&str>,
        source: UpdateSource,
        told: &str,
        amount: Option<i64>,
    ) -> Transition {
        let known = known.map(|name| PaymentStatus::from(name.to_owned()));
        let status = PaymentStatus::from(told.to_owned());
        PurchaseSnapshot {
            state,
            credited: state == PurchaseState::Paid,
            status: known.as_ref(),
            payment_id: Some("1"),
            price: PRICE,
        }
        .transition(&PaymentUpdate { amount: amount.map(Kopecks), ..PaymentUpdate::new(source, "1", status) })
    }

    #[test]
    fn notifications_in_any_order_credit_once_and_only_the_price() {
        use PurchaseState::{Awaiting, Failed, Opening, Paid, Review};
        for (state, known, told, amount, wanted) in [
            (Awaiting, Some("NEW"), "AUTHORIZED", 50_000, Transition::AwaitPayment),
            (Awaiting, Some("AUTHORIZED"), "CONFIRMED", 50_000, Transition::Credit),
            (Opening, None, "CONFIRMED", 50_000, Transition::Credit),
            (Awaiting, Some("NEW"), "CONFIRMED", 50_000, Transition::Credit),
            (Paid, Some("CONFIRMED"), "AUTHORIZED", 50_000, Transition::Ignore),
            (Paid, Some("CONFIRMED"), "CONFIRMED", 50_000, Transition::Ignore),
            (Awaiting, Some("AUTHORIZED"), "CONFIRMED", 49_999, Transition::Requery(Discrepancy::Amount)),
            (Awaiting, Some("NEW"), "REJECTED", 50_000, Transition::Fail),
            (Failed, Some("REJECTED"), "CONFIRMED", 50_000, Transition::Credit),
            (Failed, Some("REJECTED"), "AUTHORIZED", 50_000, Transition::AwaitPayment),
            (Failed, Some("DEADLINE_EXPIRED"), "CONFIRMED", 50_000, Transition::Credit),
            (Paid, Some("CONFIRMED"), "REJECTED", 50_000, Transition::Requery(Discrepancy::Contradiction)),
            (Paid, Some("CONFIRMED"), "REVERSED", 50_000, Transition::Requery(Discrepancy::Contradiction)),
            (Awaiting, Some("AUTHORIZED"), "REVERSED", 50_000, Transition::Fail),
            (Awaiting, Some("NEW"), "SOMETHING_NEW", 50_000, Transition::Requery(Discrepancy::Contradiction)),
            (Paid, Some("CONFIRMED"), "PARTIAL_REFUNDED", 40_000, Transition::RecordStatus),
            (Paid, Some("PARTIAL_REFUNDED"), "REFUNDED", 0, Transition::RecordStatus),
            (Paid, Some("REFUNDED"), "PARTIAL_REFUNDED", 40_000, Transition::Ignore),
            (Awaiting, Some("AUTHORIZED"), "REFUNDED", 0, Transition::Requery(Discrepancy::RefundedBefore)),
            (Review, Some("CONFIRMED"), "REJECTED", 50_000, Transition::Requery(Discrepancy::Contradiction)),
            // Refunded before the coins were credited: a late notification does not credit them.
            (
                Review,
                Some("AUTHORIZED"),
                "CONFIRMED",
                50_000,
                Transition::Requery(Discrepancy::Contradiction),
            ),
            (Review, Some("PARTIAL_REFUNDED"), "CONFIRMED", 50_000, Transition::Ignore),
        ] {
            let got = transition(state, known, UpdateSource::Notification, told, Some(amount));
            assert_eq!(got, wanted, "{state:?}, {known:?} and then {told} of {amount}");
        }
    }

    #[test]
    fn the_banks_answer_decides_and_what_does_not_fit_is_for_a_person() {
        use PurchaseState::{Awaiting, Failed, Paid, Review};
        for (state, known, told, amount, wanted) in [
            (Awaiting, Some("NEW"), "CONFIRMED", Some(50_000), Transition::Credit),
            (Awaiting, Some("NEW"), "CONFIRMED", Some(1), Transition::NeedsReview(Discrepancy::Amount)),
            (Awaiting, Some("NEW"), "CONFIRMED", None, Transition::NeedsReview(Discrepancy::Amount)),
            (Review, Some("CONFIRMED"), "CONFIRMED", Some(50_000), Transition::Credit),
            (Review, Some("CONFIRMED"), "CONFIRMED", Some(1), Transition::NeedsReview(Discrepancy::Amount)),
            (
                Paid,
                Some("CONFIRMED"),
                "REJECTED",
                Some(50_000),
                Transition::NeedsReview(Discrepancy::NotPaid),
            ),
            (Paid, Some("CONFIRMED"), "CONFIRMED", Some(50_000), Transition::Ignore),
            (Paid, Some("REFUNDING"), "CONFIRMED", Some(50_000), Transition::RecordStatus),
            (Awaiting, Some("AUTHORIZED"), "REJECTED", Some(50_000), Transition::Fail),
            (Awaiting, Some("NEW"), "DEADLINE_EXPIRED", Some(50_000), Transition::Fail),
            (Awaiting, Some("NEW"), "SOMETHING_NEW", Some(50_000), Transition::AwaitPayment),
            (Awaiting, Some("NEW"), "REFUNDED", Some(50_000), Transition::Fail),
            (
                Awaiting,
                Some("NEW"),
                "PARTIAL_REFUNDED",
                Some(50_000),
                Transition::NeedsReview(Discrepancy::RefundedBefore),
            ),
            (Awaiting, Some("NEW"), "REFUNDING", Some(50_000), Transition::RecordStatus),
            (Failed, Some("REJECTED"), "REJECTED", Some(50_000), Transition::Ignore),
        ] {
            let got = transition(state, known, UpdateSource::StatusQuery, told, amount);
            assert_eq!(got, wanted, "{state:?}, {known:?} and then {told} of {amount:?}");
        }
    }

    #[test]
    fn a_second_payment_of_one_order_is_never_credited() {
        let known = PurchaseSnapshot {
            state: PurchaseState::Awaiting,
            credited: false,
            status: None,
            payment_id: Some("1"),
            price: PRICE,
        };
        let told = |source, status: &PaymentStatus| {
            known.transition(&PaymentUpdate {
                amount: Some(PRICE),
                ..PaymentUpdate::new(source, "2", status.clone())
            })
        };
        assert_eq!(
            told(UpdateSource::Notification, &PaymentStatus::Confirmed),
            Transition::Requery(Discrepancy::OtherPayment)
        );
        assert_eq!(
            told(UpdateSource::StatusQuery, &PaymentStatus::Confirmed),
            Transition::NeedsReview(Discrepancy::OtherPayment)
        );
        assert_eq!(told(UpdateSource::Notification, &PaymentStatus::Rejected), Transition::Ignore);
    }

    #[test]
    fn a_success_that_calls_itself_none_is_asked_about() {
        for (known, told, wanted) in [
            ("NEW", PaymentStatus::Confirmed, Transition::Requery(Discrepancy::Contradiction)),
            ("AUTHORIZED", PaymentStatus::Refunded, Transition::Requery(Discrepancy::Contradiction)),
            ("NEW", PaymentStatus::Rejected, Transition::Fail),
        ] {
            let status = PaymentStatus::from(known.to_owned());
            let known = PurchaseSnapshot {
                state: PurchaseState::Awaiting,
                credited: false,
                status: Some(&status),
                payment_id: Some("1"),
                price: PRICE,
            };
            let update = PaymentUpdate {
                amount: Some(PRICE),
                success: false,
                ..PaymentUpdate::new(UpdateSource::Notification, "1", told.clone())
            };
            assert_eq!(known.transition(&update), wanted, "{told} after {status}");
        }
    }

    /// Credited coins, then a contradicting status and a review, then a query whose response fits again.
    #[test]
    fn an_answer_that_fits_ends_the_review_of_what_was_credited() {
        for (known, told, amount, wanted) in [
            ("REVERSED", "CONFIRMED", 50_000, Transition::ResolveReview),
            ("REJECTED", "CONFIRMED", 50_000, Transition::ResolveReview),
            ("CONFIRMED", "CONFIRMED", 50_000, Transition::ResolveReview),
            ("CONFIRMED", "CONFIRMED", 49_999, Transition::RecordStatus),
            ("REJECTED", "PARTIAL_REFUNDED", 40_000, Transition::ResolveReview),
            ("REJECTED", "REFUNDING", 50_000, Transition::RecordStatus),
            ("REJECTED", "REJECTED", 50_000, Transition::NeedsReview(Discrepancy::NotPaid)),
        ] {
            let (known_status, status) =
                (PaymentStatus::from(known.to_owned()), PaymentStatus::from(told.to_owned()));
            let known = PurchaseSnapshot {
                state: PurchaseState::Review,
                credited: true,
                status: Some(&known_status),
                payment_id: Some("1"),
                price: PRICE,
            };
            let update = |source| PaymentUpdate {
                amount: Some(Kopecks(amount)),
                ..PaymentUpdate::new(source, "1", status.clone())
            };
            assert_eq!(
                known.transition(&update(UpdateSource::StatusQuery)),
                wanted,
                "{told} after {known_status}"
            );
            let by_notification = known.transition(&update(UpdateSource::Notification));
            assert!(
                matches!(by_notification, Transition::Requery(_)),
                "{told} after {known_status}: {by_notification:?}"
            );
        }
    }

    /// For any statuses in any order: a notification alone never starts a review, and credited coins are never
    /// credited again.
    #[test]
    fn no_status_after_any_other_credits_twice() {
        for known in PaymentStatus::KNOWN {
            for told in PaymentStatus::KNOWN {
                for source in [UpdateSource::Notification, UpdateSource::StatusQuery] {
                    let got = transition(
                        PurchaseState::Paid,
                        Some(known.name()),
                        source,
                        told.name(),
                        Some(PRICE.0),
                    );
                    assert_ne!(got, Transition::Credit, "{told} after {known}");
                    assert!(
                        source == UpdateSource::StatusQuery || !matches!(got, Transition::NeedsReview(_)),
                        "{told} after {known}"
                    );
                }
            }
        }
    }
}
