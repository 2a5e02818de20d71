//! Schedule of status queries at the bank, because notifications get lost.

use chrono::TimeDelta;

use super::PurchaseState;
use crate::platform::tbank::{PaymentOutcome, PaymentStatus};

/// Lifetime of the bank's payment form.
pub const PAYMENT_LINK_TTL: TimeDelta = TimeDelta::hours(3);

/// A purchase that was not opened within this time stays unopened: its buyer has left.
pub const OPEN_TIMEOUT: TimeDelta = TimeDelta::minutes(15);

/// The bank decides payments in doubt within 60 minutes; the rest is a margin for clock differences.
const BANK_CHECK_TIMEOUT: TimeDelta = TimeDelta::minutes(65);

/// Delay until the next status query of a purchase created `age` ago; `None` if it is not queried any more.
///
/// Often while the payer may be paying. A declined purchase is queried until the form closes, because the payer may
/// try again on it; a status that the bank calls final is not.
pub fn next_status_query(
    state: PurchaseState,
    status: Option<&PaymentStatus>,
    age: TimeDelta,
) -> Option<TimeDelta> {
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
            if !may_be_tried_again || age > PAYMENT_LINK_TTL + BANK_CHECK_TIMEOUT {
                return None;
            }
            return Some(TimeDelta::minutes(10));
        }
        PurchaseState::Created | PurchaseState::Opening | PurchaseState::Awaiting => {}
    }
    if status.is_some_and(|status| status.outcome() == PaymentOutcome::InDoubt) {
        return Some(if age < TimeDelta::hours(6) { TimeDelta::minutes(2) } else { TimeDelta::minutes(30) });
    }
    Some(match age {
        age if age < TimeDelta::minutes(10) => TimeDelta::minutes(1),
        age if age < PAYMENT_LINK_TTL + BANK_CHECK_TIMEOUT => TimeDelta::minutes(5),
        age if age < TimeDelta::days(2) => TimeDelta::hours(1),
        _ => TimeDelta::hours(12),
    })
}

/// Whether a purchase created `age` ago has reached its end: it is paid, or it failed and its payer cannot try again.
pub fn is_final(state: PurchaseState, status: Option<&PaymentStatus>, age: TimeDelta) -> bool {
    match state {
        PurchaseState::Paid => true,
        PurchaseState::Failed => next_status_query(state, status, age).is_none(),
        PurchaseState::Created | PurchaseState::Opening | PurchaseState::Awaiting | PurchaseState::Review => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decline_is_final_only_when_the_form_has_closed() {
        let hours = TimeDelta::hours;
        let declined = Some(PaymentStatus::Rejected);
        for (state, status, age, wanted) in [
            (PurchaseState::Failed, declined.clone(), hours(1), false),
            (PurchaseState::Failed, declined.clone(), hours(5), true),
            (PurchaseState::Failed, Some(PaymentStatus::DeadlineExpired), hours(0), true),
            (PurchaseState::Paid, Some(PaymentStatus::Refunding), hours(0), true),
            (PurchaseState::Awaiting, None, hours(9), false),
            (PurchaseState::Review, declined, hours(900), false),
        ] {
            assert_eq!(is_final(state, status.as_ref(), age), wanted, "{state:?} {status:?} after {age}");
        }
    }

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
            assert_eq!(
                next_status_query(state, status.as_ref(), age),
                wanted,
                "{state:?} {status:?} after {age}"
            );
        }
    }
}
