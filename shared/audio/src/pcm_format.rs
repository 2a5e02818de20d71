//! The format of decoded audio.

/// Rate and channels of decoded audio, which are constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PcmFormat {
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// Number of interleaved channels.
    pub channels: u16,
}

impl PcmFormat {
    /// Playing time of `frames` samples per channel, in milliseconds, rounded to the nearest value.
    pub fn duration_ms(self, frames: u64) -> u64 {
        let rate = u64::from(self.sample_rate.max(1));
        (frames * 1000 + rate / 2) / rate
    }
}
