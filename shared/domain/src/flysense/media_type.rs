//! Media type of a recording from its first bytes, for the player. The host's `Content-Type` is unreliable: scripts of
//! PBXs send everything as `text/html`, and login pages arrive as `audio/mpeg`.

/// Number of bytes that are examined.
pub const HEAD_LEN: usize = 512;

/// Classification of a file by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Audio, with its media type.
    Sound(&'static str),
    /// A web page, a document or a text: not a recording.
    Document,
    /// Not recognised.
    Unknown,
}

/// Classifies a file that starts with `head`; leading white space and byte order marks are skipped.
pub fn tell(head: &[u8]) -> Beginning {
    let head = &head[..head.len().min(HEAD_LEN)];
    if let Some(media_type) = sound_type(head).or_else(|| sound_type(skip_stray(head))) {
        return Beginning::Sound(media_type);
    }
    let is_document = is_text(head) && matches!(skip_stray(head).first(), Some(b'<' | b'{' | b'['));
    if is_document { Beginning::Document } else { Beginning::Unknown }
}

fn skip_stray(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start()
}

fn sound_type(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    Some(match () {
        () if (at(0, b"RIFF") || at(0, b"RF64")) && at(8, b"WAVE") => "audio/wav",
        () if at(0, b"ID3") => "audio/mpeg",
        () if at(0, b"OggS") => "audio/ogg",
        () if at(0, b"fLaC") => "audio/flac",
        () if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) => "audio/webm",
        () if at(4, b"ftyp") => "audio/mp4",
        () if at(0, b"#!AMR") => "audio/amr",
        () if at(0, b".snd") => "audio/basic",
        () if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) => "audio/aiff",
        () if at(0, b"caff") => "audio/x-caf",
        () => return frame_type(head),
    })
}

/// MPEG layer III or AAC in ADTS, by the frame header (ISO 11172-3, 2.4.2.3; ISO 13818-7, 6.2).
fn frame_type(head: &[u8]) -> Option<&'static str> {
    let &[first, second, third, ..] = head else { return None };
    if first != 0xff || second & 0xe0 != 0xe0 {
        return None;
    }
    match (second >> 1) & 0b11 {
        // Layer III of a defined version, with a defined sample rate and bit rate.
        0b01 if (second >> 3) & 0b11 != 0b01 && third >> 4 != 0xf && (third >> 2) & 0b11 != 0b11 => {
            Some("audio/mpeg")
        }
        0b00 if second & 0xf0 == 0xf0 && (third >> 2) & 0xf <= 12 => Some("audio/aac"),
        _ => None,
    }
}

fn is_text(head: &[u8]) -> bool {
    !head.iter().any(|&byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_are_told_by_their_first_bytes() {
        for (head, media_type) in [
            (b"RIFF\x24\x77\x01\x00WAVEfmt ".as_slice(), "audio/wav"),
            (b"\r\n RIFF\x24\x77\x01\x00WAVEfmt ", "audio/wav"),
            (b"\xef\xbb\xbf\nID3\x03\x00", "audio/mpeg"),
            (b"\xff\xfb\x90\xc4", "audio/mpeg"),
            (b"\xff\xe3\x18\xc4", "audio/mpeg"),
            (b"\xff\xf1\x60\x40", "audio/aac"),
            (b"OggS\x00\x02", "audio/ogg"),
            (b"fLaC\x00", "audio/flac"),
            (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
            (b"\x1a\x45\xdf\xa3\x01", "audio/webm"),
            (b"#!AMR\n\x3c", "audio/amr"),
        ] {
            assert_eq!(tell(head), Beginning::Sound(media_type), "{head:?}");
        }
    }

    #[test]
    fn pages_and_documents_are_no_recordings_and_noise_may_be_one() {
        for page in [
            "<!DOCTYPE html><html>",
            "\u{feff}\r\n  <html><body>Вход</body>",
            "<meta http-equiv=\"refresh\" content=\"5\">",
            "<?xml version=\"1.0\"?>",
            "{\"status\": \"processing\"}",
            "[]",
        ] {
            assert_eq!(tell(page.as_bytes()), Beginning::Document, "{page}");
        }
        for noise in [b"".as_slice(), b"\xd4\x00\x11\x22", b"<\x00\x01\x02", b"\xff\xff\xff\xff", b"\xff"] {
            assert_eq!(tell(noise), Beginning::Unknown, "{noise:?}");
        }
    }
}
