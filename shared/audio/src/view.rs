//! A part of a file, with a header of our own in front, as a decoder's input.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};

/// Bytes a demuxer may read before it knows what is in the file. The index of an MP4 of four hours, with a film beside
/// the sound, is a third of it; pictures of covers are some megabytes.
const MAX_HEADER_BYTES: u64 = 64 << 20;
/// How often a demuxer may read a file over: one that jumps between tracks reads a block for each packet.
const MAX_READS_OF_FILE: u64 = 64;

/// What a demuxer may read in all. Beyond it a file is no recording but a trap: it makes its reader go in circles.
#[derive(Debug)]
pub(crate) struct ReadBudget {
    left: AtomicU64,
    afterwards: u64,
}

impl ReadBudget {
    /// A budget for reading a file of `len` bytes, for its header and metadata at first.
    pub(crate) fn for_file(len: u64) -> Self {
        let afterwards = len.saturating_mul(MAX_READS_OF_FILE).saturating_add(MAX_HEADER_BYTES);
        Self { left: AtomicU64::new(MAX_HEADER_BYTES), afterwards }
    }

    /// The header is read: from now on there is sound to be read, too.
    pub(crate) fn end_of_header(&self) {
        self.left.store(self.afterwards, Ordering::Relaxed);
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        // One thread reads; the counter is shared only with who opened the demuxer.
        let left = self.left.load(Ordering::Relaxed).checked_sub(bytes as u64);
        let left = left.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "far more metadata or jumps than a recording has")
        })?;
        self.left.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// `prefix` followed by the bytes `window` of a file; nothing else of the file can be seen.
pub(crate) struct FileView {
    prefix: Vec<u8>,
    file: File,
    window: Range<u64>,
    position: u64,
    forward_only: bool,
    budget: Arc<ReadBudget>,
}

impl FileView {
    /// A view of `window` behind `prefix`.
    pub(crate) fn new(
        prefix: Vec<u8>,
        mut file: File,
        window: Range<u64>,
        budget: Arc<ReadBudget>,
    ) -> io::Result<Self> {
        file.seek(SeekFrom::Start(window.start))?;
        Ok(Self { prefix, file, window, position: 0, forward_only: false, budget })
    }

    /// Hides the length and the ability to seek, for a demuxer that refuses a file shorter than announced.
    pub(crate) fn forward_only(self) -> Self {
        Self { forward_only: true, ..self }
    }

    /// The stream symphonia reads from.
    pub(crate) fn into_stream(self) -> MediaSourceStream<'static> {
        MediaSourceStream::new(Box::new(self), MediaSourceStreamOptions::default())
    }

    fn prefix_len(&self) -> u64 {
        self.prefix.len() as u64
    }

    fn len(&self) -> u64 {
        self.prefix_len() + (self.window.end - self.window.start)
    }
}

impl Read for FileView {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ahead =
            usize::try_from(self.position).ok().and_then(|at| self.prefix.get(at..)).unwrap_or(&[]);
        let read = if ahead.is_empty() {
            let left = self.len().saturating_sub(self.position);
            self.file.by_ref().take(left).read(buffer)?
        } else {
            ahead.read(buffer)?
        };
        self.budget.spend(read)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for FileView {
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

impl MediaSource for FileView {
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
