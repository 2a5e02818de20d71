//! What a call costs, as the API tells it.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::{PaymentState, ReceiptLine};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_store::flysense::payments::Payment;
use poem_openapi::Object;
use serde_json::Value;

/// One line of an estimate or a receipt: a price and how it came about.
#[derive(Debug, Clone, Object)]
pub(crate) struct ReceiptLineView {
    /// For what: `flysense.recognition`, `flysense.summary`.
    service: String,
    /// Version of the price rule.
    version: u32,
    /// The rule: `kind`, `rate_micro` and what else it has.
    tariff: Value,
    /// What the quantity counts: `second`, `piece`.
    unit: String,
    /// What was done.
    quantity: u64,
    /// What is paid for: the quantity, or the least the rule bills.
    billed: u64,
    /// What happened to the rest of the division: `exact`, `half_up`.
    rounding: String,
    /// The price, millionths of a Flycoin.
    amount_micro: i64,
}

impl From<&ReceiptLine> for ReceiptLineView {
    fn from(line: &ReceiptLine) -> Self {
        Self {
            service: line.service.clone(),
            version: line.version,
            tariff: line.tariff.clone(),
            unit: line.unit.clone(),
            quantity: line.quantity,
            billed: line.billed,
            rounding: line.rounding.clone(),
            amount_micro: line.amount.0,
        }
    }
}

/// What a call costs and how far its payment is. Amounts are millionths of a Flycoin.
#[derive(Debug, Clone, Object)]
pub(crate) struct PaymentView {
    /// `unpaid` (nothing set aside yet), `held`, `owed` (the result is there, the coins are not taken yet),
    /// `paid`, `releasing` (no result, the coins are on their way back), `free`.
    state: String,
    /// The state in Russian.
    state_label: String,
    /// What it was estimated to cost, before the work; null until it is known.
    estimated_micro: Option<i64>,
    /// How the estimate came about.
    estimate: Vec<ReceiptLineView>,
    /// What is, or was, set aside.
    held_micro: Option<i64>,
    /// When coins that are set aside free themselves.
    hold_expires_at: Option<DateTime<Utc>>,
    /// Since when the wallet has been short of it; null unless it waits for coins.
    short_since: Option<DateTime<Utc>>,
    /// What it cost; null until it is paid.
    charged_micro: Option<i64>,
    /// How the price came about; empty until it is paid.
    receipt: Vec<ReceiptLineView>,
    /// The transaction in the account's wallet that took the coins.
    transaction_id: Option<String>,
    /// When it was paid.
    paid_at: Option<DateTime<Utc>>,
    /// Why it costs something although there is no transcript, in Russian: it was stopped after its recognition was ordered.
    charge_reason: Option<String>,
}

/// What people read of a call that was stopped too late to cost nothing.
const STOPPED_AFTER_ORDER: &str =
    "Распознавание уже было заказано, когда расшифровку остановили: оно оплачивается, текст не сохраняется.";

impl PaymentView {
    /// The payment of a call. One that ended before anything was to be paid is free.
    pub(crate) fn new(payment: Option<&Payment>, call: TranscriptionState) -> Option<Self> {
        match payment {
            Some(payment) => {
                let is_charged = matches!(payment.state, PaymentState::Owed | PaymentState::Paid);
                let is_stopped = call == TranscriptionState::Cancelled && is_charged;
                let charge_reason = is_stopped.then(|| STOPPED_AFTER_ORDER.to_owned());
                Some(Self { charge_reason, ..payment.into() })
            }
            None if call.is_final() => Some(Self::free()),
            None => None,
        }
    }

    fn free() -> Self {
        Self {
            state: PaymentState::Free.code().to_owned(),
            state_label: PaymentState::Free.label().to_owned(),
            estimated_micro: None,
            estimate: Vec::new(),
            held_micro: None,
            hold_expires_at: None,
            short_since: None,
            charged_micro: None,
            receipt: Vec::new(),
            transaction_id: None,
            paid_at: None,
            charge_reason: None,
        }
    }
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        let is_held = payment.state == PaymentState::Held;
        Self {
            state: payment.state.code().to_owned(),
            state_label: payment.state.label().to_owned(),
            estimated_micro: payment.estimated().map(|amount| amount.0),
            estimate: payment.estimate().iter().map(Into::into).collect(),
            held_micro: payment.held().map(|amount| amount.0),
            hold_expires_at: payment.hold_expires_at.filter(|_| is_held),
            short_since: payment.short_since,
            charged_micro: payment.charged().map(|amount| amount.0),
            receipt: payment.receipt().iter().map(Into::into).collect(),
            transaction_id: payment.transaction().map(|id| id.to_string()),
            paid_at: payment.paid_at,
            charge_reason: None,
        }
    }
}
