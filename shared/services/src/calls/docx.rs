//! A dialogue as a DOCX: the smallest set of parts of an Office Open XML document (ECMA-376, part 1, 11.3.10) in a ZIP.

use std::io::{Cursor, Write as _};

use flysk_domain::flysense::export::{Document, MACHINE_MADE_RU, Turn, clock};
use zip::ZipWriter;
use zip::result::ZipResult;
use zip::write::SimpleFileOptions;

const CONTENT_TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>"#;

const RELATIONSHIPS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>"#;

/// Size of the title, in half points.
const TITLE_SIZE: u32 = 32;
/// Size of headings, in half points.
const HEADING_SIZE: u32 = 26;

/// The document as a DOCX; `with_times` puts the start before each turn.
///
/// # Errors
///
/// The archive cannot be written, which in memory means that it is too large.
pub fn docx(document: &Document, with_times: bool) -> ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    for (name, text) in [
        ("[Content_Types].xml", CONTENT_TYPES.to_owned()),
        ("_rels/.rels", RELATIONSHIPS.to_owned()),
        ("docProps/core.xml", properties(document)),
        ("word/document.xml", body(document, with_times)),
    ] {
        archive.start_file(name, options)?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

fn properties(document: &Document) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{}</dc:title><dc:creator>FlySense AI</dc:creator><dc:description>{MACHINE_MADE_RU}</dc:description></cp:coreProperties>"#,
        escape(&document.title)
    )
}

fn body(document: &Document, with_times: bool) -> String {
    let mut xml = String::from(
        r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>"#,
    );
    for (index, line) in document.header().iter().enumerate() {
        xml.push_str(&if index == 0 { heading(line, TITLE_SIZE) } else { paragraph(&[run(line, false)]) });
    }
    if let Some(summary) = &document.summary {
        xml.push_str(&heading("Итог", HEADING_SIZE));
        for line in summary.lines().filter(|line| !line.trim().is_empty()) {
            xml.push_str(&paragraph(&[run(line, false)]));
        }
    }
    xml.push_str(&heading("Диалог", HEADING_SIZE));
    for turn in &document.turns {
        xml.push_str(&paragraph(&turn_runs(turn, with_times)));
    }
    xml.push_str("</w:body></w:document>");
    xml
}

fn turn_runs(turn: &Turn, with_times: bool) -> Vec<String> {
    let time = with_times.then(|| run(&format!("[{}] ", clock(turn.start_ms)), false));
    let said = [run(&format!("{}: ", turn.speaker), true), run(&turn.text, false)];
    time.into_iter().chain(said).collect()
}

fn paragraph(runs: &[String]) -> String {
    format!("<w:p>{}</w:p>", runs.concat())
}

fn heading(text: &str, half_points: u32) -> String {
    format!(
        r#"<w:p><w:r><w:rPr><w:b/><w:sz w:val="{half_points}"/></w:rPr><w:t xml:space="preserve">{}</w:t></w:r></w:p>"#,
        escape(text)
    )
}

fn run(text: &str, is_bold: bool) -> String {
    let bold = if is_bold { "<w:rPr><w:b/></w:rPr>" } else { "" };
    format!(r#"<w:r>{bold}<w:t xml:space="preserve">{}</w:t></w:r>"#, escape(text))
}

/// Escapes markup, and replaces characters that XML 1.0 (section 2.2) does not allow.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            char if char.is_control() => escaped.push(' '),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn document() -> Document {
        let turn = |speaker: &str, text: &str| Turn {
            speaker: speaker.to_owned(),
            start_ms: 65_000,
            end_ms: 66_000,
            text: text.to_owned(),
        };
        Document {
            title: "Входящий звонок".to_owned(),
            called_at: None,
            duration_ms: None,
            link: "https://demo.amocrm.ru/leads/detail/1".to_owned(),
            summary: Some("Итог <b>&\u{1}".to_owned()),
            tags: vec![],
            turns: vec![turn("Оператор", "Добрый день"), turn("Клиент", "</w:t><script>")],
        }
    }

    fn part(bytes: &[u8], name: &str) -> String {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_archive_has_the_parts_that_a_word_processor_needs_and_says_who_made_it() {
        let bytes = docx(&document(), true).unwrap();
        let body = part(&bytes, "word/document.xml");
        assert!(body.contains(MACHINE_MADE_RU) && body.contains("[01:05] ") && body.contains("Добрый день"));
        assert!(part(&bytes, "docProps/core.xml").contains(MACHINE_MADE_RU));
        assert!(part(&bytes, "_rels/.rels").contains("word/document.xml"));
        assert!(part(&bytes, "[Content_Types].xml").contains("wordprocessingml.document.main+xml"));
        assert!(!part(&docx(&document(), false).unwrap(), "word/document.xml").contains("01:05"));
    }

    #[test]
    fn markup_in_texts_stays_text() {
        let body = part(&docx(&document(), false).unwrap(), "word/document.xml");
        assert!(
            body.contains("&lt;/w:t&gt;&lt;script&gt;") && body.contains("Итог &lt;b&gt;&amp; "),
            "{body}"
        );
        assert_eq!(body.matches("<w:t ").count(), body.matches("</w:t>").count());
    }
}
