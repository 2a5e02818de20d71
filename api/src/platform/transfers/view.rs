//! Invoices for firms in requests and responses.

use chrono::NaiveDate;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::transfers::{Payer, PaymentSubject, TransferInvoiceState, label_ru};
use flysk_store::platform::transfers::TransferInvoice;
use poem_openapi::Object;
use poem_openapi::types::Example;

use super::issue::Firm;
use crate::billing_links::{DocumentKind, document_url};
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};
use crate::time::Time;

/// Payer by bank transfer.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub(crate) struct FirmInput {
    /// Name of the organisation or the entrepreneur, at most 512 characters.
    name: String,
    /// Taxpayer number (INN): 10 digits of an organisation, 12 of an entrepreneur, with correct check digits.
    inn: String,
    /// KPP, 9 digits; null for an entrepreneur.
    kpp: Option<String>,
    /// Email address to which the invoice is sent, at most 64 characters.
    email: String,
}

impl Example for FirmInput {
    fn example() -> Self {
        Self {
            name: "ООО «Ромашка»".to_owned(),
            inn: "7707083893".to_owned(),
            kpp: Some("770701001".to_owned()),
            email: "buh@example.com".to_owned(),
        }
    }
}

impl FirmInput {
    /// Checks requisites and address.
    pub(super) fn check(&self) -> Result<Firm, Problem> {
        let invalid = |detail: String| Problem::new(ProblemCode::Invalid, detail);
        let payer = Payer::new(&self.name, &self.inn, self.kpp.as_deref());
        let email = self.email.parse::<Email>().map_err(|error| invalid(format!("email: {error}")))?;
        Ok(Firm { payer: payer.map_err(|error| invalid(error.to_string()))?, email })
    }
}

/// An invoice that a firm pays by bank transfer.
#[derive(Debug, Object)]
#[oai(rename = "TransferInvoice", example)]
pub(crate) struct TransferInvoiceView {
    /// Invoice id, `tin_…`.
    id: String,
    /// Number of the seller's series, which the payer writes into the purpose of the payment.
    number: i64,
    /// State.
    state: Choice<TransferInvoiceState>,
    /// Name of the state in Russian; it also names a partial payment.
    label: String,
    /// Invoice of the subscription that it pays; null for coins.
    invoice_id: Option<String>,
    /// Purchase of coins that it pays; null for a subscription.
    purchase_id: Option<String>,
    /// Name of the payer.
    payer_name: String,
    /// INN of the payer.
    payer_inn: String,
    /// KPP of the payer.
    payer_kpp: Option<String>,
    /// Title of the sale, in Russian.
    title: String,
    /// Purpose that the payer is asked to write, in Russian.
    purpose: String,
    /// Price, in kopecks.
    total_kopecks: i64,
    /// Part of the price that the firm's balance has paid, in kopecks.
    from_balance_kopecks: i64,
    /// Rest of the price, which is to be paid, in kopecks.
    amount_kopecks: i64,
    /// Sum that has arrived of the rest, in kopecks. Nothing is granted before the whole rest is there.
    paid_kopecks: i64,
    /// Day of the invoice, Moscow time.
    issued_on: NaiveDate,
    /// Last day on which the price holds, Moscow time.
    due_on: NaiveDate,
    /// Address of the invoice as PDF, valid for 15 minutes.
    pdf_url: Option<String>,
    /// Address of the act as PDF, valid for 15 minutes; null before the invoice is paid. It answers 404 before the day of the act.
    act_url: Option<String>,
    /// Time when it was paid.
    paid_at: Option<Time>,
    /// Time when it was asked for.
    created_at: Time,
}

impl TransferInvoiceView {
    /// The invoice, with new addresses of its documents.
    pub(super) fn new(deps: &Deps, invoice: &TransferInvoice) -> Self {
        let is_paid = invoice.state == TransferInvoiceState::Paid;
        let (of_invoice, of_purchase) = match invoice.subject {
            PaymentSubject::Invoice(id) => (Some(id.to_string()), None),
            PaymentSubject::Purchase(id) => (None, Some(id.to_string())),
        };
        Self {
            id: invoice.id.to_string(),
            number: invoice.number.get(),
            state: invoice.state.into(),
            label: label_ru(invoice.state, invoice.paid).to_owned(),
            invoice_id: of_invoice,
            purchase_id: of_purchase,
            payer_name: invoice.payer.name.clone(),
            payer_inn: invoice.payer.inn.to_string(),
            payer_kpp: invoice.payer.kpp.clone(),
            title: invoice.title.clone(),
            purpose: invoice.purpose.clone(),
            total_kopecks: invoice.total.0,
            from_balance_kopecks: invoice.from_balance.0,
            amount_kopecks: invoice.amount.0,
            paid_kopecks: invoice.paid.0,
            issued_on: invoice.issued_on,
            due_on: invoice.due_on,
            pdf_url: document_url(deps, invoice.id, DocumentKind::Invoice),
            act_url: is_paid.then(|| document_url(deps, invoice.id, DocumentKind::Act)).flatten(),
            paid_at: invoice.paid_at.map(Time),
            created_at: invoice.created_at.into(),
        }
    }
}

impl Example for TransferInvoiceView {
    fn example() -> Self {
        let on = |day| NaiveDate::from_ymd_opt(2026, 12, day).unwrap_or_default();
        Self {
            id: "tin_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned(),
            number: 1_000_017,
            state: TransferInvoiceState::Issued.into(),
            label: "Выставлен".to_owned(),
            invoice_id: Some("inv_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned()),
            purchase_id: None,
            payer_name: "ООО «Ромашка»".to_owned(),
            payer_inn: "7707083893".to_owned(),
            payer_kpp: Some("770701001".to_owned()),
            title: "Тариф «Про», 3 места, 01.12.2026–31.12.2026".to_owned(),
            purpose: "Оплата по счету № 1000017 от 01.12.2026, НДС не облагается. Тариф «Про»".to_owned(),
            total_kopecks: 149_700,
            from_balance_kopecks: 0,
            amount_kopecks: 149_700,
            paid_kopecks: 0,
            issued_on: on(1),
            due_on: on(8),
            pdf_url: Some("https://api.example.com/billing/documents?ticket=k1.AbCd".to_owned()),
            act_url: None,
            paid_at: None,
            created_at: Time::example(),
        }
    }
}

/// A page of invoices for firms, newest first.
#[derive(Debug, Object)]
#[oai(rename = "TransferInvoicePage")]
pub(crate) struct TransferInvoicePage {
    /// The invoices.
    pub(super) items: Vec<TransferInvoiceView>,
    /// Value of `cursor` for the next page; null on the last page.
    pub(super) next: Option<String>,
}
