//! Scenario steps of a payment: the payer pays, the bank determines an outcome.

use chrono::Duration;
use flysk_domain::Clock;

use super::TBank;
use super::model::{ChargeScript, Ending, Payment, Source};
use super::notifications::Notification;
use super::own_cards::Means;
use super::scenario_error::ScenarioError;
use crate::lock::locked;

/// Minimum of a payment by SBP, kopecks.
const MIN_SBP_AMOUNT_KOPECKS: i64 = 1_000;
/// Delay of a late success after the decline.
const LATE_SUCCESS_DELAY: Duration = Duration::minutes(1);

/// Sets the final status of a payment; returns the notifications about it.
pub(super) fn settle(payment: &mut Payment, ending: Ending) -> Vec<Notification> {
    match ending {
        Ending::Paid => {
            payment.error_code = 0;
            payment.become_status("AUTHORIZED");
            let mut notifications = vec![Notification::of(payment)];
            if !payment.two_stage {
                payment.become_status("CONFIRMED");
                notifications.push(Notification::of(payment));
            }
            notifications
        }
        Ending::Declined(code) => decline(payment, code),
        Ending::LateSuccess => decline(payment, 1005),
        Ending::Hangs => {
            payment.become_status("PAY_CHECKING");
            Vec::new()
        }
    }
}

fn decline(payment: &mut Payment, code: u32) -> Vec<Notification> {
    payment.error_code = code;
    payment.become_status("REJECTED");
    vec![Notification::of(payment)]
}

impl TBank {
    /// Pays on the form with a test card, or with an added one; returns the updated payment.
    pub fn pay(&self, payment_id: &str, card_number: &str) -> Result<Payment, ScenarioError> {
        let means = locked(&self.inner.bank_state).means(card_number).ok_or(ScenarioError::UnknownCard)?;
        let (payment, notifications) = self.settle_on_form(payment_id, &means)?;
        drop(self.announce(notifications));
        if means.form == Ending::LateSuccess {
            self.succeed_later(payment_id);
        }
        Ok(payment)
    }

    fn settle_on_form(
        &self,
        payment_id: &str,
        means: &Means,
    ) -> Result<(Payment, Vec<Notification>), ScenarioError> {
        let now = self.control().clock().now();
        let mut bank_state = locked(&self.inner.bank_state);
        let payment = bank_state.payment(payment_id, now).ok_or(ScenarioError::UnknownPayment)?;
        if !matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED") {
            return Err(ScenarioError::Closed);
        }
        if means.source == Source::Sbp && payment.amount < MIN_SBP_AMOUNT_KOPECKS {
            return Err(ScenarioError::BelowMinimum);
        }
        let saved = payment.recurrent
            && means.source == Source::Card
            && matches!(means.form, Ending::Paid | Ending::LateSuccess | Ending::Hangs);
        let parent = saved.then(|| (payment.terminal.clone(), payment.customer_key.clone()));
        let saved_card = parent.map(|(terminal, customer)| {
            let saved = bank_state.save_card(&terminal, &customer.unwrap_or_default(), &means.number);
            (saved.id, saved.card_id)
        });
        if let Some((rebill_id, _)) = saved_card
            && let Some(saved) = bank_state.rebill(rebill_id)
        {
            saved.next = means.charges.iter().copied().map(Into::into).collect();
        }
        let payment = bank_state.payment(payment_id, now).ok_or(ScenarioError::UnknownPayment)?;
        payment.card = Some(means.number.clone());
        (payment.rebill_id, payment.card_id) = saved_card.unzip();
        let notifications = settle(payment, means.form);
        Ok((payment.clone(), notifications))
    }

    /// The bank determines the outcome of a payment, regardless of earlier statuses.
    pub fn settle(&self, payment_id: &str, ending: Ending) -> Result<Payment, ScenarioError> {
        let now = self.control().clock().now();
        let (payment, notifications) = {
            let mut bank_state = locked(&self.inner.bank_state);
            let payment = bank_state.payment(payment_id, now).ok_or(ScenarioError::UnknownPayment)?;
            let notifications = settle(payment, ending);
            (payment.clone(), notifications)
        };
        drop(self.announce(notifications));
        Ok(payment)
    }

    /// Completes a pending refund, or fails it and restores the previous status.
    pub fn end_refund(&self, payment_id: &str, arrives: bool) -> Result<Payment, ScenarioError> {
        let now = self.control().clock().now();
        let (payment, notifications) = {
            let mut bank_state = locked(&self.inner.bank_state);
            let payment = bank_state.payment(payment_id, now).ok_or(ScenarioError::UnknownPayment)?;
            if !payment.end_refund(arrives) {
                return Err(ScenarioError::NoRefund);
            }
            let notifications = if arrives { vec![Notification::of(payment)] } else { Vec::new() };
            (payment.clone(), notifications)
        };
        drop(self.announce(notifications));
        Ok(payment)
    }

    /// Confirms a declined payment one minute later, by the simulator's clock.
    pub(super) fn succeed_later(&self, payment_id: &str) {
        let (bank, id) = (self.clone(), payment_id.to_owned());
        let clock = self.control().clock();
        let success = clock.sleep_until(clock.now() + LATE_SUCCESS_DELAY);
        self.spawn(async move {
            let _work = success.await;
            if let Err(error) = bank.settle(&id, Ending::Paid) {
                tracing::warn!(id, %error, "the payment of a late success does not exist");
            }
        });
    }

    /// Sets the results of the next charges of a saved card, in this order, and the fate of their answers.
    pub fn script_rebill<S: Into<ChargeScript>>(
        &self,
        rebill_id: u64,
        next: Vec<S>,
    ) -> Result<(), ScenarioError> {
        let mut bank_state = locked(&self.inner.bank_state);
        let saved = bank_state.rebill(rebill_id).ok_or(ScenarioError::UnknownRebill)?;
        saved.next = next.into_iter().map(Into::into).collect();
        Ok(())
    }
}
