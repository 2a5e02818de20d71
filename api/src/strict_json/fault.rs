//! Errors in request bodies with their location.

use std::fmt;

/// Maximum length of a caller's name or pointer in an error message, in characters.
const MAX_SHOWN_CHARS: usize = 120;

/// Location in a body: names of fields and indexes of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct JsonPointer(Vec<String>);

impl JsonPointer {
    /// Appends a field or an item.
    pub(super) fn enter(&mut self, part: impl Into<String>) {
        self.0.push(part.into());
    }

    /// Removes the last part.
    pub(super) fn leave(&mut self) {
        self.0.pop();
    }
}

/// The JSON pointer (RFC 6901, section 3), shortened; `the body` for the root.
impl fmt::Display for JsonPointer {
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

/// An error with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pointer: JsonPointer,
    what: String,
}

impl Fault {
    /// `what` continues a sentence that begins with the location.
    pub(super) fn new(pointer: &JsonPointer, what: impl Into<String>) -> Self {
        Self { pointer: pointer.clone(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pointer, self.what)
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
