//! Statements composed of constant texts.

/// Joins constant texts to one statement at compile time.
///
/// sqlx accepts only `&'static str` as a statement, no text composed at run time. A test reads each statement from the
/// source, so a statement may only consist of literals, constants and this macro (`tests/statements`).
macro_rules! sql {
    ($($part:expr),+ $(,)?) => {{
        const PARTS: &[&str] = &[$($part),+];
        const BYTES: [u8; $crate::sql_text::joined_len(PARTS)] = $crate::sql_text::join(PARTS);
        const TEXT: &str = match ::std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("joined texts are not valid UTF-8"),
        };
        TEXT
    }};
}
pub(crate) use sql;

/// Total length of the parts, in bytes.
pub(crate) const fn joined_len(parts: &[&str]) -> usize {
    let (mut total, mut part) = (0, 0);
    while part < parts.len() {
        total += parts[part].len();
        part += 1;
    }
    total
}

/// The concatenated bytes of all parts; `LEN` is [`joined_len`].
pub(crate) const fn join<const LEN: usize>(parts: &[&str]) -> [u8; LEN] {
    let mut joined = [0; LEN];
    let (mut end, mut part) = (0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut byte = 0;
        while byte < bytes.len() {
            joined[end] = bytes[byte];
            end += 1;
            byte += 1;
        }
        part += 1;
    }
    joined
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_joined_as_they_stand() {
        const COLUMNS: &str = "id, naïve";
        assert_eq!(sql!("SELECT ", COLUMNS, " FROM jobs"), "SELECT id, naïve FROM jobs");
        assert_eq!(sql!("SELECT 1"), "SELECT 1");
    }
}
