//! Terminals, payments and cards.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A shop's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// Terminal key, at most 20 characters.
    pub key: String,
    /// Password that signs requests and notifications.
    pub password: String,
    /// Notification URL for payments whose `Init` names none.
    #[serde(default)]
    pub notification_url: Option<String>,
    /// A cash register is linked: receipts are required.
    #[serde(default)]
    pub cash_register: bool,
    /// `Charge` is enabled; by default it is not.
    #[serde(default)]
    pub charge_enabled: bool,
    /// The bank has switched the terminal off: no new payments, no charges (202). Reads and refunds still work; the
    /// documents do not say so.
    #[serde(default)]
    pub blocked: bool,
}

/// Result of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The money is taken.
    Paid,
    /// Declined with this error code.
    Declined(u32),
    /// Unknown to the bank (`PAY_CHECKING`) until the test settles it.
    Hangs,
    /// Declined, and confirmed one minute later nevertheless.
    LateSuccess,
}

/// How a payer pays on the form. Only cards are saved and get a `RebillId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A card.
    Card,
    /// The faster payments system (SBP).
    Sbp,
    /// `SberPay`.
    SberPay,
}

/// A card, or another means of payment, with defined behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Card number, not valid for real cards; `sbp` or `sberpay` otherwise.
    pub number: &'static str,
    /// Means of payment.
    pub source: Source,
    /// Description on the form.
    pub title: &'static str,
    /// Result of a payment on the form.
    pub form: Ending,
    /// Result of a later charge.
    pub charge: Ending,
}

/// Test cards of the form.
pub const TEST_CARDS: [Card; 11] = [
    card("2200000000000004", "успешная оплата", Ending::Paid, Ending::Paid),
    card("2200000000000012", "недостаточно средств", Ending::Declined(1051), Ending::Declined(1051)),
    card("2200000000000020", "отказ банка, можно повторить", Ending::Declined(1005), Ending::Declined(1005)),
    card("2200000000000038", "карта утеряна", Ending::Declined(1041), Ending::Declined(1041)),
    card("2200000000000046", "подозрение на мошенничество", Ending::Declined(1059), Ending::Declined(1059)),
    card("2200000000000053", "3-D Secure не пройден", Ending::Declined(101), Ending::Declined(101)),
    card("2200000000000061", "результат неизвестен", Ending::Hangs, Ending::Hangs),
    card("2200000000000079", "отказ, затем успех через минуту", Ending::LateSuccess, Ending::LateSuccess),
    card("2200000000000087", "успех, но списания отклоняются", Ending::Paid, Ending::Declined(1051)),
    Card { source: Source::Sbp, ..card("sbp", "СБП", Ending::Paid, Ending::Paid) },
    Card { source: Source::SberPay, ..card("sberpay", "SberPay", Ending::Paid, Ending::Paid) },
];

const fn card(number: &'static str, title: &'static str, form: Ending, charge: Ending) -> Card {
    Card { number, source: Source::Card, title, form, charge }
}

/// A card that a scenario has added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnCard {
    /// Card number, not valid for real cards.
    pub number: String,
    /// Description on the form.
    pub title: String,
    /// Result of a payment on the form.
    pub form: Ending,
    /// Results of the first charges after the card was saved, in this order.
    pub charges: Vec<Ending>,
    /// Result of every later charge.
    pub charge: Ending,
}

/// A completed or pending `Cancel`.
#[derive(Debug, Clone, Serialize)]
pub struct Refund {
    /// Time of the request.
    pub at: DateTime<Utc>,
    /// The shop's id of the refund, if given.
    pub external_request_id: Option<String>,
    /// Amount, kopecks.
    pub amount: i64,
    /// Status of the payment after the refund.
    pub status: String,
    /// Status of the payment before the refund, while it is pending. A failed refund restores it.
    pub from: Option<String>,
    /// Remaining amount before the refund, kopecks.
    pub original_amount: i64,
    /// Remaining amount after the refund, kopecks.
    pub new_amount: i64,
}

/// A payment session.
#[derive(Debug, Clone, Serialize)]
pub struct Payment {
    /// `PaymentId`.
    pub id: String,
    /// Last segment of the form's URL.
    pub slug: String,
    /// Key of the terminal.
    pub terminal: String,
    /// `OrderId` of the shop.
    pub order_id: String,
    /// Amount of `Init`, kopecks.
    pub amount: i64,
    /// Remaining amount after refunds, kopecks.
    pub left: i64,
    /// T-Bank's word: `NEW`, `CONFIRMED`, …
    pub status: String,
    /// Error code of a declined payment; otherwise 0.
    pub error_code: u32,
    /// Description on the form.
    pub description: String,
    /// Two-stage payment instead of one-stage.
    pub two_stage: bool,
    /// The card is to be saved.
    pub recurrent: bool,
    /// The shop's id of the payer, `CustomerKey`.
    pub customer_key: Option<String>,
    /// `DATA.OperationInitiatorType`.
    pub initiator: Option<String>,
    /// That of `Init`, or else that of the terminal; `None`: no notification is sent.
    pub notification_url: Option<String>,
    /// Return URL after success.
    pub success_url: Option<String>,
    /// Return URL after a failure.
    pub fail_url: Option<String>,
    /// Expiry of the link.
    pub due: DateTime<Utc>,
    /// Number of times the form was opened.
    pub openings: u32,
    /// Number of the card that paid.
    pub card: Option<String>,
    /// `CardId` of a saved card.
    pub card_id: Option<u64>,
    /// `RebillId` for later charges.
    pub rebill_id: Option<u64>,
    /// Receipt of `Init`.
    pub receipt: Option<Value>,
    /// Closing receipts, oldest first.
    pub closing_receipts: Vec<Value>,
    /// Refunds and cancellations of the payment.
    pub refunds: Vec<Refund>,
    /// All statuses so far.
    pub history: Vec<String>,
}

impl Payment {
    /// Means of payment, once chosen on the form.
    pub(super) fn source(&self) -> Source {
        let paid_with = |card: &&Card| Some(card.number) == self.card.as_deref();
        TEST_CARDS.iter().find(paid_with).map_or(Source::Card, |card| card.source)
    }

    /// Sets the status and adds it to the history.
    pub(super) fn become_status(&mut self, status: &str) {
        status.clone_into(&mut self.status);
        self.history.push(self.status.clone());
    }

    /// Whether the money was taken, even if partly refunded.
    pub(super) fn is_paid(&self) -> bool {
        matches!(self.status.as_str(), "CONFIRMED" | "PARTIAL_REFUNDED")
    }

    /// Completes or fails a pending refund; `false` if there was none.
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

/// What happens to the answer of one charge, which the bank has processed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeAnswer {
    /// The shop gets the answer.
    #[default]
    Arrives,
    /// The connection is closed before it.
    Lost,
    /// It never comes.
    Hangs,
}

/// Script of one charge of a saved card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeScript {
    /// Result of the charge.
    pub ending: Ending,
    /// Fate of its answer.
    pub answer: ChargeAnswer,
}

impl From<Ending> for ChargeScript {
    fn from(ending: Ending) -> Self {
        Self { ending, answer: ChargeAnswer::Arrives }
    }
}

/// A saved card, as in `GetCardList`.
#[derive(Debug, Clone)]
pub(super) struct Rebill {
    pub(super) id: u64,
    pub(super) terminal: String,
    pub(super) card: String,
    pub(super) customer_key: String,
    /// `CardId`: one number for the same card of the same payer, however often it is saved.
    pub(super) card_id: u64,
    /// The shop has removed the card.
    pub(super) removed: bool,
    /// Scripts of the next charges, used before the card's own behaviour.
    pub(super) next: Vec<ChargeScript>,
}

#[derive(Debug, Default)]
pub(super) struct BankState {
    pub(super) terminals: Vec<Terminal>,
    pub(super) payments: Vec<Payment>,
    pub(super) rebills: Vec<Rebill>,
    /// Customers by terminal and `CustomerKey`.
    pub(super) customers: HashMap<(String, String), Customer>,
    /// Positions of an order's payments, by terminal and `OrderId`.
    pub(super) orders: HashMap<(String, String), Vec<usize>>,
    /// Cards that scenarios have added.
    pub(super) cards: Vec<OwnCard>,
}

/// A payer whom the shop has registered.
#[derive(Debug, Clone, Default)]
pub(super) struct Customer {
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
}

/// `PaymentId` of the first payment; the others follow.
const FIRST_PAYMENT_ID: u64 = 3_000_000_000;
/// `RebillId` of the first saved card.
const FIRST_REBILL_ID: u64 = 1_700_000_000;

/// Limit on openings of a form.
pub(super) const MAX_FORM_OPENINGS: u32 = 20;

impl BankState {
    pub(super) fn terminal(&self, key: &str) -> Option<&Terminal> {
        self.terminals.iter().find(|terminal| terminal.key == key)
    }

    /// A payment, with its link closed if it has expired. The bank sends no notification about that.
    pub(super) fn payment(&mut self, id: &str, now: DateTime<Utc>) -> Option<&mut Payment> {
        let index = index_of(id)?;
        let payment = self.payments.get_mut(index)?;
        if matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED") && payment.due <= now {
            payment.become_status("DEADLINE_EXPIRED");
        }
        Some(payment)
    }

    /// The payment as it is, without a look at the clock.
    pub(super) fn peek(&self, id: &str) -> Option<&Payment> {
        self.payments.get(index_of(id)?)
    }

    /// Payments of an order, oldest first.
    pub(super) fn payments_of_order(&self, terminal: &str, order_id: &str) -> Vec<&Payment> {
        let indexes = self.orders.get(&(terminal.to_owned(), order_id.to_owned()));
        indexes.into_iter().flatten().filter_map(|index| self.payments.get(*index)).collect()
    }

    pub(super) fn add(&mut self, payment: Payment) {
        let order = (payment.terminal.clone(), payment.order_id.clone());
        self.orders.entry(order).or_default().push(self.payments.len());
        self.payments.push(payment);
    }

    /// Saves a card of a payer; returns it.
    pub(super) fn save_card(&mut self, terminal: &str, customer_key: &str, card: &str) -> &Rebill {
        let same = |known: &&Rebill| {
            known.terminal == terminal && known.customer_key == customer_key && known.card == card
        };
        let number = self.rebills.len() as u64;
        let card_id = self.rebills.iter().find(same).map_or(500_000_000 + number, |known| known.card_id);
        self.rebills.push(Rebill {
            id: FIRST_REBILL_ID + number,
            terminal: terminal.to_owned(),
            card: card.to_owned(),
            customer_key: customer_key.to_owned(),
            card_id,
            removed: false,
            next: Vec::new(),
        });
        &self.rebills[self.rebills.len() - 1]
    }

    /// A saved card by its `RebillId`.
    pub(super) fn rebill(&mut self, id: u64) -> Option<&mut Rebill> {
        let index = usize::try_from(id.checked_sub(FIRST_REBILL_ID)?).ok()?;
        self.rebills.get_mut(index)
    }

    pub(super) fn next_number(&self) -> u64 {
        FIRST_PAYMENT_ID + self.payments.len() as u64
    }
}

/// Position of a payment among all.
fn index_of(id: &str) -> Option<usize> {
    usize::try_from(id.parse::<u64>().ok()?.checked_sub(FIRST_PAYMENT_ID)?).ok()
}
