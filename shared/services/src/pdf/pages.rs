//! A4 pages: text and lines at a place. Lengths are points (1/72 inch); `y` grows downwards from the upper edge.

use pdf_writer::{Content, Finish as _, Pdf, Rect, Ref, Str, TextStr};

use super::font::Face;

pub(super) const PAGE_WIDTH: f32 = 595.0;
pub(super) const PAGE_HEIGHT: f32 = 842.0;
/// Blank on all sides.
pub(super) const MARGIN: f32 = 48.0;
const LINE_WIDTH: f32 = 0.6;

/// Pages that are being filled.
pub(super) struct Pages {
    full: Vec<Vec<u8>>,
    current: Content,
}

impl Pages {
    /// An empty first page.
    pub(super) fn new() -> Self {
        Self { full: Vec::new(), current: blank() }
    }

    /// Goes to the next page.
    pub(super) fn break_page(&mut self) {
        let filled = std::mem::replace(&mut self.current, blank());
        self.full.push(filled.finish().into_vec());
    }

    /// Writes a text whose base line begins at a point.
    pub(super) fn text(&mut self, (x, y): (f32, f32), (face, size): (Face, f32), text: &str) {
        self.current.begin_text();
        self.current.set_font(face.resource(), size);
        self.current.next_line(x, PAGE_HEIGHT - y);
        self.current.show(Str(&face.encode(text)));
        self.current.end_text();
    }

    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32)) {
        self.current.move_to(from.0, PAGE_HEIGHT - from.1);
        self.current.line_to(to.0, PAGE_HEIGHT - to.1);
        self.current.stroke();
    }

    /// The file. The title is what viewers show.
    pub(super) fn finish(mut self, title: &str) -> Vec<u8> {
        self.break_page();
        let mut next = Ref::new(1);
        let (catalog, tree, info) = (next.bump(), next.bump(), next.bump());
        let fonts = [(Face::Regular, next.bump()), (Face::Bold, next.bump())];
        let pages: Vec<(Ref, Ref, Vec<u8>)> =
            self.full.into_iter().map(|content| (next.bump(), next.bump(), content)).collect();
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree).lang(TextStr("ru-RU"));
        pdf.document_info(info).title(TextStr(title)).producer(TextStr("Flysk"));
        let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
        pdf.pages(tree).kids(pages.iter().map(|(page, _, _)| *page)).count(count);
        for (page, content, data) in &pages {
            let mut written = pdf.page(*page);
            written.parent(tree).media_box(Rect::new(0.0, 0.0, PAGE_WIDTH, PAGE_HEIGHT)).contents(*content);
            let mut resources = written.resources();
            let mut named = resources.fonts();
            for (face, font) in fonts {
                named.pair(face.resource(), font);
            }
            named.finish();
            resources.finish();
            written.finish();
            pdf.stream(*content, data);
        }
        for (face, font) in fonts {
            face.write(&mut pdf, font, &mut next);
        }
        pdf.finish()
    }
}

fn blank() -> Content {
    let mut content = Content::new();
    content.set_line_width(LINE_WIDTH);
    content
}
