//! Shops, payments and cards, as the bank keeps them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A shop's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// At most 20 characters.
    pub key: String,
    /// Signs requests and notices.
    pub password: String,
    /// Where notices go when `Init` names no address.
    #[serde(default)]
    pub notification_url: Option<String>,
    /// A cash register is linked: receipts are mandatory.
    #[serde(default)]
    pub cash_register: bool,
    /// The bank enabled `Charge`; off by default.
    #[serde(default)]
    pub charge_enabled: bool,
}

/// How paying ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With success.
    Paid,
    /// With a refusal of this code.
    Declined(u32),
    /// The bank itself does not know (`PAY_CHECKING`) until somebody settles it.
    Hangs,
    /// With a refusal, and a success one minute later all the same.
    LateSuccess,
}

/// A card that behaves in a known way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Its number; none of them can exist.
    pub number: &'static str,
    /// What the form says about it.
    pub title: &'static str,
    /// How a payment on the form ends.
    pub form: Ending,
    /// How a later charge ends.
    pub charge: Ending,
}

/// The cards the form takes.
pub const TEST_CARDS: [Card; 9] = [
    card("2200000000000004", "успешная оплата", Ending::Paid, Ending::Paid),
    card("2200000000000012", "недостаточно средств", Ending::Declined(1051), Ending::Declined(1051)),
    card("2200000000000020", "отказ банка, можно повторить", Ending::Declined(1005), Ending::Declined(1005)),
    card("2200000000000038", "карта утеряна", Ending::Declined(1041), Ending::Declined(1041)),
    card("2200000000000046", "подозрение на мошенничество", Ending::Declined(1059), Ending::Declined(1059)),
    card("2200000000000053", "3-D Secure не пройден", Ending::Declined(101), Ending::Declined(101)),
    card("2200000000000061", "результат неизвестен", Ending::Hangs, Ending::Hangs),
    card("2200000000000079", "отказ, затем успех через минуту", Ending::LateSuccess, Ending::LateSuccess),
    card("2200000000000087", "успех, но списания отклоняются", Ending::Paid, Ending::Declined(1051)),
];

const fn card(number: &'static str, title: &'static str, form: Ending, charge: Ending) -> Card {
    Card { number, title, form, charge }
}

/// One `Cancel` that was carried out.
#[derive(Debug, Clone, Serialize)]
pub struct Refund {
    /// When.
    pub at: DateTime<Utc>,
    /// The shop's id of it, if it gave one.
    pub external_request_id: Option<String>,
    /// Kopecks.
    pub amount: i64,
    /// What the payment's status is once it is over.
    pub status: String,
    /// The payment's status before it, while the money is on its way; a refund that fails leads back there.
    pub from: Option<String>,
    /// Kopecks, before it.
    pub original_amount: i64,
    /// Kopecks, after it.
    pub new_amount: i64,
}

/// A payment session.
#[derive(Debug, Clone, Serialize)]
pub struct Payment {
    /// The bank's number of it.
    pub id: String,
    /// The last part of its form's address.
    pub slug: String,
    /// Whose it is.
    pub terminal: String,
    /// The shop's number of it.
    pub order_id: String,
    /// Kopecks, from `Init`.
    pub amount: i64,
    /// Kopecks, after refunds.
    pub left: i64,
    /// Where it stands.
    pub status: String,
    /// Why it was declined; 0 if it was not.
    pub error_code: u32,
    /// Shown on the form.
    pub description: String,
    /// Two stages instead of one.
    pub two_stage: bool,
    /// The card is to be saved.
    pub recurrent: bool,
    /// `DATA.OperationInitiatorType`.
    pub initiator: Option<String>,
    /// Where notices go.
    pub notification_url: Option<String>,
    /// Where the payer is led.
    pub success_url: Option<String>,
    /// Where the payer is led after a failure.
    pub fail_url: Option<String>,
    /// The link's end.
    pub due: DateTime<Utc>,
    /// How often the form was opened.
    pub openings: u32,
    /// The card that paid, as numbered.
    pub card: Option<String>,
    /// Charges the card later.
    pub rebill_id: Option<u64>,
    /// What was cancelled of it.
    pub refunds: Vec<Refund>,
    /// Every status it had.
    pub history: Vec<String>,
}

impl Payment {
    /// Moves it on.
    pub(super) fn become_status(&mut self, status: &str) {
        status.clone_into(&mut self.status);
        self.history.push(self.status.clone());
    }

    /// The money is taken, perhaps given back in part.
    pub(super) fn is_paid(&self) -> bool {
        matches!(self.status.as_str(), "CONFIRMED" | "PARTIAL_REFUNDED")
    }

    /// A refund that was on its way arrives, or does not; `false` if none was.
    pub(super) fn end_refund(&mut self, arrives: bool) -> bool {
        let Some(refund) = self.refunds.iter_mut().find(|refund| refund.from.is_some()) else { return false };
        let from = refund.from.take().unwrap_or_default();
        if !arrives {
            refund.new_amount = refund.original_amount;
            refund.status = from;
        }
        self.left = refund.new_amount;
        let status = refund.status.clone();
        self.become_status(&status);
        true
    }
}

/// A saved card.
#[derive(Debug, Clone)]
pub(super) struct Rebill {
    pub(super) id: u64,
    pub(super) terminal: String,
    pub(super) card: String,
    /// How the next charges end, before the card's own way.
    pub(super) next: Vec<Ending>,
}

/// Everything the bank knows.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) terminals: Vec<Terminal>,
    pub(super) payments: Vec<Payment>,
    pub(super) rebills: Vec<Rebill>,
}

/// How often a form may be opened.
pub(super) const OPENINGS: u32 = 20;

impl World {
    pub(super) fn terminal(&self, key: &str) -> Option<&Terminal> {
        self.terminals.iter().find(|terminal| terminal.key == key)
    }

    /// A payment, its link closed if its time is over. The bank sends no notice of that.
    pub(super) fn payment(&mut self, id: &str, now: DateTime<Utc>) -> Option<&mut Payment> {
        let payment = self.payments.iter_mut().find(|payment| payment.id == id)?;
        if matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED") && payment.due <= now {
            payment.become_status("DEADLINE_EXPIRED");
        }
        Some(payment)
    }

    pub(super) fn next_number(&self) -> u64 {
        3_000_000_000 + self.payments.len() as u64
    }
}
