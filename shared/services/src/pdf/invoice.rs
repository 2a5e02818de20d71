//! The invoice that a firm pays by transfer.

use chrono::NaiveDate;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::russian::{day, roubles, roubles_in_words};

use super::act::{ActLine, Firm, write_lines};
use super::document::Document;

/// The bank that keeps the sellers' accounts, as it names itself in payment orders. Source: T-Bank's requisites.
const BANK: &str = "АО «ТБанк», БИК 044525974, корр. счёт 30101810145250000974";

/// Account that receives the money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankAccount {
    /// Number of the seller's account, 20 digits.
    pub number: String,
}

/// Contents of the printed transfer invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferInvoicePdf {
    /// Number of the seller's series.
    pub number: i64,
    /// Day of the invoice.
    pub date: NaiveDate,
    /// Last day on which it can be paid at this price.
    pub due_on: NaiveDate,
    /// Firm that is paid.
    pub seller: Firm,
    /// Account of the seller.
    pub account: BankAccount,
    /// Firm that pays.
    pub buyer: Firm,
    /// Services.
    pub lines: Vec<ActLine>,
    /// Rate of the day of the invoice.
    pub vat: VatRate,
    /// Price of the services, VAT included.
    pub total: Kopecks,
    /// Part of the price that was paid from the firm's balance.
    pub from_balance: Kopecks,
    /// The rest, which is to be paid.
    pub amount: Kopecks,
    /// Purpose of the payment that the payer writes.
    pub purpose: String,
}

/// Writes an invoice as PDF. The same invoice is always the same file.
pub fn invoice_pdf(invoice: &TransferInvoicePdf) -> Vec<u8> {
    let mut document =
        Document::new(&format!("Счёт на оплату № {} от {}", invoice.number, day(invoice.date)));
    document.paragraph(&format!("Получатель: {}", invoice.seller.requisites()));
    document.paragraph(&format!("Счёт получателя: {}", invoice.account.number));
    document.paragraph(&format!("Банк получателя: {BANK}"));
    document.strong(&format!("Назначение платежа: {}", invoice.purpose));
    document.paragraph(&format!("Плательщик: {}", invoice.buyer.requisites()));
    document.gap();
    write_lines(&mut document, &invoice.lines, invoice.vat, invoice.total);
    if invoice.from_balance.is_positive() {
        document.paragraph(&format!("Зачтено с баланса: {}", roubles(invoice.from_balance)));
    }
    document.strong(&format!("К оплате {}: {}.", roubles(invoice.amount), roubles_in_words(invoice.amount)));
    document.paragraph(&format!(
        "Цена действует до {} включительно. Укажите в назначении платежа номер счёта и платите со счёта организации, на \
         которую он выставлен: так деньги зачтутся сами. Доступ открывается, когда деньги поступят целиком.",
        day(invoice.due_on)
    ));
    document.finish()
}

#[cfg(test)]
mod tests {
    use super::super::act::tests::{line, romashka};
    use super::super::reader::text_of;
    use super::*;

    #[test]
    fn an_invoice_says_what_to_pay_where_to_and_until_when() {
        let file = invoice_pdf(&TransferInvoicePdf {
            number: 7,
            date: "2026-11-27".parse().unwrap(),
            due_on: "2026-12-04".parse().unwrap(),
            seller: Firm {
                name: "ООО «Флайск»".to_owned(), inn: Some("7710140679".to_owned()), kpp: None
            },
            account: BankAccount { number: "40702810900000000001".to_owned() },
            buyer: romashka(),
            lines: vec![line()],
            vat: VatRate::None,
            total: Kopecks(149_900),
            from_balance: Kopecks(49_900),
            amount: Kopecks(100_000),
            purpose: "Оплата по счету 7 от 27.11.2026. Без НДС".to_owned(),
        });
        let text = text_of(&file).replace('\u{a0}', " ");
        for part in [
            "Счёт на оплату № 7 от 27.11.2026\n",
            "Счёт получателя: 40702810900000000001\n",
            "Назначение платежа: Оплата по счету 7 от 27.11.2026. Без НДС\n",
            "Зачтено с баланса: 499 ₽\n",
            "К оплате 1 000 ₽: Одна тысяча рублей 00 копеек.\n",
            "до 04.12.2026",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
