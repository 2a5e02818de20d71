//! The configuration of AAC (ISO 14496-3, 1.6.2.1), as MP4 and Matroska store it: whether the stream is HE-AAC.

/// Object types: spectral band replication, parametric stereo, escape to a longer type.
const SBR: u64 = 5;
const PARAMETRIC_STEREO: u64 = 29;
const ESCAPE: u64 = 31;
/// Index of a sample rate that is written out in 24 bits.
const EXPLICIT_RATE: u64 = 15;
/// Sync word of a configuration that older decoders do not read.
const SYNC_EXTENSION: u64 = 0x2b7;

/// Whether the configuration announces spectral band replication, without which half of the bandwidth is missing.
pub(crate) fn is_high_efficiency(config: &[u8]) -> bool {
    let mut bits = Bits { bytes: config, at: 0 };
    parse(&mut bits).unwrap_or(false)
}

fn parse(bits: &mut Bits<'_>) -> Option<bool> {
    let object_type = object_type(bits)?;
    if matches!(object_type, SBR | PARAMETRIC_STEREO) {
        return Some(true);
    }
    if bits.take(4)? == EXPLICIT_RATE {
        bits.take(24)?;
    }
    let channels = bits.take(4)?;
    if channels == 0 {
        return None; // a list of elements follows
    }
    let _frame_length = bits.take(1)?;
    if bits.take(1)? == 1 {
        bits.take(14)?; // delay of the core coder
    }
    let _extension = bits.take(1)?;
    Some(bits.take(11)? == SYNC_EXTENSION && self::object_type(bits)? == SBR && bits.take(1)? == 1)
}

fn object_type(bits: &mut Bits<'_>) -> Option<u64> {
    match bits.take(5)? {
        ESCAPE => Some(32 + bits.take(6)?),
        other => Some(other),
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, len: usize) -> Option<u64> {
        let mut value = 0;
        for at in self.at..self.at + len {
            let byte = *self.bytes.get(at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - at % 8) & 1);
        }
        self.at += len;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::is_high_efficiency;

    #[test]
    fn both_ways_of_announcing_spectral_band_replication_are_seen() {
        // AAC-LC at 16 kHz, mono.
        assert!(!is_high_efficiency(&[0x14, 0x08]));
        // Object type 5 at 8 kHz, extended to 16 kHz.
        assert!(is_high_efficiency(&[0x2d, 0x8c, 0x08, 0x00]));
        // AAC-LC at 8 kHz with the extension behind it.
        assert!(is_high_efficiency(&[0x15, 0x88, 0x56, 0xe5, 0xa0]));
        assert!(!is_high_efficiency(&[]));
    }
}
