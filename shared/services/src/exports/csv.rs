//! CSV as spreadsheets with Russian settings read it: UTF-8 with a mark, semicolons, decimal commas.

use std::io::{self, Write};

use super::Value;

/// Spreadsheets recognise UTF-8 by this mark.
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// Separator that spreadsheets with Russian settings expect.
const SEPARATOR: &str = ";";
/// First characters that make a spreadsheet take a text for a formula (CWE-1236).
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A CSV file (RFC 4180, except for the separator).
#[derive(Debug)]
pub(super) struct CsvFile<W> {
    out: W,
}

impl<W: Write> CsvFile<W> {
    pub(super) fn begin(mut out: W, head: &[&str]) -> io::Result<Self> {
        out.write_all(BYTE_ORDER_MARK.as_bytes())?;
        let mut file = Self { out };
        file.write_fields(head.iter().map(|title| text(title)))?;
        Ok(file)
    }

    pub(super) fn write_row(&mut self, row: &[Value]) -> io::Result<()> {
        self.write_fields(row.iter().map(field))
    }

    fn write_fields(&mut self, fields: impl Iterator<Item = String>) -> io::Result<()> {
        for (index, field) in fields.enumerate() {
            if index > 0 {
                self.out.write_all(SEPARATOR.as_bytes())?;
            }
            self.out.write_all(field.as_bytes())?;
        }
        self.out.write_all(b"\r\n")
    }

    pub(super) fn finish(self) -> W {
        self.out
    }
}

fn field(value: &Value) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Text(content) => text(content),
        // Without quotes and apostrophe: a negative number is no formula.
        Value::Number(number) => number.replace('.', ","),
        Value::Time(time) => time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// A text in quotes. One that a spreadsheet would take for a formula gets an apostrophe.
fn text(content: &str) -> String {
    let apostrophe = if content.starts_with(FORMULA_STARTS) { "'" } else { "" };
    format!("\"{apostrophe}{}\"", content.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn formulas_and_quotes_in_customers_names_are_text() {
        for (content, written) in [
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+79001234567", "\"'+79001234567\""),
            ("a;b\nc", "\"a;b\nc\""),
            ("−5 FC", "\"−5 FC\""),
        ] {
            assert_eq!(text(content), written);
        }
    }

    #[test]
    fn numbers_stay_numbers_and_times_name_their_zone() {
        let mut file = CsvFile::begin(Vec::new(), &["Сумма"]).unwrap();
        let time = DateTime::from_timestamp(1_796_000_000, 0).unwrap();
        file.write_row(&[Value::Number("-962.5".to_owned()), Value::Empty, Value::Time(time)]).unwrap();
        let written = String::from_utf8(file.finish()).unwrap();
        assert_eq!(written, "\u{feff}\"Сумма\"\r\n-962,5;;2026-11-30 00:53:20 UTC\r\n");
    }
}
