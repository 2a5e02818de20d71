//! The header of a frame of MPEG audio.

/// Layer of MPEG audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Layer II, as old call loggers write it.
    Two,
    /// Layer III, which everybody calls MP3.
    Three,
}

/// A frame header (ISO 11172-3, 2.4.1.3; MPEG-2.5 as encoders write it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) layer: Layer,
    /// Version and sample rate bits, which are constant in a stream.
    stream: (u8, u8),
    pub(crate) mono: bool,
    /// Whether the frame is MPEG-1, whose side information is longer.
    pub(crate) mpeg1: bool,
    /// Length of the frame including its header, in bytes.
    pub(crate) len: usize,
    /// Samples per second of one channel.
    pub(crate) sample_rate: u32,
}

const MPEG1_LAYER3_KBITS: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG1_LAYER2_KBITS: [usize; 15] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const MPEG2_KBITS: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const MPEG1_SAMPLE_RATES: [u32; 3] = [44_100, 48_000, 32_000];

impl Header {
    /// Reads the header at the beginning of `bytes`; `None` if there is none, or one that no encoder of recordings writes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0xff, second, third, fourth] = bytes.get(..4)? else { return None };
        let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
        let (bitrate, rate, emphasis) = (third >> 4, third >> 2 & 3, fourth & 3);
        if second & 0xe0 != 0xe0 || version == 1 || emphasis == 2 {
            return None;
        }
        let layer = match layer {
            1 => Layer::Three,
            2 if version != 0 => Layer::Two, // MPEG-2.5 has layer III only
            _ => return None,
        };
        let mpeg1 = version == 3;
        let kbits = match (mpeg1, layer) {
            (true, Layer::Three) => &MPEG1_LAYER3_KBITS,
            (true, Layer::Two) => &MPEG1_LAYER2_KBITS,
            (false, _) => &MPEG2_KBITS,
        };
        let kbits = *kbits.get(usize::from(bitrate))?;
        let sample_rate = *MPEG1_SAMPLE_RATES.get(usize::from(rate))? >> [2, 0, 1, 0][usize::from(version)];
        if kbits == 0 {
            return None; // free format: no encoder of telephone recordings writes it
        }
        let bits = if mpeg1 || layer == Layer::Two { 144_000 } else { 72_000 };
        let len = bits * kbits / sample_rate as usize + usize::from(third >> 1 & 1);
        Some(Self { layer, stream: (version, rate), mono: fourth >> 6 == 3, mpeg1, len, sample_rate })
    }

    /// Whether the frame is of the stream that began with `first`.
    pub(crate) fn continues(&self, first: &Self) -> bool {
        self.layer == first.layer && self.stream == first.stream && self.mono == first.mono
    }

    /// Samples per channel in the frame.
    pub(crate) fn samples(&self) -> u64 {
        if self.mpeg1 || self.layer == Layer::Two { 1152 } else { 576 }
    }
}
