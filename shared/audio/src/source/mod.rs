//! Common interface of decoders: blocks of interleaved `f32` samples until the end.

mod ffmpeg;
mod g711;
mod native;
mod opus;
mod packets;
mod timeline;

pub(crate) use ffmpeg::FfmpegSource;
pub(crate) use native::open_native;

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::pcm_format::PcmFormat;

impl PcmFormat {
    /// Refuses formats that occur in hostile headers but not in recordings of calls.
    pub(crate) fn checked(self) -> Result<Self, SourceError> {
        let rate_known = (4_000..=192_000).contains(&self.sample_rate);
        if !rate_known || !(1..=8).contains(&self.channels) {
            let Self { sample_rate, channels } = self;
            return Err(SourceError::Unsupported(format!("{channels} channels at {sample_rate} Hz")));
        }
        Ok(self)
    }
}

/// Result of reading one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Samples, possibly none; more may follow.
    Block,
    /// The declared end of the recording, or the end of the file.
    End,
    /// The data ends or is damaged before the declared end.
    Cut,
}

/// Error of a decoder. Another decoder may succeed.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// A codec or feature that this decoder does not support.
    Unsupported(String),
    /// Data that this decoder cannot decode.
    Damaged(String),
    /// Rate or channels change in the stream.
    FormatChanged,
    /// The recording has no sound.
    Empty,
    /// Reading failed.
    Io(io::Error),
}

/// A running decoder.
pub(crate) trait PcmSource {
    /// Rate and channels of every block.
    fn format(&self) -> PcmFormat;

    /// Whether the recording has more sound than this decoder finds: another band, or pauses between its fragments.
    fn is_reduced(&self) -> bool {
        false
    }

    /// Replaces the content of `block` with the next samples.
    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError>;
}

/// Runs a step of a decoder and maps a panic to a damaged file.
pub(crate) fn guarded<T>(step: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    // A decoder that panicked is dropped and not used again, so its inconsistent state is not visible.
    catch_unwind(AssertUnwindSafe(step))
        .unwrap_or_else(|_| Err(SourceError::Damaged("the decoder crashed".to_owned())))
}

/// Reads until `buffer` is full or the input ends; returns the number of bytes.
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
