//! The act of services rendered: what firms book instead of a receipt.

use chrono::NaiveDate;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::VatRate;
use flysk_domain::russian::{day, number, roubles, roubles_in_words};
use serde::{Deserialize, Serialize};

use super::document::{Column, Document};
use super::vat::vat_line;

/// A firm or an entrepreneur.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firm {
    /// Legal name.
    pub name: String,
    /// Taxpayer number.
    pub inn: Option<String>,
    /// Code of the reason of registration, which entrepreneurs do not have.
    pub kpp: Option<String>,
}

impl Firm {
    /// `ООО «Ромашка», ИНН 7700000000, КПП 770001001`.
    pub(super) fn requisites(&self) -> String {
        let mut text = self.name.clone();
        for (label, value) in [("ИНН", &self.inn), ("КПП", &self.kpp)] {
            if let Some(value) = value {
                text = format!("{text}, {label}\u{a0}{value}");
            }
        }
        text
    }
}

/// A line of an invoice or an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActLine {
    /// The service.
    pub title: String,
    /// First and last day of the service; `None` for coins.
    pub days: Option<(NaiveDate, NaiveDate)>,
    /// Number of seats; `None` for coins.
    pub seats: Option<u32>,
    /// Amount; negative for a deduction.
    pub amount: Kopecks,
}

/// An act. Issued acts are stored as the JSON of this: a field is never renamed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Number in the seller's series of acts.
    pub number: i64,
    /// Day of the act: the day after the last day of the service, or of the payment.
    pub date: NaiveDate,
    /// In the seller's series of invoices.
    pub invoice_number: i64,
    /// Day of the invoice.
    pub invoiced_on: NaiveDate,
    /// Firm that rendered the service.
    pub seller: Firm,
    /// Firm that received the service.
    pub buyer: Firm,
    /// Services.
    pub lines: Vec<ActLine>,
    /// Rate of the day of the invoice.
    pub vat: VatRate,
    /// Total, VAT included.
    pub total: Kopecks,
}

const COLUMNS: [Column; 5] = [
    Column { title: "№", share: 0.06, is_number: true },
    Column { title: "Услуга", share: 0.44, is_number: false },
    Column { title: "Период", share: 0.22, is_number: false },
    Column { title: "Мест", share: 0.1, is_number: true },
    Column { title: "Сумма", share: 0.18, is_number: true },
];

/// Writes an act as PDF. The same act is always the same file.
pub fn act_pdf(act: &Act) -> Vec<u8> {
    let mut document = Document::new(&format!("Акт № {} от {}", act.number, day(act.date)));
    document.paragraph(&format!("Исполнитель: {}", act.seller.requisites()));
    document.paragraph(&format!("Заказчик: {}", act.buyer.requisites()));
    document.paragraph(&format!("Основание: счёт № {} от {}", act.invoice_number, day(act.invoiced_on)));
    document.gap();
    write_lines(&mut document, &act.lines, act.vat, act.total);
    document.paragraph(&format!(
        "Всего оказано услуг на сумму {}: {}.",
        roubles(act.total),
        roubles_in_words(act.total)
    ));
    document.paragraph(
        "Услуги оказаны полностью и в срок. Заказчик не имеет претензий по объёму, качеству и срокам оказания услуг.",
    );
    document.signatures("Исполнитель", "Заказчик");
    document.finish()
}

/// Writes the table of services with total and VAT.
pub(super) fn write_lines(document: &mut Document, lines: &[ActLine], vat: VatRate, total: Kopecks) {
    let rows: Vec<Vec<String>> = (1..)
        .zip(lines)
        .map(|(index, line): (i64, &ActLine)| {
            vec![
                number(index),
                line.title.clone(),
                line.days.map(|(from, last)| format!("{} — {}", day(from), day(last))).unwrap_or_default(),
                line.seats.map(|seats| seats.to_string()).unwrap_or_default(),
                roubles(line.amount),
            ]
        })
        .collect();
    document.table(&COLUMNS, &rows);
    document.total(&format!("Итого: {}", roubles(total)));
    document.total(&vat_line(vat, total));
    document.gap();
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::reader::{page_count, text_of};
    use super::*;

    pub(in crate::pdf) fn romashka() -> Firm {
        Firm {
            name: "ООО «Ромашка»".to_owned(),
            inn: Some("7707083893".to_owned()),
            kpp: Some("770701001".to_owned()),
        }
    }

    pub(in crate::pdf) fn line() -> ActLine {
        ActLine {
            title: "Доступ к виджету «Звонки», тариф «Про»".to_owned(),
            days: Some(("2026-12-01".parse().unwrap(), "2026-12-31".parse().unwrap())),
            seats: Some(3),
            amount: Kopecks(149_900),
        }
    }

    fn act() -> Act {
        let seller = Firm {
            name: "ООО «Флайск»".to_owned(), inn: Some("7710140679".to_owned()), kpp: None
        };
        Act {
            number: 42,
            date: "2027-01-01".parse().unwrap(),
            invoice_number: 1_000_421,
            invoiced_on: "2026-11-27".parse().unwrap(),
            seller,
            buyer: romashka(),
            lines: vec![line()],
            vat: VatRate::Vat22,
            total: Kopecks(149_900),
        }
    }

    #[test]
    fn an_act_names_both_sides_the_service_and_the_sum_in_words() {
        let file = act_pdf(&act());
        let text = text_of(&file).replace('\u{a0}', " ");
        for part in [
            "Акт № 42 от 01.01.2027\n",
            "Исполнитель: ООО «Флайск», ИНН 7710140679\n",
            "Заказчик: ООО «Ромашка», ИНН 7707083893, КПП 770701001\n",
            "Основание: счёт № 1000421 от 27.11.2026\n",
            "Итого: 1 499 ₽\n",
            "В том числе НДС 22 %: 270,31 ₽\n",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let flowing = text.replace('\n', " ");
        for part in
            ["01.12.2026 — 31.12.2026", "1 499 ₽: Одна тысяча четыреста девяносто девять рублей 00 копеек."]
        {
            assert!(flowing.contains(part), "{part} is missing in {flowing}");
        }
        assert_eq!(page_count(&file), 1);
    }

    /// Stored acts are read for years.
    #[test]
    fn an_issued_act_is_read_as_it_was_stored() {
        let stored = r#"{"number":42,"date":"2027-01-01","invoice_number":1000421,"invoiced_on":"2026-11-27",
            "seller":{"name":"ООО «Флайск»","inn":"7710140679","kpp":null},
            "buyer":{"name":"ООО «Ромашка»","inn":"7707083893","kpp":"770701001"},
            "lines":[{"title":"Доступ к виджету «Звонки», тариф «Про»","days":["2026-12-01","2026-12-31"],"seats":3,
            "amount":149900}],"vat":"vat22","total":149900}"#;
        assert_eq!(serde_json::from_str::<Act>(stored).unwrap(), act());
        let again = serde_json::to_string(&act()).unwrap();
        assert_eq!(serde_json::from_str::<Act>(&again).unwrap(), act());
    }

    #[test]
    fn an_act_of_a_seller_without_vat_says_so() {
        let text = text_of(&act_pdf(&Act { vat: VatRate::None, ..act() }));
        assert!(text.contains("Без НДС\n") && !text.contains("В том числе"), "{text}");
    }
}
