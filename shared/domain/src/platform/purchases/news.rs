//! What news from the bank means for a purchase.
//!
//! Notices come doubled, out of order, late, early and, if somebody knows the password, false; answers to
//! questions (`GetState`, `CheckOrder`) are authoritative. So a notice that does not fit is never believed
//! and never dropped: the bank is asked. An answer that does not fit is a matter for a person.

use super::PurchaseState;
use crate::money::Kopecks;
use crate::platform::tbank::{Charged, PaymentStatus, Progress};

/// What is known of a purchase.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Where it stands.
    pub state: PurchaseState,
    /// The coins are in the wallet.
    pub credited: bool,
    /// Where the bank's payment stood when last heard of.
    pub status: Option<&'a PaymentStatus>,
    /// The bank's number of the payment.
    pub payment_id: Option<&'a str>,
    /// What has to be paid.
    pub price: Kopecks,
}

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A notice: genuine, and still perhaps old.
    Notice,
    /// The bank's answer to a question.
    Answer,
}

/// What is told.
#[derive(Debug, Clone)]
pub struct News<'a> {
    /// By whom.
    pub source: Source,
    /// Of which payment.
    pub payment_id: &'a str,
    /// Where it stands.
    pub status: &'a PaymentStatus,
    /// Its amount; after a refund, what is left.
    pub amount: Option<Kopecks>,
    /// The bank says that nothing is wrong (`Success` of a notice; an answer's status says it all).
    pub success: bool,
}

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Another payment of the same order.
    OtherPayment,
    /// Paid, but not the price.
    Amount,
    /// Both statuses cannot be true, or the name is new to us.
    Contradiction,
    /// The coins are in the wallet and the bank says that the money was not taken.
    NotPaid,
    /// Money went back before the coins came.
    RefundedBefore,
}

impl Doubt {
    /// Stable text for columns, logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OtherPayment => "other_payment",
            Self::Amount => "other_amount",
            Self::Contradiction => "contradiction",
            Self::NotPaid => "not_paid",
            Self::RefundedBefore => "refunded_before",
        }
    }
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is known, or older than what is known.
    Keep,
    /// Remember the status; the purchase stays where it is.
    Note,
    /// Remember the status; the purchase waits for its payer (again).
    Wait,
    /// The price was paid: put the coins into the wallet.
    Credit,
    /// It was not paid.
    Fail,
    /// Remember the status; what a person had to look at fits again: the purchase is paid.
    Settle,
    /// Ask the bank, change nothing.
    Ask(Doubt),
    /// Leave it to a person.
    Review(Doubt),
}

impl Known<'_> {
    /// What the news means.
    pub fn step(&self, news: &News<'_>) -> Step {
        let doubt = |doubt| match news.source {
            Source::Notice => Step::Ask(doubt),
            Source::Answer => Step::Review(doubt),
        };
        let charged = news.status.charged();
        if self.payment_id.is_some_and(|known| known != news.payment_id) {
            // Of another payment only money counts.
            let harmless = matches!(charged, Charged::Failed | Charged::NotStarted);
            return if harmless { Step::Keep } else { doubt(Doubt::OtherPayment) };
        }
        match self.status.map_or(Progress::Forward, |known| news.status.after(known)) {
            // Under review nothing is taken for known: an answer may end it.
            Progress::Repeated if self.state != PurchaseState::Review => return Step::Keep,
            Progress::Late if !self.is_failed_refund(news) => return Step::Keep,
            Progress::Contradiction if news.source == Source::Notice => {
                return Step::Ask(Doubt::Contradiction);
            }
            Progress::Repeated | Progress::Late | Progress::Forward | Progress::Contradiction => {}
        }
        match charged {
            Charged::Paid => self.paid(news),
            Charged::Failed if self.credited => doubt(Doubt::NotPaid),
            Charged::Failed if self.state == PurchaseState::Review && news.source == Source::Notice => {
                Step::Note
            }
            Charged::Failed => Step::Fail,
            Charged::NotStarted | Charged::InDoubt | Charged::Pending => {
                if self.credited || self.state == PurchaseState::Review { Step::Note } else { Step::Wait }
            }
        }
    }

    fn paid(&self, news: &News<'_>) -> Step {
        let doubt = |doubt| match news.source {
            Source::Notice => Step::Ask(doubt),
            Source::Answer => Step::Review(doubt),
        };
        // What a person has to look at no notice settles, nor does one that calls its own success none.
        if news.source == Source::Notice && (self.state == PurchaseState::Review || !news.success) {
            return Step::Ask(Doubt::Contradiction);
        }
        if self.credited {
            let in_review = self.state == PurchaseState::Review;
            return if in_review && self.fits(news) { Step::Settle } else { Step::Note };
        }
        match news.status {
            PaymentStatus::Confirmed if news.amount == Some(self.price) => Step::Credit,
            PaymentStatus::Confirmed => doubt(Doubt::Amount),
            // All of it went back before any coin came: for the buyer that is a purchase that was not paid.
            PaymentStatus::Refunded if news.source == Source::Answer => Step::Fail,
            PaymentStatus::Refunded | PaymentStatus::PartialRefunded => doubt(Doubt::RefundedBefore),
            // On its way back, or being looked at by the bank: wait for where it arrives.
            _ => Step::Note,
        }
    }

    /// The price was taken, whatever of it was given back since.
    fn fits(&self, news: &News<'_>) -> bool {
        match news.status {
            PaymentStatus::Confirmed => news.amount == Some(self.price),
            PaymentStatus::PartialRefunded | PaymentStatus::Refunded => true,
            _ => false,
        }
    }

    /// A refund that failed at the bank leads back to `CONFIRMED`, and only the bank's answer says so.
    fn is_failed_refund(&self, news: &News<'_>) -> bool {
        news.source == Source::Answer
            && *news.status == PaymentStatus::Confirmed
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

    fn step(
        state: PurchaseState,
        known: Option<&str>,
        source: Source,
        told: &str,
        amount: Option<i64>,
    ) -> Step {
        let known = known.map(|name| PaymentStatus::from(name.to_owned()));
        let status = PaymentStatus::from(told.to_owned());
        Known {
            state,
            credited: state == PurchaseState::Paid,
            status: known.as_ref(),
            payment_id: Some("1"),
            price: PRICE,
        }
        .step(&News {
            source,
            payment_id: "1",
            status: &status,
            amount: amount.map(Kopecks),
            success: true,
        })
    }

    #[test]
    fn notices_in_any_order_credit_once_and_only_the_price() {
        use PurchaseState::{Awaiting, Failed, Opening, Paid, Review};
        for (state, known, told, amount, wanted) in [
            (Awaiting, Some("NEW"), "AUTHORIZED", 50_000, Step::Wait),
            (Awaiting, Some("AUTHORIZED"), "CONFIRMED", 50_000, Step::Credit),
            (Opening, None, "CONFIRMED", 50_000, Step::Credit),
            (Awaiting, Some("NEW"), "CONFIRMED", 50_000, Step::Credit),
            (Paid, Some("CONFIRMED"), "AUTHORIZED", 50_000, Step::Keep),
            (Paid, Some("CONFIRMED"), "CONFIRMED", 50_000, Step::Keep),
            (Awaiting, Some("AUTHORIZED"), "CONFIRMED", 49_999, Step::Ask(Doubt::Amount)),
            (Awaiting, Some("NEW"), "REJECTED", 50_000, Step::Fail),
            (Failed, Some("REJECTED"), "CONFIRMED", 50_000, Step::Credit),
            (Failed, Some("REJECTED"), "AUTHORIZED", 50_000, Step::Wait),
            (Failed, Some("DEADLINE_EXPIRED"), "CONFIRMED", 50_000, Step::Credit),
            (Paid, Some("CONFIRMED"), "REJECTED", 50_000, Step::Ask(Doubt::Contradiction)),
            (Paid, Some("CONFIRMED"), "REVERSED", 50_000, Step::Ask(Doubt::Contradiction)),
            (Awaiting, Some("AUTHORIZED"), "REVERSED", 50_000, Step::Fail),
            (Awaiting, Some("NEW"), "SOMETHING_NEW", 50_000, Step::Ask(Doubt::Contradiction)),
            (Paid, Some("CONFIRMED"), "PARTIAL_REFUNDED", 40_000, Step::Note),
            (Paid, Some("PARTIAL_REFUNDED"), "REFUNDED", 0, Step::Note),
            (Paid, Some("REFUNDED"), "PARTIAL_REFUNDED", 40_000, Step::Keep),
            (Awaiting, Some("AUTHORIZED"), "REFUNDED", 0, Step::Ask(Doubt::RefundedBefore)),
            (Review, Some("CONFIRMED"), "REJECTED", 50_000, Step::Ask(Doubt::Contradiction)),
            // Money went back before the coins came: a notice that was late does not bring them.
            (Review, Some("AUTHORIZED"), "CONFIRMED", 50_000, Step::Ask(Doubt::Contradiction)),
            (Review, Some("PARTIAL_REFUNDED"), "CONFIRMED", 50_000, Step::Keep),
        ] {
            let got = step(state, known, Source::Notice, told, Some(amount));
            assert_eq!(got, wanted, "{state:?}, {known:?} and then {told} of {amount}");
        }
    }

    #[test]
    fn the_banks_answer_decides_and_what_does_not_fit_is_for_a_person() {
        use PurchaseState::{Awaiting, Failed, Paid, Review};
        for (state, known, told, amount, wanted) in [
            (Awaiting, Some("NEW"), "CONFIRMED", Some(50_000), Step::Credit),
            (Awaiting, Some("NEW"), "CONFIRMED", Some(1), Step::Review(Doubt::Amount)),
            (Awaiting, Some("NEW"), "CONFIRMED", None, Step::Review(Doubt::Amount)),
            (Review, Some("CONFIRMED"), "CONFIRMED", Some(50_000), Step::Credit),
            (Review, Some("CONFIRMED"), "CONFIRMED", Some(1), Step::Review(Doubt::Amount)),
            (Paid, Some("CONFIRMED"), "REJECTED", Some(50_000), Step::Review(Doubt::NotPaid)),
            (Paid, Some("CONFIRMED"), "CONFIRMED", Some(50_000), Step::Keep),
            (Paid, Some("REFUNDING"), "CONFIRMED", Some(50_000), Step::Note),
            (Awaiting, Some("AUTHORIZED"), "REJECTED", Some(50_000), Step::Fail),
            (Awaiting, Some("NEW"), "DEADLINE_EXPIRED", Some(50_000), Step::Fail),
            (Awaiting, Some("NEW"), "SOMETHING_NEW", Some(50_000), Step::Wait),
            (Awaiting, Some("NEW"), "REFUNDED", Some(50_000), Step::Fail),
            (Awaiting, Some("NEW"), "PARTIAL_REFUNDED", Some(50_000), Step::Review(Doubt::RefundedBefore)),
            (Awaiting, Some("NEW"), "REFUNDING", Some(50_000), Step::Note),
            (Failed, Some("REJECTED"), "REJECTED", Some(50_000), Step::Keep),
        ] {
            let got = step(state, known, Source::Answer, told, amount);
            assert_eq!(got, wanted, "{state:?}, {known:?} and then {told} of {amount:?}");
        }
    }

    #[test]
    fn a_second_payment_of_one_order_is_never_credited() {
        let known = Known {
            state: PurchaseState::Awaiting,
            credited: false,
            status: None,
            payment_id: Some("1"),
            price: PRICE,
        };
        let told = |source, status: &PaymentStatus| {
            known.step(&News { source, payment_id: "2", status, amount: Some(PRICE), success: true })
        };
        assert_eq!(told(Source::Notice, &PaymentStatus::Confirmed), Step::Ask(Doubt::OtherPayment));
        assert_eq!(told(Source::Answer, &PaymentStatus::Confirmed), Step::Review(Doubt::OtherPayment));
        assert_eq!(told(Source::Notice, &PaymentStatus::Rejected), Step::Keep);
    }

    #[test]
    fn a_success_that_calls_itself_none_is_asked_about() {
        for (known, told, wanted) in [
            ("NEW", PaymentStatus::Confirmed, Step::Ask(Doubt::Contradiction)),
            ("AUTHORIZED", PaymentStatus::Refunded, Step::Ask(Doubt::Contradiction)),
            ("NEW", PaymentStatus::Rejected, Step::Fail),
        ] {
            let status = PaymentStatus::from(known.to_owned());
            let known = Known {
                state: PurchaseState::Awaiting,
                credited: false,
                status: Some(&status),
                payment_id: Some("1"),
                price: PRICE,
            };
            let news = News {
                source: Source::Notice,
                payment_id: "1",
                status: &told,
                amount: Some(PRICE),
                success: false,
            };
            assert_eq!(known.step(&news), wanted, "{told} after {status}");
        }
    }

    /// The coins came, the bank took its word back, a person was called, and the bank thought better of it.
    #[test]
    fn an_answer_that_fits_ends_the_review_of_what_was_credited() {
        for (known, told, amount, wanted) in [
            ("REVERSED", "CONFIRMED", 50_000, Step::Settle),
            ("REJECTED", "CONFIRMED", 50_000, Step::Settle),
            ("CONFIRMED", "CONFIRMED", 50_000, Step::Settle),
            ("CONFIRMED", "CONFIRMED", 49_999, Step::Note),
            ("REJECTED", "PARTIAL_REFUNDED", 40_000, Step::Settle),
            ("REJECTED", "REFUNDING", 50_000, Step::Note),
            ("REJECTED", "REJECTED", 50_000, Step::Review(Doubt::NotPaid)),
        ] {
            let (known_status, status) =
                (PaymentStatus::from(known.to_owned()), PaymentStatus::from(told.to_owned()));
            let known = Known {
                state: PurchaseState::Review,
                credited: true,
                status: Some(&known_status),
                payment_id: Some("1"),
                price: PRICE,
            };
            let news = |source| News {
                source,
                payment_id: "1",
                status: &status,
                amount: Some(Kopecks(amount)),
                success: true,
            };
            assert_eq!(known.step(&news(Source::Answer)), wanted, "{told} after {known_status}");
            let by_notice = known.step(&news(Source::Notice));
            assert!(matches!(by_notice, Step::Ask(_)), "{told} after {known_status}: {by_notice:?}");
        }
    }

    /// Whatever comes, in whatever order: a notice alone never reviews, and coins already given are never
    /// given again.
    #[test]
    fn no_status_after_any_other_credits_twice() {
        for known in PaymentStatus::KNOWN {
            for told in PaymentStatus::KNOWN {
                for source in [Source::Notice, Source::Answer] {
                    let got =
                        step(PurchaseState::Paid, Some(known.name()), source, told.name(), Some(PRICE.0));
                    assert_ne!(got, Step::Credit, "{told} after {known}");
                    assert!(
                        source == Source::Answer || !matches!(got, Step::Review(_)),
                        "{told} after {known}"
                    );
                }
            }
        }
    }
}
