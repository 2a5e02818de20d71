//! A workbook of one sheet as XLSX: the smallest set of parts of an Office Open XML document (ECMA-376, part 1, 12.2) in a ZIP.
//!
//! Texts are inline strings (18.3.1.53), so that rows are written as they come: a table of shared strings would have to be kept
//! until the end. A string cell is never a formula.

use std::io::{self, Seek, Write};

use chrono::{DateTime, Utc};
use flysk_domain::platform::subscriptions::MOSCOW_OFFSET;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::Value;

const PARTS: [(&str, &str); 5] = [
    (
        "[Content_Types].xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#,
    ),
    (
        "_rels/.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
    ),
    (
        "xl/workbook.xml",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Список" sheetId="1" r:id="rId1"/></sheets></workbook>"#,
    ),
    (
        "xl/_rels/workbook.xml.rels",
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#,
    ),
    (
        "xl/styles.xml",
        // Cell formats: 0 general, 1 date and time.
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="dd.mm.yyyy\ hh:mm:ss"/></numFmts><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>"#,
    ),
];

const SHEET: &str = "xl/worksheets/sheet1.xml";
// The first row stays visible.
const SHEET_START: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>"#;
const SHEET_END: &str = "</sheetData></worksheet>";

/// Most characters of a cell (Excel specifications and limits).
const MAX_CELL_CHARS: usize = 32_767;
/// Day 0 of a workbook's dates is 1899-12-30: this many days before 1970-01-01 (ECMA-376, part 1, 18.17.4.1).
const EPOCH_DAY: i64 = 25_569;
const SECONDS_PER_DAY: i64 = 86_400;
/// Decimals of a day's fraction: finer than a second.
const DAY_FRACTION: i64 = 1_000_000;

/// A workbook that is being written.
pub(super) struct XlsxFile<W: Write + Seek> {
    archive: ZipWriter<W>,
}

impl<W: Write + Seek> std::fmt::Debug for XlsxFile<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("XlsxFile").finish_non_exhaustive()
    }
}

impl<W: Write + Seek> XlsxFile<W> {
    pub(super) fn begin(out: W, head: &[&str]) -> io::Result<Self> {
        let mut archive = ZipWriter::new(out);
        let options = SimpleFileOptions::default();
        for (name, part) in PARTS {
            archive.start_file(name, options)?;
            archive.write_all(part.as_bytes())?;
        }
        archive.start_file(SHEET, options)?;
        archive.write_all(SHEET_START.as_bytes())?;
        let mut file = Self { archive };
        let titles: Vec<Value> = head.iter().map(|title| Value::Text((*title).to_owned())).collect();
        file.write_row(&titles)?;
        Ok(file)
    }

    pub(super) fn write_row(&mut self, row: &[Value]) -> io::Result<()> {
        let cells: String = row.iter().map(cell).collect();
        write!(self.archive, "<row>{cells}</row>")
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.archive.write_all(SHEET_END.as_bytes())?;
        Ok(self.archive.finish()?)
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Empty => "<c/>".to_owned(),
        Value::Text(text) => {
            format!("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">{}</t></is></c>", escape(text))
        }
        Value::Number(number) => format!("<c><v>{number}</v></c>"),
        Value::Time(time) => format!("<c s=\"1\"><v>{}</v></c>", serial(*time)),
    }
}

/// A time of Moscow as days since the epoch of workbooks.
fn serial(time: DateTime<Utc>) -> String {
    let seconds = (time + MOSCOW_OFFSET).timestamp();
    let fraction = seconds.rem_euclid(SECONDS_PER_DAY) * DAY_FRACTION / SECONDS_PER_DAY;
    format!("{}.{fraction:06}", EPOCH_DAY + seconds.div_euclid(SECONDS_PER_DAY))
}

/// Text of an element, without the characters that XML 1.0 does not have (2.2).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().take(MAX_CELL_CHARS) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push(' ');
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use zip::ZipArchive;

    use super::*;

    fn sheet_of(rows: &[Vec<Value>]) -> String {
        let mut file = XlsxFile::begin(Cursor::new(Vec::new()), &["Имя", "Сумма"]).unwrap();
        for row in rows {
            file.write_row(row).unwrap();
        }
        let mut archive = ZipArchive::new(file.finish().unwrap()).unwrap();
        assert_eq!(archive.len(), PARTS.len() + 1);
        let mut sheet = String::new();
        archive.by_name(SHEET).unwrap().read_to_string(&mut sheet).unwrap();
        sheet
    }

    #[test]
    fn texts_are_strings_and_numbers_are_numbers() {
        let time = DateTime::from_timestamp(1_796_000_000, 0).unwrap();
        let sheet = sheet_of(&[vec![
            Value::Text("=1+1 <b>&\u{1}".to_owned()),
            Value::Number("-962.5".to_owned()),
            Value::Time(time),
            Value::Empty,
        ]]);
        assert!(sheet.contains(">=1+1 &lt;b&gt;&amp; </t>"), "{sheet}");
        assert!(!sheet.contains("<f>") && sheet.contains("<c><v>-962.5</v></c>"), "{sheet}");
        // 30 November 2026, 03:53:20 in Moscow: 14,000 s of the day.
        assert!(sheet.contains("<c s=\"1\"><v>46356.162037</v></c><c/></row></sheetData>"), "{sheet}");
    }

    #[test]
    fn a_cell_has_no_more_characters_than_a_spreadsheet_reads() {
        assert_eq!(escape(&"ж".repeat(MAX_CELL_CHARS + 1)).chars().count(), MAX_CELL_CHARS);
    }
}
