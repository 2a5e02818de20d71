//! A document from top to bottom: headings, paragraphs and tables, over as many pages as they need.

use super::font::Face;
use super::pages::{MARGIN, PAGE_HEIGHT, PAGE_WIDTH, Pages};

/// Size of text, in points.
const TEXT_SIZE: f32 = 9.5;
/// Size of the heading, in points.
const HEADING_SIZE: f32 = 14.0;
/// Distance of base lines, as a multiple of the size.
const LEADING: f32 = 1.35;
/// Blank after a paragraph.
const PARAGRAPH_GAP: f32 = 5.0;
/// Blank between the text of a cell and its border.
const CELL_PADDING: f32 = 4.0;
/// Height of a line of text.
const LINE_HEIGHT: f32 = TEXT_SIZE * LEADING;
/// Width between the margins.
const TEXT_WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Heading.
    pub(super) title: &'static str,
    /// Share of the width of the page, of 1.
    pub(super) share: f32,
    /// Whether its cells end at the right border, as numbers do.
    pub(super) is_number: bool,
}

/// A document that is being written.
pub(super) struct Document {
    pages: Pages,
    title: String,
    /// Upper edge of what is written next.
    y: f32,
}

impl Document {
    /// An empty document with its title as heading.
    pub(super) fn new(title: &str) -> Self {
        let mut document = Self { pages: Pages::new(), title: title.to_owned(), y: MARGIN };
        for line in wrap(title, (Face::Bold, HEADING_SIZE), TEXT_WIDTH) {
            document.y += HEADING_SIZE * LEADING;
            document.pages.text((MARGIN, document.y), (Face::Bold, HEADING_SIZE), &line);
        }
        document.gap();
        document
    }

    /// Leaves a line blank.
    pub(super) fn gap(&mut self) {
        self.y += LINE_HEIGHT;
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.write(text, Face::Regular);
    }

    /// Writes a paragraph in bold.
    pub(super) fn strong(&mut self, text: &str) {
        self.write(text, Face::Bold);
    }

    fn write(&mut self, text: &str, face: Face) {
        for line in wrap(text, (face, TEXT_SIZE), TEXT_WIDTH) {
            self.make_room(LINE_HEIGHT);
            self.y += LINE_HEIGHT;
            self.pages.text((MARGIN, self.y), (face, TEXT_SIZE), &line);
        }
        self.y += PARAGRAPH_GAP;
    }

    /// Writes a paragraph at the right margin in bold, such as a total.
    pub(super) fn total(&mut self, text: &str) {
        self.make_room(LINE_HEIGHT);
        self.y += LINE_HEIGHT;
        let x = PAGE_WIDTH - MARGIN - Face::Bold.width(text, TEXT_SIZE);
        self.pages.text((x, self.y), (Face::Bold, TEXT_SIZE), text);
    }

    /// Writes a table with borders. Headings are repeated on each page; a row stays on one page. Cells without a column are
    /// left out.
    pub(super) fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) {
        let headings: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
        self.row(columns, &headings, Face::Bold);
        for row in rows {
            if self.y + height_of(columns, row, Face::Regular) > PAGE_HEIGHT - MARGIN {
                self.break_page();
                self.row(columns, &headings, Face::Bold);
            }
            self.row(columns, row, Face::Regular);
        }
        self.gap();
    }

    fn row(&mut self, columns: &[Column], cells: &[String], face: Face) {
        let height = height_of(columns, cells, face);
        self.make_room(height);
        let (top, bottom) = (self.y, self.y + height);
        let mut left = MARGIN;
        for (column, cell) in columns.iter().zip(cells) {
            let width = column.share * TEXT_WIDTH;
            let mut base = top + CELL_PADDING / 2.0;
            for line in wrap(cell, (face, TEXT_SIZE), width - 2.0 * CELL_PADDING) {
                base += LINE_HEIGHT;
                let x = if column.is_number {
                    left + width - CELL_PADDING - face.width(&line, TEXT_SIZE)
                } else {
                    left + CELL_PADDING
                };
                self.pages.text((x, base), (face, TEXT_SIZE), &line);
            }
            self.pages.line((left, top), (left, bottom));
            left += width;
        }
        self.pages.line((left, top), (left, bottom));
        self.pages.line((MARGIN, top), (left, top));
        self.pages.line((MARGIN, bottom), (left, bottom));
        self.y = bottom;
    }

    /// Writes two lines for signatures, side by side.
    pub(super) fn signatures(&mut self, left: &str, right: &str) {
        let half = TEXT_WIDTH / 2.0;
        self.make_room(4.0 * LINE_HEIGHT);
        self.y += 3.0 * LINE_HEIGHT;
        for (x, who) in [(MARGIN, left), (MARGIN + half, right)] {
            self.pages.text((x, self.y), (Face::Regular, TEXT_SIZE), who);
            let from = x + Face::Regular.width(who, TEXT_SIZE) + CELL_PADDING;
            self.pages.line((from, self.y), (x + half - MARGIN / 2.0, self.y));
        }
        self.y += LINE_HEIGHT;
    }

    /// The file.
    pub(super) fn finish(self) -> Vec<u8> {
        self.pages.finish(&self.title)
    }

    /// Goes to the next page unless this much fits on the present one.
    fn make_room(&mut self, height: f32) {
        if self.y + height > PAGE_HEIGHT - MARGIN {
            self.break_page();
        }
    }

    fn break_page(&mut self) {
        self.pages.break_page();
        self.y = MARGIN;
    }
}

/// Height of a row: that of its highest cell.
fn height_of(columns: &[Column], cells: &[String], face: Face) -> f32 {
    let lines = columns.iter().zip(cells).map(|(column, cell)| {
        wrap(cell, (face, TEXT_SIZE), column.share * TEXT_WIDTH - 2.0 * CELL_PADDING).len()
    });
    let most = u16::try_from(lines.max().unwrap_or_default()).unwrap_or(u16::MAX);
    f32::from(most.max(1)) * LINE_HEIGHT + 2.0 * CELL_PADDING
}

/// Breaks a text into lines of a width. A word that is wider is broken anywhere. No-break spaces are kept.
fn wrap(text: &str, (face, size): (Face, f32), width: f32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split([' ', '\n', '\t', '\r']).filter(|word| !word.is_empty()) {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if face.width(&longer, size) <= width {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for character in word.chars() {
            let mut longer = line.clone();
            longer.push(character);
            if face.width(&longer, size) > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                longer = character.to_string();
            }
            line = longer;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::reader::{page_count, text_of};
    use super::*;

    const TEXT: (Face, f32) = (Face::Regular, TEXT_SIZE);

    #[test]
    fn lines_are_broken_between_words_and_long_words_anywhere() {
        let text = "Тариф «Про», 10 мест, с 01.12.2026 по 31.12.2026 ".repeat(5);
        let lines = wrap(&text, TEXT, 200.0);
        assert!(lines.len() > 3 && lines.iter().all(|line| TEXT.0.width(line, TEXT.1) <= 200.0), "{lines:?}");
        assert_eq!(lines.join(" "), text.trim());
        let word = "ё".repeat(100);
        let broken = wrap(&word, TEXT, 100.0);
        assert!(broken.len() > 1 && broken.concat() == word);
        assert!(wrap("  ", TEXT, 100.0).is_empty());
    }

    #[test]
    fn a_long_table_goes_on_with_its_headings_on_the_next_page() {
        let mut document = Document::new("Длинная таблица");
        let columns = [
            Column { title: "Услуга", share: 0.7, is_number: false },
            Column { title: "Сумма", share: 0.3, is_number: true },
        ];
        let rows: Vec<Vec<String>> =
            (1..=120).map(|row| vec![format!("Строка {row}"), format!("{row} ₽")]).collect();
        document.table(&columns, &rows);
        let file = document.finish();
        let text = text_of(&file);
        assert!(page_count(&file) >= 3, "{}", page_count(&file));
        assert_eq!(text.matches("Услуга").count(), page_count(&file));
        assert!((1..=120).all(|row| text.contains(&format!("Строка {row}\n"))), "{text}");
    }

    #[test]
    fn a_document_reads_the_same_each_time_it_is_written() {
        let write = || {
            let mut document = Document::new("Акт № 7");
            document.paragraph("Итого: четыре рубля");
            document.signatures("Исполнитель", "Заказчик");
            document.finish()
        };
        assert_eq!(write(), write());
        assert!(text_of(&write()).contains("Итого: четыре рубля"));
    }
}
