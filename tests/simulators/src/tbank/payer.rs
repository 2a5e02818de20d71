//! What happens to a payment when somebody pays, or when the bank finds out.

use chrono::Duration;
use flysk_domain::Clock;
use poem::error::ResponseError;
use poem::http::StatusCode;

use super::TBank;
use super::model::{Card, Ending, Payment, Rebill, TEST_CARDS};
use super::notices::Notice;
use crate::control::locked;

/// A scene cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SceneError {
    /// No payment with this number.
    #[error("there is no such payment")]
    UnknownPayment,
    /// No card with this number.
    #[error("there is no such test card")]
    UnknownCard,
    /// No saved card with this number.
    #[error("there is no such RebillId")]
    UnknownRebill,
    /// No shop with this key.
    #[error("there is no such terminal")]
    UnknownTerminal,
    /// The form is closed: paid, declined, cancelled or out of time.
    #[error("the payment cannot be paid any more")]
    Closed,
    /// No money is on its way back.
    #[error("no refund of the payment is on its way")]
    NoRefund,
    /// The payment names no address, nor does its terminal.
    #[error("the payment has no notification address")]
    NoAddress,
}

impl ResponseError for SceneError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Closed | Self::NoRefund | Self::NoAddress => StatusCode::CONFLICT,
            _ => StatusCode::NOT_FOUND,
        }
    }
}

/// How long after its refusal a late success comes.
const LATE: Duration = Duration::minutes(1);

/// Moves a payment to its end; returns the notices that tell of it.
pub(super) fn settle(payment: &mut Payment, ending: Ending) -> Vec<Notice> {
    match ending {
        Ending::Paid => {
            payment.error_code = 0;
            payment.become_status("AUTHORIZED");
            let mut notices = vec![Notice::of(payment)];
            if !payment.two_stage {
                payment.become_status("CONFIRMED");
                notices.push(Notice::of(payment));
            }
            notices
        }
        Ending::Declined(code) => decline(payment, code),
        Ending::LateSuccess => decline(payment, 1005),
        Ending::Hangs => {
            payment.become_status("PAY_CHECKING");
            Vec::new()
        }
    }
}

fn decline(payment: &mut Payment, code: u32) -> Vec<Notice> {
    payment.error_code = code;
    payment.become_status("REJECTED");
    vec![Notice::of(payment)]
}

impl TBank {
    /// Somebody pays on the form with a test card; returns the payment afterwards.
    pub fn pay(&self, payment_id: &str, card_number: &str) -> Result<Payment, SceneError> {
        let card =
            TEST_CARDS.iter().find(|card| card.number == card_number).ok_or(SceneError::UnknownCard)?;
        let (payment, notices) = self.settle_on_form(payment_id, card)?;
        drop(self.announce(notices));
        if card.form == Ending::LateSuccess {
            self.succeed_later(payment_id);
        }
        Ok(payment)
    }

    fn settle_on_form(&self, payment_id: &str, card: &Card) -> Result<(Payment, Vec<Notice>), SceneError> {
        let now = self.control().clock().now();
        let mut world = locked(&self.inner.world);
        let rebill_id = 1_700_000_000 + world.rebills.len() as u64;
        let payment = world.payment(payment_id, now).ok_or(SceneError::UnknownPayment)?;
        if !matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED") {
            return Err(SceneError::Closed);
        }
        payment.card = Some(card.number.to_owned());
        let saved =
            payment.recurrent && matches!(card.form, Ending::Paid | Ending::LateSuccess | Ending::Hangs);
        if saved {
            payment.rebill_id = Some(rebill_id);
        }
        let notices = settle(payment, card.form);
        let (payment, terminal) = (payment.clone(), payment.terminal.clone());
        if saved {
            let card = card.number.to_owned();
            world.rebills.push(Rebill { id: rebill_id, terminal, card, next: Vec::new() });
        }
        Ok((payment, notices))
    }

    /// The bank finds out how a payment ended, whatever it said before.
    pub fn settle(&self, payment_id: &str, ending: Ending) -> Result<Payment, SceneError> {
        let now = self.control().clock().now();
        let (payment, notices) = {
            let mut world = locked(&self.inner.world);
            let payment = world.payment(payment_id, now).ok_or(SceneError::UnknownPayment)?;
            let notices = settle(payment, ending);
            (payment.clone(), notices)
        };
        drop(self.announce(notices));
        Ok(payment)
    }

    /// A refund that is on its way arrives, or fails and leaves the money where it was.
    pub fn end_refund(&self, payment_id: &str, arrives: bool) -> Result<Payment, SceneError> {
        let now = self.control().clock().now();
        let (payment, notices) = {
            let mut world = locked(&self.inner.world);
            let payment = world.payment(payment_id, now).ok_or(SceneError::UnknownPayment)?;
            if !payment.end_refund(arrives) {
                return Err(SceneError::NoRefund);
            }
            let notices = if arrives { vec![Notice::of(payment)] } else { Vec::new() };
            (payment.clone(), notices)
        };
        drop(self.announce(notices));
        Ok(payment)
    }

    /// A success after a refusal, one minute later by the simulator's clock.
    pub(super) fn succeed_later(&self, payment_id: &str) {
        let (bank, id) = (self.clone(), payment_id.to_owned());
        let due = self.control().clock().now() + LATE;
        self.spawn(async move {
            bank.control().clock().sleep_until(due).await;
            if let Err(error) = bank.settle(&id, Ending::Paid) {
                tracing::warn!(id, %error, "a late success has no payment");
            }
        });
    }

    /// How the next charges of a saved card end, in this order.
    pub fn script_rebill(&self, rebill_id: u64, next: Vec<Ending>) -> Result<(), SceneError> {
        let mut world = locked(&self.inner.world);
        let saved =
            world.rebills.iter_mut().find(|known| known.id == rebill_id).ok_or(SceneError::UnknownRebill)?;
        saved.next = next;
        Ok(())
    }
}
