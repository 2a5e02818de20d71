//! Buffered random access to a file whose frames are visited one after another, and the tags at its end.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Length of an `ID3v1` tag, in bytes.
const ID3V1_LEN: u64 = 128;
/// Length of the footer, and of the optional header, of an APE tag, in bytes.
const APE_FOOTER_LEN: u64 = 32;

/// Reads a file at increasing positions; short forward steps use the buffer.
pub(crate) struct FrameWalk<R: Read + Seek> {
    reader: BufReader<R>,
    position: u64,
    end: u64,
}

impl<R: Read + Seek> FrameWalk<R> {
    /// Access to `file` up to `end`.
    pub(crate) fn new(mut file: R, end: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { reader: BufReader::with_capacity(64 * 1024, file), position: 0, end })
    }

    /// The end that was given to [`Self::new`].
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Fills `buffer` from `position`; returns the number of bytes before the end.
    pub(crate) fn fill(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let step = i64::try_from(position).unwrap_or(i64::MAX) - i64::try_from(self.position).unwrap_or(0);
        self.reader.seek_relative(step)?;
        self.position = position;
        let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let mut filled = 0;
        while filled < wanted {
            match self.reader.read(&mut buffer[filled..wanted]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    /// Up to `len` bytes from `position`.
    pub(crate) fn bytes(&mut self, position: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let filled = self.fill(position, &mut bytes)?;
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// End of the audio before an `ID3v1` tag and an APE tag.
    pub(crate) fn end_without_tags(&mut self) -> io::Result<u64> {
        let mut end = self.end;
        if end >= ID3V1_LEN && self.bytes(end - ID3V1_LEN, 3)? == b"TAG" {
            end -= ID3V1_LEN;
        }
        if end >= APE_FOOTER_LEN {
            let footer = self.bytes(end - APE_FOOTER_LEN, 32)?;
            if footer.starts_with(b"APETAGEX") {
                let size = u64::from(u32::from_le_bytes([footer[12], footer[13], footer[14], footer[15]]));
                let header = if footer[23] & 0x80 != 0 { APE_FOOTER_LEN } else { 0 };
                end = end.saturating_sub(size + header);
            }
        }
        Ok(end)
    }
}
