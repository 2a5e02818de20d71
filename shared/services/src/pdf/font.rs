//! The fonts of the documents: widths and glyphs of characters, and the objects of a font in a PDF.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Name, Pdf, Rect, Ref, Str};

/// Replacement of a character that the font does not have.
const REPLACEMENT: char = '?';
/// Widths and metrics are thousandths of the size.
const THOUSANDTHS: f32 = 1000.0;
/// Glyphs are numbered by the font itself.
const IDENTITY: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// A face of the documents' font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// For text.
    Regular,
    /// For headings and totals.
    Bold,
}

/// A character's glyph and its width in thousandths of the size.
#[derive(Debug, Clone, Copy)]
struct Glyph {
    id: u16,
    width: u16,
}

static REGULAR: LazyLock<BTreeMap<char, Glyph>> =
    LazyLock::new(|| parse(include_str!("fonts/dejavu-sans.metrics")));
static BOLD: LazyLock<BTreeMap<char, Glyph>> =
    LazyLock::new(|| parse(include_str!("fonts/dejavu-sans-bold.metrics")));

/// Reads lines of code point, glyph and width. `fonts/README.md` has the format.
fn parse(metrics: &str) -> BTreeMap<char, Glyph> {
    let glyph_of = |line: &str| {
        let mut fields = line.split(' ');
        let character = char::from_u32(u32::from_str_radix(fields.next()?, 16).ok()?)?;
        Some((character, Glyph { id: fields.next()?.parse().ok()?, width: fields.next()?.parse().ok()? }))
    };
    metrics.lines().filter_map(glyph_of).collect()
}

impl Face {
    fn glyphs(self) -> &'static BTreeMap<char, Glyph> {
        match self {
            Self::Regular => &REGULAR,
            Self::Bold => &BOLD,
        }
    }

    const fn file(self) -> &'static [u8] {
        match self {
            Self::Regular => include_bytes!("fonts/dejavu-sans.ttf"),
            Self::Bold => include_bytes!("fonts/dejavu-sans-bold.ttf"),
        }
    }

    /// Name of the font in a page's resources.
    pub(super) const fn resource(self) -> Name<'static> {
        match self {
            Self::Regular => Name(b"F1"),
            Self::Bold => Name(b"F2"),
        }
    }

    /// Name of the font; the prefix says that it is a subset.
    const fn base_font(self) -> Name<'static> {
        match self {
            Self::Regular => Name(b"FLYSKR+DejaVuSans"),
            Self::Bold => Name(b"FLYSKB+DejaVuSans-Bold"),
        }
    }

    fn glyph(self, character: char) -> Option<Glyph> {
        let glyphs = self.glyphs();
        glyphs.get(&character).or_else(|| glyphs.get(&REPLACEMENT)).copied()
    }

    /// Width of a text, in points.
    pub(super) fn width(self, text: &str, size: f32) -> f32 {
        let widths = text.chars().filter_map(|character| self.glyph(character));
        widths.map(|glyph| f32::from(glyph.width)).sum::<f32>() * size / THOUSANDTHS
    }

    /// The text as glyphs, two bytes each.
    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        let glyphs = text.chars().filter_map(|character| self.glyph(character));
        glyphs.flat_map(|glyph| glyph.id.to_be_bytes()).collect()
    }

    /// Writes the objects of the font; the reference of the font is `id`.
    pub(super) fn write(self, pdf: &mut Pdf, id: Ref, next: &mut Ref) {
        let (cid, descriptor, file, unicode) = (next.bump(), next.bump(), next.bump(), next.bump());
        pdf.type0_font(id)
            .base_font(self.base_font())
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(unicode);
        self.write_widths(pdf, cid, descriptor);
        pdf.font_descriptor(descriptor)
            .name(self.base_font())
            .flags(FontFlags::SYMBOLIC)
            .bbox(Rect::new(-1100.0, -470.0, 2000.0, 1240.0))
            .italic_angle(0.0)
            .ascent(928.0)
            .descent(-236.0)
            .cap_height(729.0)
            .stem_v(if self == Self::Bold { 160.0 } else { 90.0 })
            .font_file2(file);
        let data = self.file();
        let length = i32::try_from(data.len()).unwrap_or(i32::MAX);
        pdf.stream(file, data).pair(Name(b"Length1"), length);
        let mut cmap = UnicodeCmap::new(Name(b"Flysk"), IDENTITY);
        for (character, glyph) in self.glyphs() {
            cmap.pair(glyph.id, *character);
        }
        pdf.cmap(unicode, &cmap.finish());
    }

    fn write_widths(self, pdf: &mut Pdf, id: Ref, descriptor: Ref) {
        let mut font = pdf.cid_font(id);
        font.subtype(CidFontType::Type2)
            .base_font(self.base_font())
            .system_info(IDENTITY)
            .font_descriptor(descriptor)
            .default_width(600.0)
            .cid_to_gid_map_predefined(Name(b"Identity"));
        let mut widths = font.widths();
        for glyph in self.glyphs().values() {
            widths.consecutive(glyph.id, [f32::from(glyph.width)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_character_of_russian_documents_has_a_glyph_of_its_own() {
        for face in [Face::Regular, Face::Bold] {
            for character in "АЯаяЁёAZaz09 \u{a0}.,:;()«»„“№₽—–−%§\"'/@".chars() {
                assert!(face.glyphs().contains_key(&character), "{character}");
            }
            let ids: BTreeSet<u16> = face.glyphs().values().map(|glyph| glyph.id).collect();
            assert_eq!(ids.len(), face.glyphs().len(), "two characters would be one when copied");
        }
    }

    #[test]
    fn an_unknown_character_is_a_question_mark() {
        assert_eq!(Face::Regular.encode("漢"), Face::Regular.encode("?"));
        assert!(Face::Bold.width("шш", 10.0) > Face::Regular.width("ш", 10.0) * 2.0);
    }
}
