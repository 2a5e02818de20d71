//! Errors as text, for logs and for people.

use std::error::Error;

/// The error with its causes, from the outermost inwards, joined by `: `.
///
/// Many errors repeat the text of their cause in their own, for logs that show one line. A cause whose text is already there is
/// left out, so that each is told once.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        next = cause.source();
    }
    told
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Repeats its cause, as many errors do.
    #[derive(Debug, thiserror::Error)]
    #[error("database: {0}")]
    struct Repeating(#[source] io::Error);

    /// Leaves its cause to the reader of the chain.
    #[derive(Debug, thiserror::Error)]
    #[error("the database cannot be created")]
    struct Silent(#[source] Repeating);

    #[test]
    fn each_cause_is_told_once_whether_its_parent_repeats_it_or_not() {
        let refused = || io::Error::other("127.0.0.1:3306 refuses connections");
        assert_eq!(with_causes(&refused()), "127.0.0.1:3306 refuses connections");
        assert_eq!(
            with_causes(&Silent(Repeating(refused()))),
            "the database cannot be created: database: 127.0.0.1:3306 refuses connections"
        );
    }
}
