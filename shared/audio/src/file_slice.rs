//! Decoder input: a part of a file with an optional generated header.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};

/// Maximum bytes that a demuxer may read for header and metadata. The index of a four-hour MP4 with video needs a third of
/// it; cover pictures have a few megabytes.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// How often a demuxer may read the whole file: one that jumps between tracks reads a block for each packet.
const MAX_READS_OF_FILE: u64 = 64;

/// Budget of bytes that a demuxer may read. A file that exceeds it is crafted to make its reader loop.
#[derive(Debug)]
pub(crate) struct ReadBudget {
    left: AtomicU64,
    afterwards: u64,
}

impl ReadBudget {
    /// A budget for a file of `len` bytes; initially for header and metadata only.
    pub(crate) fn for_file(len: u64) -> Self {
        let afterwards = len.saturating_mul(MAX_READS_OF_FILE).saturating_add(MAX_HEADER_BYTES);
        Self { left: AtomicU64::new(MAX_HEADER_BYTES), afterwards }
    }

    /// Adds the budget for the audio data, after the header was read.
    pub(crate) fn end_of_header(&self) {
        self.left.store(self.afterwards, Ordering::Relaxed);
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        // Only one thread reads; the counter is shared only with the code that opened the demuxer.
        let left = self.left.load(Ordering::Relaxed).checked_sub(bytes as u64);
        let left =
            left.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "excessive metadata or seeks"))?;
        self.left.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// `prefix` followed by the bytes `window` of a file, and zeros; the rest of the file is hidden.
pub(crate) struct FileSlice {
    prefix: Vec<u8>,
    zeros: u64,
    file: File,
    window: Range<u64>,
    position: u64,
    forward_only: bool,
    budget: Arc<ReadBudget>,
}

impl FileSlice {
    /// A slice of `window` after `prefix`.
    pub(crate) fn new(
        prefix: Vec<u8>,
        mut file: File,
        window: Range<u64>,
        budget: Arc<ReadBudget>,
    ) -> io::Result<Self> {
        file.seek(SeekFrom::Start(window.start))?;
        Ok(Self { prefix, zeros: 0, file, window, position: 0, forward_only: false, budget })
    }

    /// Hides the length and disables seeking, for a demuxer that refuses files shorter than declared.
    pub(crate) fn forward_only(self) -> Self {
        Self { forward_only: true, ..self }
    }

    /// Appends zeros, to complete a block.
    pub(crate) fn with_zeros(self, zeros: u64) -> Self {
        Self { zeros, ..self }
    }

    /// Converts the slice to an input of symphonia.
    pub(crate) fn into_stream(self) -> MediaSourceStream<'static> {
        MediaSourceStream::new(Box::new(self), MediaSourceStreamOptions::default())
    }

    fn prefix_len(&self) -> u64 {
        self.prefix.len() as u64
    }

    /// End of the part from the file, in the slice.
    fn file_end(&self) -> u64 {
        self.prefix_len() + (self.window.end - self.window.start)
    }

    fn len(&self) -> u64 {
        self.file_end() + self.zeros
    }
}

impl Read for FileSlice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ahead =
            usize::try_from(self.position).ok().and_then(|at| self.prefix.get(at..)).unwrap_or(&[]);
        let read = if !ahead.is_empty() {
            ahead.read(buffer)?
        } else if self.position < self.file_end() {
            let left = self.file_end() - self.position;
            self.file.by_ref().take(left).read(buffer)?
        } else {
            io::repeat(0).take(self.len().saturating_sub(self.position)).read(buffer)?
        };
        self.budget.spend(read)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for FileSlice {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.len().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let in_window = self.position.saturating_sub(self.prefix_len());
        self.file.seek(SeekFrom::Start(self.window.start.saturating_add(in_window)))?;
        Ok(self.position)
    }
}

impl MediaSource for FileSlice {
    fn is_seekable(&self) -> bool {
        !self.forward_only
    }

    fn byte_len(&self) -> Option<u64> {
        (!self.forward_only).then(|| self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_never_ends_is_given_up_and_sound_has_a_budget_of_its_own() {
        let budget = ReadBudget::for_file(1_000_000);
        let half = usize::try_from(MAX_HEADER_BYTES / 2).unwrap();
        budget.spend(half).unwrap();
        budget.spend(half).unwrap();
        assert_eq!(budget.spend(1).unwrap_err().kind(), io::ErrorKind::InvalidData);
        budget.end_of_header();
        for _ in 0..MAX_READS_OF_FILE {
            budget.spend(1_000_000).unwrap();
        }
        budget.spend(half).unwrap();
        assert!(budget.spend(half + 1).is_err());
    }
}
