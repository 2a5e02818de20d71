//! Receipt data (54-FZ) of a payment or a refund.

use std::fmt;

use flysk_domain::money::Kopecks;
use serde::Serialize;

/// Fiscal data format (FFD) of the linked cash register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum FfdVersion {
    /// T-Bank's default.
    #[serde(rename = "1.05")]
    V1_05,
    /// Requires a unit of measure on each line.
    #[serde(rename = "1.2")]
    V1_2,
}

/// The shop's system of taxation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Taxation {
    /// General.
    Osn,
    /// Simplified, on income.
    UsnIncome,
    /// Simplified, on income less expenses.
    UsnIncomeOutcome,
    /// Agricultural.
    Esn,
    /// Patent system of entrepreneurs.
    Patent,
}

/// The rate of VAT on a line; 22 % and 22/122 since 1 January 2026.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
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

/// Payment method of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// Full payment before delivery.
    FullPrepayment,
    /// Full payment at delivery.
    FullPayment,
    /// Advance for goods or services that are not determined yet.
    Advance,
}

/// Type of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentObject {
    /// Work for the customer.
    Service,
    /// A payment, such as an advance or a bonus.
    Payment,
    /// Goods.
    Commodity,
}

/// One line of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReceiptItem {
    /// Name, at most 128 characters.
    pub name: String,
    /// Price of one piece in kopecks, after discounts.
    pub price: Kopecks,
    /// Number of pieces.
    pub quantity: u32,
    /// Price times quantity, in kopecks.
    pub amount: Kopecks,
    /// VAT rate.
    pub tax: Vat,
    /// Whether the money is a prepayment or the full payment.
    pub payment_method: PaymentMethod,
    /// Type of the line.
    pub payment_object: PaymentObject,
    /// Unit of measure; required by format 1.2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measurement_unit: Option<String>,
}

/// A receipt. `Debug` does not show the contact, which is personal data.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Receipt {
    /// Fiscal data format.
    pub ffd_version: FfdVersion,
    /// Taxation system.
    pub taxation: Taxation,
    /// E-mail address for the receipt; this or the phone is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Phone number as `+` and digits; this or the e-mail address is required.
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

/// T-Bank would refuse the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReceipt {
    /// No contact, or one that is too long (error 329).
    #[error("a receipt requires an e-mail address or a phone number of at most 64 characters")]
    NoContact,
    /// No lines, or more than 100.
    #[error("a receipt must have 1 to 100 lines")]
    LineCount,
    /// A line with an empty or too long name, without quantity, or without the unit that format 1.2 requires.
    #[error("a line of the receipt is incomplete or its name is too long")]
    Line,
    /// A line's amount is not price times quantity, or the sum of lines is not the payment's amount (error 308).
    #[error("the amounts of the receipt do not add up")]
    Sums,
}

impl Receipt {
    /// Checks T-Bank's rules for a receipt of `amount` kopecks.
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
            if item.price.checked_mul(item.quantity.into()) != Ok(item.amount) {
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
