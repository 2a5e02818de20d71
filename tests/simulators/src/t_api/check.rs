//! Checks of the fields of `invoice/send`.

use chrono::NaiveDate;
use flysk_domain::money::Kopecks;
use serde::Deserialize;
use serde_json::Number;

/// Rates of VAT that the bank takes.
const VATS: [&str; 8] = ["None", "0", "5", "7", "10", "18", "20", "22"];

/// Body of `invoice/send`. Fields that the bank does not document are refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SendBody {
    pub(super) invoice_number: String,
    due_date: Option<NaiveDate>,
    invoice_date: Option<NaiveDate>,
    account_number: Option<String>,
    pub(super) payer: Option<Payer>,
    #[serde(default)]
    pub(super) items: Vec<Item>,
    #[serde(default)]
    pub(super) contacts: Vec<Contact>,
    contact_phone: Option<String>,
    comment: Option<String>,
    pub(super) custom_payment_purpose: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payer {
    pub(super) name: String,
    pub(super) inn: Option<String>,
    kpp: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    name: String,
    price: Number,
    unit: String,
    pub(super) vat: String,
    amount: Number,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contact {
    pub(super) email: String,
}

fn digits(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn at_most(text: Option<&String>, chars: usize) -> bool {
    text.is_none_or(|text| text.chars().count() <= chars)
}

impl SendBody {
    /// The first field that is wrong.
    pub(super) fn wrong_field(&self, account: &str, today: NaiveDate) -> Option<&'static str> {
        let number = &self.invoice_number;
        let issued_on = self.invoice_date.unwrap_or(today);
        let payer = self.payer.as_ref();
        let checks = [
            ("invoiceNumber", (1..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())),
            ("dueDate", self.due_date.is_none_or(|due| due >= issued_on)),
            ("accountNumber", self.account_number.as_deref().is_none_or(|own| own == account)),
            (
                "payer.name",
                payer.is_none_or(|payer| at_most(Some(&payer.name), 512) && !payer.name.is_empty()),
            ),
            (
                "payer.inn",
                payer.and_then(|payer| payer.inn.as_deref()).is_none_or(|inn| digits(inn, &[10, 12])),
            ),
            ("payer.kpp", payer.and_then(|payer| payer.kpp.as_deref()).is_none_or(|kpp| digits(kpp, &[9]))),
            ("items", self.items.len() <= 100 && self.items.iter().all(|item| item.kopecks().is_some())),
            (
                "contacts",
                self.contacts.len() <= 10 && self.contacts.iter().all(|who| who.email.contains('@')),
            ),
            (
                "contactPhone",
                self.contact_phone
                    .as_deref()
                    .is_none_or(|phone| phone.strip_prefix("+7").is_some_and(|rest| digits(rest, &[10]))),
            ),
            ("comment", at_most(self.comment.as_ref(), 1_000)),
            ("customPaymentPurpose", at_most(self.custom_payment_purpose.as_ref(), 512)),
        ];
        checks.into_iter().find(|(_, right)| !right).map(|(field, _)| field)
    }

    /// Sum of the items, kopecks.
    pub(super) fn kopecks(&self) -> i64 {
        self.items.iter().filter_map(Item::kopecks).sum()
    }
}

impl Item {
    /// Price times quantity; `None` if a field is wrong.
    fn kopecks(&self) -> Option<i64> {
        let price: Kopecks = self.price.to_string().parse().ok()?;
        let quantity = i64::try_from(self.amount.as_u64()?).ok()?;
        let named = !self.name.is_empty() && !self.unit.is_empty() && VATS.contains(&self.vat.as_str());
        (named && price.is_positive() && quantity > 0).then(|| price.0.checked_mul(quantity)).flatten()
    }
}
