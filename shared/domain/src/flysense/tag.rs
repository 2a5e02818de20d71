//! Users' tags.

/// Maximum length of a tag, in characters.
pub const MAX_TAG_CHARS: usize = 60;

/// Key of a tag in the account's dictionary, and of a search in it: lower case, `е` for `ё`, single blanks, at most
/// [`MAX_TAG_CHARS`] characters, because some letters are longer in lower case.
pub fn tag_key(text: &str) -> String {
    let lower = text.to_lowercase().replace('ё', "е");
    let key = lower.split_whitespace().collect::<Vec<_>>().join(" ");
    key.chars().take(MAX_TAG_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writings_of_one_tag_have_one_key() {
        assert_eq!(tag_key("  Всё   Ещё раз "), "все еще раз");
        assert_eq!(tag_key("ПЕРЕЗВОНИТЬ"), tag_key("перезвонить"));
        assert_eq!(tag_key(&"İ".repeat(MAX_TAG_CHARS)).chars().count(), MAX_TAG_CHARS);
    }
}
