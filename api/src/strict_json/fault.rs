//! What is wrong with a body, and where.

use std::fmt;

/// Longest name or pointer of the caller's that is repeated in an answer, in characters.
const MAX_SHOWN_CHARS: usize = 120;

/// The way to a place in a body: names of fields and numbers of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place(Vec<String>);

impl Place {
    /// Goes on to a field or an item.
    pub(super) fn enter(&mut self, part: impl Into<String>) {
        self.0.push(part.into());
    }

    /// Goes back.
    pub(super) fn leave(&mut self) {
        self.0.pop();
    }
}

/// As a JSON pointer (RFC 6901, section 3), shortened; `the body` for all of it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the body");
        }
        let mut pointer = String::new();
        for part in &self.0 {
            pointer.push('/');
            pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
        }
        write!(f, "`{}`", shortened(&pointer))
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    place: Place,
    what: String,
}

impl Fault {
    /// `what` continues a sentence that begins with the place.
    pub(super) fn new(place: &Place, what: impl Into<String>) -> Self {
        Self { place: place.clone(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.what)
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
