//! Detects the real format of a file from its bytes; the declared type must match.
//!
//! Implemented from the formats' specifications (RIFF WAVE; RFC 3533 and RFC 7845; ISO 11172-3, 2.4.1.3) and not
//! with the product's code, which is under test.

use std::io::{self, Read, Seek, SeekFrom};

use super::assignment::Format;

/// Maximum garbage before the first MP3 frame, bytes.
const MP3_SEARCH: usize = 64 * 1024;

/// Number of channels of a file that matches its declared type.
///
/// The inner error describes the mismatch for the response.
pub(crate) fn channels_of(
    file: &mut (impl Read + Seek),
    declared: Format,
) -> io::Result<Result<u16, &'static str>> {
    file.seek(SeekFrom::Start(0))?;
    match declared {
        Format::Wav => wav(file),
        Format::OggOpus => ogg_opus(file),
        Format::Mp3 => mp3(file),
        Format::Raw { channels, .. } => {
            let length = file.seek(SeekFrom::End(0))?;
            let whole = length > 0 && length.is_multiple_of(2 * u64::from(channels));
            Ok(if whole { Ok(channels) } else { Err("raw audio is not a whole number of 16-bit samples") })
        }
    }
}

fn wav(file: &mut (impl Read + Seek)) -> io::Result<Result<u16, &'static str>> {
    let head = start_of(file, 12)?;
    if !head.starts_with(b"RIFF") || head.get(8..12) != Some(b"WAVE") {
        return Ok(Err("audio is not a WAV file"));
    }
    loop {
        let chunk = start_of(file, 8)?;
        let (Some(name), Some(length)) = (chunk.get(..4), le_u32(&chunk, 4)) else {
            return Ok(Err("WAV has no format chunk"));
        };
        if name == b"fmt " {
            let format = start_of(file, 26)?;
            return Ok(pcm16_channels(&format));
        }
        file.seek_relative(i64::from(length) + i64::from(length % 2))?;
    }
}

fn pcm16_channels(format: &[u8]) -> Result<u16, &'static str> {
    const PCM: u16 = 1;
    const EXTENSIBLE: u16 = 0xfffe;
    let codec = match le_u16(format, 0) {
        Some(EXTENSIBLE) => le_u16(format, 24),
        codec => codec,
    };
    match (codec, le_u16(format, 2), le_u16(format, 14)) {
        (Some(PCM), Some(channels @ 1..), Some(16)) => Ok(channels),
        (Some(_), Some(_), Some(_)) => Err("WAV must hold 16-bit PCM"),
        _ => Err("WAV has a damaged format chunk"),
    }
}

fn ogg_opus(file: &mut impl Read) -> io::Result<Result<u16, &'static str>> {
    let page = start_of(file, 27 + 255 + 19)?;
    if !page.starts_with(b"OggS") {
        return Ok(Err("audio is not an OGG file"));
    }
    let packet =
        page.get(26).and_then(|segments| page.get(27 + usize::from(*segments)..)).unwrap_or_default();
    Ok(match packet.get(9) {
        Some(channels @ 1..) if packet.starts_with(b"OpusHead") => Ok(u16::from(*channels)),
        _ => Err("OGG does not hold Opus"),
    })
}

fn mp3(file: &mut (impl Read + Seek)) -> io::Result<Result<u16, &'static str>> {
    let head = start_of(file, 10)?;
    let tag = match head.as_slice() {
        [b'I', b'D', b'3', _, _, _, size @ ..] => {
            10 + size.iter().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f))
        }
        _ => 0,
    };
    file.seek(SeekFrom::Start(tag))?;
    let audio = start_of(file, MP3_SEARCH)?;
    // Two consecutive frames, because one alone may be a coincidence.
    let first = (0..audio.len()).find_map(|at| {
        let frame = Mp3Frame::read(audio.get(at..at + 4)?)?;
        let next = Mp3Frame::read(audio.get(at + frame.length..)?.get(..4)?)?;
        (next.rate == frame.rate).then_some(frame)
    });
    Ok(first.map(|frame| frame.channels).ok_or("audio is not an MP3 file"))
}

struct Mp3Frame {
    length: usize,
    rate: u32,
    channels: u16,
}

impl Mp3Frame {
    fn read(header: &[u8]) -> Option<Self> {
        const RATES: [u32; 3] = [44_100, 48_000, 32_000];
        const KBITS_MPEG1: [u32; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const KBITS_MPEG2: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        let [0xff, version, rate, mode] = *header else { return None };
        if version & 0xe0 != 0xe0 || version >> 1 & 3 != 1 {
            return None; // no sync word, or another layer
        }
        // Samples per frame of one granule pair, and the divisor of the sample rate.
        let (kbits, per_frame, divisor) = match version >> 3 & 3 {
            0 => (KBITS_MPEG2, 72, 4),
            2 => (KBITS_MPEG2, 72, 2),
            3 => (KBITS_MPEG1, 144, 1),
            _ => return None,
        };
        let kbit = kbits.get(usize::from(rate >> 4).checked_sub(1)?)?;
        let hertz = RATES.get(usize::from(rate >> 2 & 3))? / divisor;
        let length = per_frame * 1_000 * kbit / hertz + u32::from(rate >> 1 & 1);
        let channels = if mode >> 6 == 3 { 1 } else { 2 };
        Some(Self { length: usize::try_from(length).ok()?, rate: hertz, channels })
    }
}

/// Up to `limit` bytes from the current position of the file.
fn start_of(file: &mut impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(limit);
    file.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, declared: Format) -> Result<u16, &'static str> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/calls").join(name);
        channels_of(&mut std::fs::File::open(path).unwrap(), declared).unwrap()
    }

    #[test]
    fn format_and_channels_are_detected_from_the_bytes() {
        assert_eq!(judged("support-stereo-pcm.wav", Format::Wav), Ok(2));
        assert_eq!(judged("sales-mono-8k.mp3", Format::Mp3), Ok(1));
        assert_eq!(judged("sales-stereo-44k.mp3", Format::Mp3), Ok(2));
        assert_eq!(judged("support-mono-opus.ogg", Format::OggOpus), Ok(1));
    }

    #[test]
    fn a_wrong_declared_type_is_rejected() {
        assert!(judged("support-stereo-mulaw.wav", Format::Wav).is_err());
        assert!(judged("support-stereo-vorbis.ogg", Format::OggOpus).is_err());
        assert!(judged("support-stereo-pcm.wav", Format::Mp3).is_err());
        assert!(judged("sales-mono-8k.mp3", Format::Wav).is_err());
        assert!(judged("bad-noise.bin", Format::Mp3).is_err());
        assert!(judged("bad-empty.mp3", Format::Mp3).is_err());
    }
}
