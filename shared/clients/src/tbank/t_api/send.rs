//! `POST /api/v1/invoice/send` and `GET /api/v1/openapi/invoice/{id}/info`.

use chrono::NaiveDate;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::platform::transfers::{InvoiceNumber, Payer};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::roubles::write_roubles;

/// Maximum length of an item's name that is sent, in characters.
const MAX_ITEM_NAME_CHARS: usize = 200;

/// An invoice to be sent.
#[derive(Debug, Clone, Copy)]
pub struct InvoiceToSend<'a> {
    /// Number, at most 15 digits.
    pub number: InvoiceNumber,
    /// Day of the invoice.
    pub issued_on: NaiveDate,
    /// Last day to pay.
    pub due_on: NaiveDate,
    /// Account to be paid to, 20 digits.
    pub account: &'a str,
    /// Firm that the bank names on the invoice.
    pub payer: &'a Payer,
    /// Title of the only line of the invoice.
    pub title: &'a str,
    /// Sum to pay.
    pub amount: Kopecks,
    /// Rate in the only line.
    pub vat: VatRate,
    /// Address that the bank sends the invoice to.
    pub email: &'a str,
    /// Purpose of the payment, at most 512 characters.
    pub purpose: &'a str,
}

/// The bank's answer to a sent invoice.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentInvoice {
    /// The bank's id, a UUID.
    pub invoice_id: String,
    /// Link to the document. It works for ten days without credentials, and must be fetched without the token.
    pub pdf_url: SecretString,
}

/// The bank's word about an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvoiceStatus {
    /// Written, not sent.
    Draft,
    /// Sent to the payer.
    Submitted,
    /// Paid. The status contains neither time nor sum; the statement does.
    Paid,
    /// A word that the documentation does not have.
    Other(String),
}

impl InvoiceStatus {
    /// The bank's word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Draft => "DRAFT",
            Self::Submitted => "SUBMITTED",
            Self::Paid => "PAID",
            Self::Other(word) => word,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Info {
    status: String,
}

impl From<Info> for InvoiceStatus {
    fn from(info: Info) -> Self {
        match info.status.to_uppercase().as_str() {
            "DRAFT" => Self::Draft,
            "SUBMITTED" => Self::Submitted,
            // The method and the webhook have different words for the same state.
            "EXECUTED" | "PAID" => Self::Paid,
            _ => Self::Other(info.status),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    invoice_number: String,
    invoice_date: NaiveDate,
    due_date: NaiveDate,
    account_number: &'a str,
    payer: PayerBody<'a>,
    items: [Item<'a>; 1],
    contacts: [Contact<'a>; 1],
    custom_payment_purpose: &'a str,
}

#[derive(Serialize)]
struct PayerBody<'a> {
    name: &'a str,
    inn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kpp: Option<&'a str>,
}

#[derive(Serialize)]
struct Item<'a> {
    name: String,
    price: Box<RawValue>,
    unit: &'a str,
    vat: &'a str,
    amount: u32,
}

#[derive(Serialize)]
struct Contact<'a> {
    email: &'a str,
}

/// The bank's word for a rate. Source: T-API, `items[].vat`.
const fn vat_word(vat: VatRate) -> &'static str {
    match vat {
        VatRate::None => "None",
        VatRate::Vat0 => "0",
        VatRate::Vat5 => "5",
        VatRate::Vat7 => "7",
        VatRate::Vat10 => "10",
        VatRate::Vat20 => "20",
        VatRate::Vat22 => "22",
    }
}

pub(super) fn body(invoice: &InvoiceToSend<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let payer = invoice.payer;
    serde_json::to_vec(&Body {
        invoice_number: invoice.number.to_string(),
        invoice_date: invoice.issued_on,
        due_date: invoice.due_on,
        account_number: invoice.account,
        payer: PayerBody { name: &payer.name, inn: payer.inn.as_str(), kpp: payer.kpp.as_deref() },
        items: [Item {
            name: invoice.title.chars().take(MAX_ITEM_NAME_CHARS).collect(),
            price: write_roubles(invoice.amount)?,
            unit: "шт",
            vat: vat_word(invoice.vat),
            amount: 1,
        }],
        contacts: [Contact { email: invoice.email }],
        custom_payment_purpose: invoice.purpose,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_is_written_as_the_bank_reads_it() {
        let payer = Payer::new("ООО «Ромашка»", "7707083893", Some("770701001")).unwrap();
        let invoice = InvoiceToSend {
            number: InvoiceNumber::of_serial(1).unwrap(),
            issued_on: "2026-11-30".parse().unwrap(),
            due_on: "2026-12-07".parse().unwrap(),
            account: "40702810900000000001",
            payer: &payer,
            title: "Тариф «Про», 1 мес.",
            amount: Kopecks(499_005),
            vat: VatRate::Vat22,
            email: "buh@example.test",
            purpose: "Оплата по счету № 1000017",
        };
        let text = String::from_utf8(body(&invoice).unwrap()).unwrap();
        assert!(
            text.contains(r#""invoiceNumber":"1000017","invoiceDate":"2026-11-30","dueDate":"2026-12-07""#)
        );
        assert!(text.contains(r#""price":4990.05,"unit":"шт","vat":"22","amount":1"#), "{text}");
        assert!(text.contains(r#""inn":"7707083893","kpp":"770701001""#), "{text}");
        assert!(text.contains(r#""contacts":[{"email":"buh@example.test"}]"#), "{text}");
    }

    #[test]
    fn both_words_for_a_paid_invoice_are_known() {
        let status = |word: &str| InvoiceStatus::from(Info { status: word.to_owned() });
        assert_eq!((status("EXECUTED"), status("PAID")), (InvoiceStatus::Paid, InvoiceStatus::Paid));
        assert_eq!((status("DRAFT"), status("submitted")), (InvoiceStatus::Draft, InvoiceStatus::Submitted));
        assert_eq!(status("ARCHIVED").as_str(), "ARCHIVED");
    }
}
