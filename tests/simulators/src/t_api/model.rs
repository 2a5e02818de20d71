//! Books of the simulated bank, and what it does where its documents leave it open.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Length of the window of the limits.
const RATE_WINDOW: Duration = Duration::from_secs(1);

/// Behaviour of the bank. `PUT /_sim/behaviour` sets all fields, and omitted fields to their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an open question of its own")]
pub struct Behaviour {
    /// The token is bound to other addresses: every request is answered with 403.
    pub refuses_address: bool,
    /// Whether the documented limits (4/s for sending, 20/s for the others) are enforced, in real time.
    pub limits_requests: bool,
    /// Status of a paid invoice; the method says `EXECUTED`, the webhook's page `PAID`.
    pub paid_word: String,
    /// Most operations of a page, whatever is asked for.
    pub page_size: usize,
    /// The last operation of a page is listed again as the first one of the next page.
    pub repeats_at_page_ends: bool,
    /// Pages list the newest operations first.
    pub newest_first: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            refuses_address: false,
            limits_requests: true,
            paid_word: "EXECUTED".to_owned(),
            page_size: 1_000,
            repeats_at_page_ends: false,
            newest_first: false,
        }
    }
}

/// An invoice that the bank took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SentInvoice {
    /// The bank's id, a UUID.
    pub id: String,
    /// As the seller sent it, at most 15 digits.
    pub number: String,
    /// INN of the payer; empty without one.
    pub payer_inn: String,
    /// Name of the payer; empty without one.
    pub payer_name: String,
    /// Amount.
    pub kopecks: i64,
    /// VAT of the first item.
    pub vat: String,
    /// Purpose of the payment.
    pub purpose: String,
    /// Where it was sent.
    pub emails: Vec<String>,
    /// Whether it was paid from the invoice itself.
    pub paid: bool,
    /// Last part of the link to its document.
    pub slug: String,
}

/// A transfer to be booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transfer {
    /// Amount.
    pub kopecks: i64,
    /// INN of the payer; empty for foreign payers.
    pub payer_inn: String,
    /// As the statement lists it.
    pub payer_name: String,
    /// As the statement lists it.
    pub payer_account: String,
    /// Number of the payment order; the next free one if empty.
    pub document_number: String,
    /// Purpose; cut after 210 characters, as payment orders are.
    pub purpose: String,
    /// When it is booked; now if `None`.
    pub at: Option<DateTime<Utc>>,
    /// It leaves the account instead.
    pub outgoing: bool,
    /// It is authorised, but not booked.
    pub authorised_only: bool,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            kopecks: 0,
            payer_inn: String::new(),
            payer_name: "ООО «Плательщик»".to_owned(),
            payer_account: "40702810100000000002".to_owned(),
            document_number: String::new(),
            purpose: String::new(),
            at: None,
            outgoing: false,
            authorised_only: false,
        }
    }
}

/// A booked transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// The bank's id, which may change.
    pub id: String,
    /// When it was booked.
    pub at: DateTime<Utc>,
    /// What was booked.
    pub transfer: Transfer,
}

/// Methods with a limit of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Send,
    Info,
    Statement,
}

impl Method {
    const fn requests_per_second(self) -> usize {
        match self {
            Self::Send => 4,
            Self::Info | Self::Statement => 20,
        }
    }
}

/// Everything that the bank knows.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) invoices: Vec<SentInvoice>,
    pub(super) operations: Vec<Operation>,
    sends: VecDeque<Instant>,
    infos: VecDeque<Instant>,
    statements: VecDeque<Instant>,
}

impl Books {
    pub(super) fn book(&mut self, mut transfer: Transfer, now: DateTime<Utc>) -> String {
        /// Longest purpose of a payment order.
        const MAX_PURPOSE_CHARS: usize = 210;
        transfer.purpose = transfer.purpose.chars().take(MAX_PURPOSE_CHARS).collect();
        if transfer.document_number.is_empty() {
            transfer.document_number = (self.operations.len() + 1).to_string();
        }
        let id = fresh_id();
        self.operations.push(Operation { id: id.clone(), at: transfer.at.unwrap_or(now), transfer });
        id
    }

    /// Whether one more request fits the limit of the method. A refused one is not counted.
    pub(super) fn admits(&mut self, method: Method) -> bool {
        let requests = match method {
            Method::Send => &mut self.sends,
            Method::Info => &mut self.infos,
            Method::Statement => &mut self.statements,
        };
        let now = Instant::now();
        while requests.front().is_some_and(|earlier| now.duration_since(*earlier) >= RATE_WINDOW) {
            requests.pop_front();
        }
        let admitted = requests.len() < method.requests_per_second();
        if admitted {
            requests.push_back(now);
        }
        admitted
    }
}

/// A random UUID.
pub(super) fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
