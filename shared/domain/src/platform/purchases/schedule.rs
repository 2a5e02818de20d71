//! When to ask the bank about a purchase it has not told us about: notices get lost.

use chrono::TimeDelta;

use super::PurchaseState;
use crate::platform::tbank::{Charged, PaymentStatus};

/// How long the bank's form can be paid.
pub const LINK_LIVES: TimeDelta = TimeDelta::hours(3);

/// A purchase nobody opened for so long is not opened any more: its buyer has left.
pub const MUST_OPEN_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// Within 60 minutes the bank knows how a payment in doubt ended; a little more, for its clock.
const DOUBT_LASTS: TimeDelta = TimeDelta::minutes(65);

/// How long until the bank is asked again about a purchase that was asked for `age` ago; `None`: not again.
///
/// While somebody may be paying, often. A decline is looked at until the form closes, since the payer may
/// try again on it; what the bank itself calls final is not.
pub fn next_look(state: PurchaseState, status: Option<&PaymentStatus>, age: TimeDelta) -> Option<TimeDelta> {
    match state {
        PurchaseState::Paid => {
            let on_its_way = matches!(
                status,
                Some(
                    PaymentStatus::Refunding | PaymentStatus::AsyncRefunding | PaymentStatus::CancelChecking
                )
            );
            return on_its_way.then_some(TimeDelta::minutes(10));
        }
        PurchaseState::Review => return (age < TimeDelta::days(3)).then_some(TimeDelta::hours(1)),
        PurchaseState::Failed => {
            let may_be_tried_again =
                matches!(status, None | Some(PaymentStatus::Rejected | PaymentStatus::AuthFail));
            if !may_be_tried_again || age > LINK_LIVES + DOUBT_LASTS {
                return None;
            }
            return Some(TimeDelta::minutes(10));
        }
        PurchaseState::Created | PurchaseState::Opening | PurchaseState::Awaiting => {}
    }
    if status.is_some_and(|status| status.charged() == Charged::InDoubt) {
        return Some(if age < TimeDelta::hours(6) { TimeDelta::minutes(2) } else { TimeDelta::minutes(30) });
    }
    Some(match age {
        age if age < TimeDelta::minutes(10) => TimeDelta::minutes(1),
        age if age < LINK_LIVES + DOUBT_LASTS => TimeDelta::minutes(5),
        age if age < TimeDelta::days(2) => TimeDelta::hours(1),
        _ => TimeDelta::hours(12),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_still_change_is_looked_at_and_what_cannot_is_not() {
        let minutes = TimeDelta::minutes;
        for (state, status, age, wanted) in [
            (PurchaseState::Awaiting, None, minutes(1), Some(minutes(1))),
            (PurchaseState::Awaiting, Some(PaymentStatus::FormShowed), minutes(30), Some(minutes(5))),
            (PurchaseState::Awaiting, Some(PaymentStatus::PayChecking), minutes(90), Some(minutes(2))),
            (
                PurchaseState::Awaiting,
                Some(PaymentStatus::Authorized),
                TimeDelta::days(9),
                Some(TimeDelta::hours(12)),
            ),
            (PurchaseState::Opening, None, minutes(1), Some(minutes(1))),
            (PurchaseState::Failed, Some(PaymentStatus::Rejected), minutes(5), Some(minutes(10))),
            (PurchaseState::Failed, Some(PaymentStatus::Rejected), TimeDelta::hours(5), None),
            (PurchaseState::Failed, Some(PaymentStatus::DeadlineExpired), minutes(5), None),
            (PurchaseState::Failed, Some(PaymentStatus::Canceled), minutes(5), None),
            (PurchaseState::Failed, None, minutes(5), Some(minutes(10))),
            (PurchaseState::Paid, Some(PaymentStatus::Confirmed), minutes(5), None),
            (PurchaseState::Paid, Some(PaymentStatus::Refunding), minutes(5), Some(minutes(10))),
            (PurchaseState::Review, Some(PaymentStatus::Confirmed), minutes(5), Some(TimeDelta::hours(1))),
            (PurchaseState::Review, Some(PaymentStatus::Confirmed), TimeDelta::days(4), None),
        ] {
            assert_eq!(next_look(state, status.as_ref(), age), wanted, "{state:?} {status:?} after {age}");
        }
    }
}
