//! What the console shows after an act.

/// What came of an act.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) text: String,
    /// A text to copy.
    pub(super) code: Option<String>,
    pub(super) is_bad: bool,
}

impl Note {
    /// Class of its style.
    pub(super) fn class(&self) -> &'static str {
        if self.is_bad { "bad" } else { "good" }
    }
}
