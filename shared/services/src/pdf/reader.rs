//! Reads the text of a PDF back, for tests: follows the cross-reference table, opens the pages, and translates glyphs by the
//! character maps that viewers use for copying.

use std::collections::BTreeMap;

/// The objects of a file, each found by its place in the cross-reference table.
fn objects(file: &[u8]) -> BTreeMap<usize, &[u8]> {
    assert!(file.starts_with(b"%PDF-1."), "no PDF");
    let start = find_last(file, b"startxref").expect("the end names the table");
    let table = number_after(&file[start + "startxref".len()..]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let table = text(&file[table..start]);
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("xref"));
    let count: usize = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut found = BTreeMap::new();
    for (id, line) in lines.take(count).enumerate() {
        if line.trim_end().ends_with('n') {
            let offset: usize = line[..10].parse().unwrap();
            let object = &file[offset..];
            assert!(object.starts_with(format!("{id} 0 obj").as_bytes()), "object {id} is elsewhere");
            found.insert(id, &object[..find(object, b"endobj").expect("an object ends")]);
        }
    }
    found
}

fn stream(object: &[u8]) -> &[u8] {
    let start = find(object, b"stream\n").expect("a stream") + "stream\n".len();
    &object[start..find_last(object, b"\nendstream").expect("a stream ends")]
}

/// The object that a key of a dictionary refers to.
fn reference(object: &[u8], key: &str) -> usize {
    let at = find(object, format!("/{key} ").as_bytes()).unwrap_or_else(|| panic!("no {key}"));
    number_after(&object[at + key.len() + 2..])
}

fn number_after(bytes: &[u8]) -> usize {
    let digits: String = bytes
        .iter()
        .skip_while(|b| !b.is_ascii_digit())
        .take_while(|b| b.is_ascii_digit())
        .map(|&b| char::from(b))
        .collect();
    digits.parse().expect("a number")
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn find_last(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}

fn pages<'a>(objects: &BTreeMap<usize, &'a [u8]>) -> Vec<&'a [u8]> {
    objects.values().copied().filter(|object| find(object, b"/Type /Page\n").is_some()).collect()
}

pub(super) fn page_count(file: &[u8]) -> usize {
    pages(&objects(file)).len()
}

/// The text of all pages, each piece on a line of its own.
pub(super) fn text_of(file: &[u8]) -> String {
    let objects = objects(file);
    let mut text = String::new();
    for page in pages(&objects) {
        let maps: BTreeMap<String, BTreeMap<u16, char>> = ["F1", "F2"]
            .map(|name| {
                (
                    name.to_owned(),
                    characters(stream(objects[&reference(objects[&reference(page, name)], "ToUnicode")])),
                )
            })
            .into();
        let mut map = &maps["F1"];
        for line in lines(stream(objects[&reference(page, "Contents")])) {
            if let Some(font) = line.strip_suffix(b" Tf") {
                map = &maps[&String::from_utf8_lossy(&font[1..3]).into_owned()];
            } else if let Some(shown) = line.strip_suffix(b" Tj") {
                let bytes = string(shown);
                let glyphs = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                text.extend(glyphs.map(|glyph| map[&glyph]));
                text.push('\n');
            }
        }
    }
    text
}

/// Operations of a content stream, one a line: a text never contains a raw line feed.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|&byte| byte == b'\n')
}

/// Glyphs and their characters, from `<0001> <0020>` lines of a character map.
fn characters(map: &[u8]) -> BTreeMap<u16, char> {
    let text = String::from_utf8_lossy(map).into_owned();
    let pair = |line: &str| {
        let (glyph, character) = line.strip_prefix('<')?.strip_suffix('>')?.split_once("> <")?;
        let glyph = u16::from_str_radix(glyph, 16).ok()?;
        Some((glyph, char::from_u32(u32::from_str_radix(character, 16).ok()?)?))
    };
    // The range of all glyphs looks like a pair, too, but has no character.
    text.lines().filter_map(pair).collect()
}

/// The bytes of a string: hexadecimal, or literal with escapes.
fn string(written: &[u8]) -> Vec<u8> {
    let inner = &written[1..written.len() - 1];
    if written[0] == b'<' {
        let digit =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap();
        return inner.chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect();
    }
    let mut bytes = Vec::new();
    let mut rest = inner.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next().unwrap() {
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'b' => bytes.push(8),
            b'f' => bytes.push(12),
            first @ b'0'..=b'7' => {
                let mut value = u32::from(first - b'0');
                for _ in 0..2 {
                    if let Some(next) = rest.next_if(|next| (b'0'..=b'7').contains(next)) {
                        value = value * 8 + u32::from(next - b'0');
                    }
                }
                bytes.push(u8::try_from(value).unwrap());
            }
            other => bytes.push(other),
        }
    }
    bytes
}
