//! A part of a file, with a header of our own in front, as a decoder's input.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};

/// `prefix` followed by the bytes `window` of a file; nothing else of the file can be seen.
pub(crate) struct FileView {
    prefix: Vec<u8>,
    file: File,
    window: Range<u64>,
    position: u64,
    forward_only: bool,
}

impl FileView {
    /// A view of `window` behind `prefix`.
    pub(crate) fn new(prefix: Vec<u8>, mut file: File, window: Range<u64>) -> io::Result<Self> {
        file.seek(SeekFrom::Start(window.start))?;
        Ok(Self { prefix, file, window, position: 0, forward_only: false })
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
