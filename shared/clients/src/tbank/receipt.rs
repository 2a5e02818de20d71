//! Receipt data (54-FZ) that go with a payment or a refund.

use std::fmt;

use flysk_domain::money::Kopecks;
use serde::Serialize;

/// The fiscal format of the linked cash register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum FfdVersion {
    /// The bank's default.
    #[serde(rename = "1.05")]
    V1_05,
    /// Wants a unit of measure on each line.
    #[serde(rename = "1.2")]
    V1_2,
}

/// The shop's system of taxation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Taxation {
    /// General.
    Osn,
    /// Simplified, on income.
    UsnIncome,
    /// Simplified, on income less expenses.
    UsnIncomeOutcome,
    /// Agricultural.
    Esn,
    /// Patent.
    Patent,
}

impl Taxation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Osn, Self::UsnIncome, Self::UsnIncomeOutcome, Self::Esn, Self::Patent];

    /// The bank's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Osn => "osn",
            Self::UsnIncome => "usn_income",
            Self::UsnIncomeOutcome => "usn_income_outcome",
            Self::Esn => "esn",
            Self::Patent => "patent",
        }
    }

    /// Reads the bank's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

/// The rate of VAT on a line; 22 % and 22/122 since 1 January 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the rates")]
pub enum Vat {
    None,
    Vat0,
    Vat5,
    Vat7,
    Vat10,
    Vat22,
    Vat105,
    Vat107,
    Vat110,
    Vat122,
}

impl Vat {
    /// All of them.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::None, "none"),
        (Self::Vat0, "vat0"),
        (Self::Vat5, "vat5"),
        (Self::Vat7, "vat7"),
        (Self::Vat10, "vat10"),
        (Self::Vat22, "vat22"),
        (Self::Vat105, "vat105"),
        (Self::Vat107, "vat107"),
        (Self::Vat110, "vat110"),
        (Self::Vat122, "vat122"),
    ];

    /// Reads the bank's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(vat, _)| vat)
    }
}

/// How a line is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// In full, before what is bought is delivered.
    FullPrepayment,
    /// In full, at the moment of delivery.
    FullPayment,
    /// For something not chosen yet.
    Advance,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentObject {
    /// Work that is consumed as it is done.
    Service,
    /// A payment in itself: an advance, a bonus.
    Payment,
    /// Goods.
    Commodity,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceiptItem {
    /// At most 128 characters.
    pub name: String,
    /// Of one piece, discounts inside.
    pub price: Kopecks,
    /// Whole pieces.
    pub quantity: u32,
    /// Price times quantity.
    pub amount: Kopecks,
    /// The rate of VAT.
    pub tax: Vat,
    /// How it is paid for.
    pub payment_method: PaymentMethod,
    /// What it is.
    pub payment_object: PaymentObject,
    /// Needed by format 1.2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measurement_unit: Option<String>,
}

/// What the cash register prints. `Debug` keeps the contact, which is personal data, to itself.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Receipt {
    /// The fiscal format.
    pub ffd_version: FfdVersion,
    /// The system of taxation.
    pub taxation: Taxation,
    /// Where the receipt goes; this or the phone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `+` and digits; this or the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// 1 to 100 lines.
    pub items: Vec<ReceiptItem>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = |contact: &Option<String>| contact.as_ref().map(|_| "…");
        f.debug_struct("Receipt")
            .field("ffd_version", &self.ffd_version)
            .field("taxation", &self.taxation)
            .field("email", &kept(&self.email))
            .field("phone", &kept(&self.phone))
            .field("items", &self.items)
            .finish()
    }
}

/// The bank would refuse the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReceipt {
    /// Error 329.
    #[error("a receipt needs an address or a phone of at most 64 characters")]
    NoContact,
    /// Not 1 to 100 lines.
    #[error("a receipt has 1 to 100 lines")]
    LineCount,
    /// A name that is empty or longer than 128 characters, no quantity, or a unit missing for format 1.2.
    #[error("a line of the receipt is incomplete")]
    Line,
    /// Error 308: a line is not price times quantity, or the lines are not the payment's amount.
    #[error("the receipt's sums do not agree")]
    Sums,
}

impl Receipt {
    /// Finds what the bank would refuse in a receipt for `amount`.
    pub(super) fn check(&self, amount: Kopecks) -> Result<(), InvalidReceipt> {
        let contact = |text: &Option<String>| {
            text.as_ref().is_some_and(|text| !text.is_empty() && text.chars().count() <= 64)
        };
        if !contact(&self.email) && !contact(&self.phone) {
            return Err(InvalidReceipt::NoContact);
        }
        if !(1..=100).contains(&self.items.len()) {
            return Err(InvalidReceipt::LineCount);
        }
        for item in &self.items {
            let named = !item.name.is_empty() && item.name.chars().count() <= 128;
            let measured = self.ffd_version == FfdVersion::V1_05 || item.measurement_unit.is_some();
            if !named || !measured || item.quantity == 0 {
                return Err(InvalidReceipt::Line);
            }
            if item.price.times(item.quantity.into()) != Ok(item.amount) {
                return Err(InvalidReceipt::Sums);
            }
        }
        if Kopecks::total(self.items.iter().map(|item| item.amount)) != Ok(amount) {
            return Err(InvalidReceipt::Sums);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tbank::{CancelRequest, InitRequest};

    #[test]
    fn nobody_reads_the_contact_in_a_log() {
        let receipt = Receipt {
            ffd_version: FfdVersion::V1_05,
            taxation: Taxation::UsnIncome,
            email: Some("buh@example.test".to_owned()),
            phone: Some("+79161234567".to_owned()),
            items: Vec::new(),
        };
        let init = InitRequest { receipt: Some(receipt.clone()), ..InitRequest::new("o", Kopecks(100)) };
        let cancel = CancelRequest {
            payment_id: "1".to_owned(),
            amount: Kopecks(100),
            external_request_id: None,
            receipt: Some(receipt.clone()),
        };
        for shown in [format!("{receipt:?}"), format!("{init:?}"), format!("{cancel:?}")] {
            assert!(!shown.contains("example.test") && !shown.contains("9161234567"), "{shown}");
            assert!(shown.contains("email: Some") && shown.contains("UsnIncome"), "{shown}");
        }
    }
}
