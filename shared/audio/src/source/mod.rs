//! Decoders behind one face: blocks of interleaved `f32` until the end.

mod ffmpeg;
mod g711;
mod native;
mod opus;

pub(crate) use ffmpeg::FfmpegSource;
pub(crate) use native::open_native;

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rate and channels of decoded audio; neither changes until the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PcmFormat {
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// Interleaved channels.
    pub channels: u16,
}

impl PcmFormat {
    /// Playing time of `frames` samples per channel, in milliseconds, rounded to the nearest.
    pub fn duration_ms(self, frames: u64) -> u64 {
        let rate = u64::from(self.sample_rate.max(1));
        (frames * 1000 + rate / 2) / rate
    }

    /// Refuses what no recording of a conversation has and hostile headers do.
    pub(crate) fn checked(self) -> Result<Self, SourceError> {
        let rate_known = (4_000..=192_000).contains(&self.sample_rate);
        if !rate_known || !(1..=8).contains(&self.channels) {
            let Self { sample_rate, channels } = self;
            return Err(SourceError::Unsupported(format!("{channels} channels at {sample_rate} Hz")));
        }
        Ok(self)
    }
}

/// What a source delivered into the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Some samples, perhaps none; there may be more.
    Block,
    /// The end the recording itself states, or the end of the file.
    End,
    /// The data ends or breaks where more was announced.
    Cut,
}

/// Why a source cannot go on. Another decoder may still succeed.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// A codec or feature this decoder lacks.
    Unsupported(String),
    /// Data that makes no sense to this decoder.
    Damaged(String),
    /// Rate or channels change inside the stream.
    FormatChanged,
    /// Reading failed.
    Io(io::Error),
}

/// A running decoder.
pub(crate) trait PcmSource {
    /// Rate and channels of every block.
    fn format(&self) -> PcmFormat;

    /// Replaces the content of `block` by the next samples.
    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError>;
}

/// Runs a step of a decoder; a panic in it is a finding about the file, not the end of the process.
pub(crate) fn guarded<T>(step: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    // A source that panicked is dropped and never asked again, so a half-changed state cannot be seen.
    catch_unwind(AssertUnwindSafe(step))
        .unwrap_or_else(|_| Err(SourceError::Damaged("the decoder stopped abnormally".to_owned())))
}

/// Reads until `buffer` is full or the input ends; how much was read.
fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::{SourceError, guarded};

    #[test]
    fn a_decoder_that_panics_found_a_damaged_file() {
        let outcome: Result<(), _> = guarded(|| panic!("index out of bounds"));
        assert!(matches!(outcome, Err(SourceError::Damaged(_))), "{outcome:?}");
        assert!(guarded(|| Ok(())).is_ok());
    }
}
