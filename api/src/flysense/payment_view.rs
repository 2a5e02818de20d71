//! Payment of a transcription in responses.

use flysk_domain::flysense::payment::{PaymentState, ReceiptLine};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_store::flysense::payments::Payment;
use poem_openapi::Object;
use serde_json::Value;

use crate::choice::Choice;
use crate::time::Time;

/// One line of an estimate or a receipt: a price and its calculation.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ReceiptLine")]
pub(crate) struct ReceiptLineView {
    /// Service name, for example `flysense.recognition`.
    service: String,
    /// Version of the price rule.
    version: u32,
    /// Tariff: `kind`, `rate_micro` and further fields of the kind.
    tariff: Value,
    /// Unit of the quantity, as in `PriceUnit`.
    unit: String,
    /// Used quantity.
    quantity: u64,
    /// Billed quantity: the used quantity, or the tariff's minimum.
    billed: u64,
    /// Rounding of the price, as in `PriceRounding`.
    rounding: String,
    /// Price of the line, in micro-Flycoins.
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

/// Price and payment of a transcription. Amounts are in micro-Flycoins.
#[derive(Debug, Clone, Object)]
pub(crate) struct TranscriptionPayment {
    /// State of the payment.
    state: Choice<PaymentState>,
    /// Name of the state in Russian.
    state_label: String,
    /// Estimated price before the work; null until it is known.
    estimated_micro: Option<i64>,
    /// Lines of the estimate.
    estimate: Vec<ReceiptLineView>,
    /// Amount that is or was held.
    held_micro: Option<i64>,
    /// Time when the hold expires; null unless the state is `held`.
    hold_expires_at: Option<Time>,
    /// Time since when the transcription has been waiting for coins; null unless it waits.
    short_since: Option<Time>,
    /// Charged amount; null until it is paid.
    charged_micro: Option<i64>,
    /// Lines of the receipt; empty until it is paid.
    receipt: Vec<ReceiptLineView>,
    /// Id of the wallet's transaction that charged the coins.
    transaction_id: Option<String>,
    /// Time of the payment.
    paid_at: Option<Time>,
    /// Why a cancelled transcription is charged, in Russian; null otherwise. It was cancelled after the recording was submitted
    /// for recognition.
    charge_reason: Option<String>,
}

/// `charge_reason` of a transcription that was cancelled after its recording was submitted for recognition.
const CANCELLED_AFTER_SUBMIT_RU: &str =
    "Распознавание уже было заказано, когда расшифровку остановили: оно оплачивается, текст не сохраняется.";

impl TranscriptionPayment {
    /// The payment of a transcription. A transcription that ended without a payment row is free.
    pub(crate) fn new(payment: Option<&Payment>, call: TranscriptionState) -> Option<Self> {
        match payment {
            Some(payment) => {
                let is_charged = matches!(payment.state, PaymentState::Owed | PaymentState::Paid);
                let is_stopped = call == TranscriptionState::Cancelled && is_charged;
                let charge_reason = is_stopped.then(|| CANCELLED_AFTER_SUBMIT_RU.to_owned());
                Some(Self { charge_reason, ..payment.into() })
            }
            None if call.is_final() => Some(Self::free()),
            None => None,
        }
    }

    fn free() -> Self {
        Self {
            state: PaymentState::Free.into(),
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

impl From<&Payment> for TranscriptionPayment {
    fn from(payment: &Payment) -> Self {
        let is_held = payment.state == PaymentState::Held;
        Self {
            state: payment.state.into(),
            state_label: payment.state.label().to_owned(),
            estimated_micro: payment.estimated().map(|amount| amount.0),
            estimate: payment.estimate().iter().map(Into::into).collect(),
            held_micro: payment.held().map(|amount| amount.0),
            hold_expires_at: payment.hold_expires_at.filter(|_| is_held).map(Time),
            short_since: payment.short_since.map(Time),
            charged_micro: payment.charged().map(|amount| amount.0),
            receipt: payment.receipt().iter().map(Into::into).collect(),
            transaction_id: payment.transaction().map(|id| id.to_string()),
            paid_at: payment.paid_at.map(Time),
            charge_reason: None,
        }
    }
}
