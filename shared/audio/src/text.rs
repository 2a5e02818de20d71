//! Bytes of text, which may be around the sound of a recording.

/// Whether a byte may be part of text in UTF-8 or a code page; control characters are not.
pub(crate) fn is_of_text(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f || matches!(byte, b'\n' | b'\r' | b'\t')
}
