//! Whether browsers play a recording, from its first bytes.
//!
//! Measured with Chromium 156: PCM, µ-law and A-law in WAV, MP3, AAC, FLAC, and Opus and Vorbis in Ogg or `WebM` play; GSM 6.10,
//! G.722, ADPCM, Speex, AMR, WMA and Sun audio do not. Everything that is not known to play must be converted.

use super::media_type::{Beginning, tell};

/// WAV codec tags that play: PCM, float, A-law, µ-law. Source: RFC 2361.
const PLAYABLE_WAV_TAGS: [u16; 4] = [1, 3, 6, 7];
/// WAV codec tag whose real tag is in the extension.
const EXTENSIBLE_WAV_TAG: u16 = 0xfffe;
/// Offset of the real tag from the start of an extensible format's data.
const EXTENSIBLE_TAG_OFFSET: usize = 24;

/// Whether browsers play a file that starts with `head` (at least 512 bytes of it) as it is. Bytes before the audio are
/// a reason to convert, although our decoder skips them.
pub fn plays_in_browsers(head: &[u8]) -> bool {
    let has_stray_bytes =
        head.starts_with(b"\xef\xbb\xbf") || head.first().is_some_and(u8::is_ascii_whitespace);
    let Beginning::Sound(media_type) = tell(head) else { return false };
    if has_stray_bytes {
        return false;
    }
    match media_type {
        "audio/mpeg" | "audio/aac" | "audio/flac" | "audio/webm" | "audio/mp4" => true,
        "audio/wav" => {
            head.starts_with(b"RIFF") && wav_tag(head).is_some_and(|tag| PLAYABLE_WAV_TAGS.contains(&tag))
        }
        "audio/ogg" => {
            contains(head, b"OpusHead") || contains(head, b"\x01vorbis") || contains(head, b"\x7fFLAC")
        }
        _ => false,
    }
}

/// The codec of a WAV.
fn wav_tag(head: &[u8]) -> Option<u16> {
    let at = head.windows(4).position(|window| window == b"fmt ")? + 8;
    let read = |offset: usize| {
        let bytes: [u8; 2] = head.get(at + offset..at + offset + 2)?.try_into().ok()?;
        Some(u16::from_le_bytes(bytes))
    };
    match read(0)? {
        EXTENSIBLE_WAV_TAG => read(EXTENSIBLE_TAG_OFFSET),
        tag => Some(tag),
    }
}

fn contains(head: &[u8], mark: &[u8]) -> bool {
    head.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(format: &[u8]) -> Vec<u8> {
        let length = u32::try_from(format.len()).unwrap().to_le_bytes();
        [b"RIFF\x24\x77\x01\x00WAVEfmt ".as_slice(), &length, format].concat()
    }

    #[test]
    fn only_what_browsers_are_known_to_play_is_passed_on() {
        let mut extensible = vec![0xfe, 0xff];
        extensible.resize(EXTENSIBLE_TAG_OFFSET, 0);
        extensible.extend([1, 0]);
        for good in [
            wav(&[1, 0, 1, 0]),
            wav(&[7, 0, 1, 0]),
            wav(&extensible),
            b"ID3\x03\x00".to_vec(),
            b"fLaC\x00".to_vec(),
            b"OggS\x00\x02..................OpusHead".to_vec(),
            b"\x00\x00\x00\x20ftypM4A ".to_vec(),
        ] {
            assert!(plays_in_browsers(&good), "{good:?}");
        }
        for bad in [
            wav(&[0x31, 0, 1, 0]),
            wav(&[0x11, 0, 1, 0]),
            b"\r\nRIFF\x24\x77\x01\x00WAVEfmt \x10\x00\x00\x00\x01\x00".to_vec(),
            b"OggS\x00\x02..................Speex   ".to_vec(),
            b"#!AMR\n\x3c".to_vec(),
            b".snd\x00\x00".to_vec(),
            b"\x30\x26\xb2\x75\x8e\x66\xcf\x11".to_vec(),
            b"<html>".to_vec(),
            Vec::new(),
        ] {
            assert!(!plays_in_browsers(&bad), "{bad:?}");
        }
    }
}
