//! `ID3v2` tags in front of audio.

/// Full length of the `ID3v2` tag `head` begins with (its specification, 3.1), tag header included.
pub(crate) fn id3v2_len(head: &[u8]) -> Option<usize> {
    let header = head.get(..10)?;
    let size = &header[6..10];
    if !header.starts_with(b"ID3") || header[3] == 0xff || size.iter().any(|&byte| byte & 0x80 != 0) {
        return None;
    }
    let body = size.iter().fold(0, |sum, &byte| sum << 7 | usize::from(byte));
    let footer = if header[5] & 0x10 != 0 { 10 } else { 0 };
    Some(10 + body + footer)
}
