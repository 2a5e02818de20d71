//! Lines of fiscal receipts (54-FZ).
//!
//! A subscription is paid ahead: the receipt at payment is a prepayment, and a closing receipt follows at the end of the
//! period (tag 1214, methods 1 and 4 of order ED-7-20/662@). A prepayment carries the computed VAT rate, a settlement the
//! plain one.

use serde::{Deserialize, Serialize};

use super::quote::QuoteLine;
use crate::UnknownText;
use crate::money::{Kopecks, OutOfRange};

/// VAT rate of a vendor's sales.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VatRate {
    /// Without VAT.
    None,
    /// Rate of zero, which a receipt tells apart from [`VatRate::None`].
    Vat0,
    /// 5 %, simplified taxation.
    Vat5,
    /// 7 %, simplified taxation.
    Vat7,
    /// Reduced rate.
    Vat10,
    /// 20 %, until the end of 2025.
    Vat20,
    /// 22 %, since 2026.
    Vat22,
}

impl VatRate {
    /// T-Bank's code of the rate in a receipt. Source: T-Bank API v2, `Receipt.Items.Tax`.
    pub const fn bank_code(self, kind: ReceiptKind) -> &'static str {
        let is_prepayment = matches!(kind, ReceiptKind::Prepayment);
        match (self, is_prepayment) {
            (Self::None, _) => "none",
            (Self::Vat0, _) => "vat0",
            (Self::Vat5, false) => "vat5",
            (Self::Vat5, true) => "vat105",
            (Self::Vat7, false) => "vat7",
            (Self::Vat7, true) => "vat107",
            (Self::Vat10, false) => "vat10",
            (Self::Vat10, true) => "vat110",
            (Self::Vat20, false) => "vat20",
            (Self::Vat20, true) => "vat120",
            (Self::Vat22, false) => "vat22",
            (Self::Vat22, true) => "vat122",
        }
    }

    /// The rate in per cent; `None` without VAT.
    pub const fn percent(self) -> Option<i64> {
        match self {
            Self::None => None,
            Self::Vat0 => Some(0),
            Self::Vat5 => Some(5),
            Self::Vat7 => Some(7),
            Self::Vat10 => Some(10),
            Self::Vat20 => Some(20),
            Self::Vat22 => Some(22),
        }
    }

    /// The VAT in an amount that includes it, rounded half up to a kopeck; `None` without VAT.
    ///
    /// # Errors
    ///
    /// The amount is out of range.
    pub fn included_in(self, amount: Kopecks) -> Result<Option<Kopecks>, OutOfRange> {
        self.percent().map(|percent| amount.prorate_half_up(percent, 100 + percent)).transpose()
    }
}

/// Kind of a receipt's lines.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// Full prepayment, at the payment.
    Prepayment,
    /// Full settlement, at the payment or at the end of the period.
    Settlement,
}

impl ReceiptKind {
    /// T-Bank's code of the payment method. Source: T-Bank API v2, `Receipt.Items.PaymentMethod`.
    pub const fn bank_code(self) -> &'static str {
        match self {
            Self::Prepayment => "full_prepayment",
            Self::Settlement => "full_payment",
        }
    }
}

/// Receipts that a vendor gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptMode {
    /// Whether the receipt at payment is a prepayment; otherwise it is a settlement.
    pub prepayment: bool,
    /// Whether a closing receipt follows a prepayment at the end of the period.
    pub closing: bool,
}

impl ReceiptMode {
    /// Whether the receipt sent with the payment is a prepayment or a settlement.
    pub const fn at_payment(self) -> ReceiptKind {
        if self.prepayment { ReceiptKind::Prepayment } else { ReceiptKind::Settlement }
    }

    /// Whether a closing receipt is due at the end of the period.
    pub const fn closes(self) -> bool {
        self.closes_after(self.at_payment())
    }

    /// Whether a closing receipt is due at the end of a period whose payment had a receipt of this kind.
    pub const fn closes_after(self, kind: ReceiptKind) -> bool {
        self.closing && matches!(kind, ReceiptKind::Prepayment)
    }
}

/// What a receipt says apart from its lines. It is kept with the payment, because the receipt of a refund repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptBasis {
    /// Kind of the lines.
    pub kind: ReceiptKind,
    /// T-Bank's code of the taxation; `None` for that of the environment.
    pub taxation: Option<String>,
    /// VAT rate; `None` for that of the environment.
    pub vat: Option<VatRate>,
}

/// A line of a receipt. Quantity is 1: an amount by days has no price per seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// Name, at most 128 characters.
    pub name: String,
    /// Sum of the line, which is its price, too.
    pub amount: Kopecks,
    /// VAT rate on the day of the payment.
    pub vat: VatRate,
    /// Kind of the payment.
    pub kind: ReceiptKind,
}

/// The one line of a receipt over `amount`: what the invoice sells, or the part of it that is refunded.
///
/// A waiver makes the total zero, and then there is neither payment nor receipt; so an invoice that is paid has one line.
pub fn receipt_line(
    lines: &[QuoteLine],
    amount: Kopecks,
    vat: VatRate,
    kind: ReceiptKind,
) -> Option<ReceiptLine> {
    const MAX_NAME_LEN: usize = 128;
    let line = lines.first().filter(|_| amount.is_positive())?;
    Some(ReceiptLine { name: line.title.chars().take(MAX_NAME_LEN).collect(), amount, vat, kind })
}

#[cfg(test)]
mod tests {
    use super::super::calendar::Period;
    use super::super::quote::{LineKind, Rounding};
    use super::super::subscription::tests::day;
    use super::*;

    #[test]
    fn a_prepayment_carries_the_computed_rate_and_a_settlement_the_plain_one() {
        for (rate, prepayment, settlement) in [
            (VatRate::None, "none", "none"),
            (VatRate::Vat0, "vat0", "vat0"),
            (VatRate::Vat5, "vat105", "vat5"),
            (VatRate::Vat7, "vat107", "vat7"),
            (VatRate::Vat10, "vat110", "vat10"),
            (VatRate::Vat20, "vat120", "vat20"),
            (VatRate::Vat22, "vat122", "vat22"),
        ] {
            assert_eq!(rate.bank_code(ReceiptKind::Prepayment), prepayment);
            assert_eq!(rate.bank_code(ReceiptKind::Settlement), settlement);
        }
    }

    #[test]
    fn the_vat_in_an_amount_is_rounded_once() {
        for (rate, amount, vat) in [
            (VatRate::None, 149_900, None),
            (VatRate::Vat0, 149_900, Some(0)),
            (VatRate::Vat5, 10_000, Some(476)),
            (VatRate::Vat22, 149_900, Some(27_031)),
            (VatRate::Vat20, 3, Some(1)),
        ] {
            assert_eq!(rate.included_in(Kopecks(amount)), Ok(vat.map(Kopecks)), "{rate}");
        }
    }

    #[test]
    fn a_refund_has_the_line_of_what_it_undoes() {
        let line = QuoteLine {
            kind: LineKind::Period,
            title: "Тариф ".to_owned() + &"я".repeat(200),
            period: Period::new(day("2026-12-01"), day("2027-01-01")).unwrap(),
            seats: 3,
            amount: Kopecks(90_000),
            rounding: Rounding::Exact,
        };
        let receipt =
            receipt_line(std::slice::from_ref(&line), Kopecks(100), VatRate::Vat22, ReceiptKind::Prepayment);
        let receipt = receipt.unwrap();
        assert_eq!(receipt.name.chars().count(), 128);
        assert_eq!((receipt.amount, receipt.vat), (Kopecks(100), VatRate::Vat22));
        assert!(receipt_line(&[line], Kopecks::ZERO, VatRate::None, ReceiptKind::Settlement).is_none());
    }

    #[test]
    fn closing_receipts_follow_prepayments_only() {
        for (prepayment, closing, kind, closes) in [
            (true, true, ReceiptKind::Prepayment, true),
            (true, false, ReceiptKind::Prepayment, false),
            (false, true, ReceiptKind::Settlement, false),
        ] {
            let mode = ReceiptMode { prepayment, closing };
            assert_eq!((mode.at_payment(), mode.closes()), (kind, closes));
            assert!(!mode.closes_after(ReceiptKind::Settlement));
            assert_eq!(mode.closes_after(ReceiptKind::Prepayment), closing, "whatever is given today");
        }
    }
}
