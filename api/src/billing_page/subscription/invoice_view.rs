//! Context of an invoice's page.

use askama::Template;
use flysk_domain::TextEnum as _;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState};
use flysk_domain::platform::purchases::failure_ru;
use flysk_domain::platform::subscriptions::{InvoiceKind, InvoiceState};
use flysk_domain::russian::roubles;
use flysk_services::invoice_payments::RenewalOffer;
use flysk_store::platform::invoice_payments::Attempt;
use flysk_store::platform::subscriptions::Invoice;

use super::super::transfer_rows::BalanceRow;
use super::super::view::STYLE;
use super::frame::Frame;
use super::history::{kind_ru, label_of};
use super::lines::{self, LineRow};
use super::texts::moment;

/// The form that pays the invoice.
#[derive(Debug)]
pub(super) struct Payable {
    /// The renewal offer; `None` if the seller has not stated who it is.
    pub(super) offer: Option<RenewalOffer>,
    /// The card that is charged for renewals at present.
    pub(super) card: Option<String>,
    /// E-mail address from the submitted form.
    pub(super) email: String,
    /// Whether the box was ticked in the submitted form; never beforehand.
    pub(super) consent: bool,
    /// When the card is charged by itself.
    pub(super) charge_at: Option<String>,
    /// Until when the invoice can be paid.
    pub(super) due: Option<String>,
    /// A payment whose form is open.
    pub(super) open_form: Option<String>,
    /// A charge of the card is under way.
    pub(super) charging: bool,
    /// Whether the seller is paid by transfer.
    pub(super) takes_transfers: bool,
    /// Id and number of the invoice for a transfer that waits for money.
    pub(super) transfer: Option<(String, String)>,
    /// Money of firms that waits for their next invoices.
    pub(super) balances: Vec<BalanceRow>,
}

/// An error of the payment form.
#[derive(Debug)]
pub(super) struct FormError {
    /// Correction that the form asks for.
    pub(super) text: String,
    /// Whether the correction concerns the e-mail address.
    pub(super) about_email: bool,
}

/// Context of the page.
#[derive(Template)]
#[template(path = "billing/subscription/invoice.html")]
pub(super) struct InvoicePage {
    pub(super) frame: Frame,
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) code: &'static str,
    pub(super) label: String,
    pub(super) lines: Vec<LineRow>,
    pub(super) total: String,
    pub(super) written: String,
    pub(super) paid: Option<String>,
    pub(super) receipts: Vec<String>,
    /// Id of the transfer invoice that paid it.
    pub(super) paid_by_transfer: Option<String>,
    /// Why the last payment failed.
    pub(super) failure: Option<String>,
    pub(super) payable: Option<Payable>,
    /// Whether the invoice can be withdrawn by a button.
    pub(super) discardable: bool,
    pub(super) error: Option<FormError>,
}

impl InvoicePage {
    /// Formats an invoice with its attempts.
    pub(super) fn of(frame: Frame, invoice: &Invoice, all: &[Attempt], awaits_renewal: bool) -> Self {
        let open = invoice.state == InvoiceState::Open;
        Self {
            frame,
            id: invoice.id.to_string(),
            kind: kind_ru(invoice.kind),
            code: invoice.state.as_str(),
            label: label_of(invoice),
            lines: lines::rows(&invoice.lines),
            total: roubles(invoice.total),
            written: moment(invoice.created_at),
            paid: invoice.paid_at.map(moment),
            receipts: Vec::new(),
            paid_by_transfer: None,
            failure: last_failure(all).filter(|_| open),
            payable: None,
            // As the rule of discarding: a renewal that the subscription waits for is withdrawn by cancelling.
            discardable: open && (invoice.kind != InvoiceKind::Renewal || !awaits_renewal),
            error: None,
        }
    }
}

/// Why the last attempt failed, if it did.
fn last_failure(all: &[Attempt]) -> Option<String> {
    let last = all.last().filter(|attempt| attempt.state == AttemptState::Failed && !attempt.is_withdrawn)?;
    Some(format!("{}: {}", moment(last.updated_at), failure_ru(last.error_code.as_deref())))
}

/// The attempt whose form can still be paid.
pub(super) fn open_form(all: &[Attempt]) -> Option<String> {
    let open = |attempt: &&Attempt| {
        attempt.kind == AttemptKind::Form
            && matches!(attempt.state, AttemptState::Opening | AttemptState::Open)
            && !attempt.is_withdrawn
    };
    all.iter().rev().find(open).map(|attempt| attempt.id.to_string())
}

/// Whether a charge of the card is under way.
pub(super) fn is_charging(all: &[Attempt]) -> bool {
    all.iter().any(|attempt| attempt.kind == AttemptKind::Charge && attempt.state.is_open())
}
