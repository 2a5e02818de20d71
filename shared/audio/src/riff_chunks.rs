//! Locates the chunks of a RIFF file and the end of its samples, even if sizes and padding are wrong.
//!
//! A size counts only if the content of the file confirms it. At the declared end of the data chunk, another chunk begins
//! or the file ends. Otherwise the size was written before the end of the call, and the bytes after it are sound.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Minimum declared size that means "unknown": streaming writers leave such values.
const STREAMING_SIZE: u64 = 0x7fff_0000;
/// Maximum playing time of a declared size, in seconds. A larger size is a placeholder, because longer recordings are not
/// supported.
const MAX_STATED_SECONDS: u64 = 4 * 60 * 60;
/// Byte rate of the slowest telephony codec, for headers without a rate.
const MIN_BYTES_PER_SECOND: u32 = 600;
/// Maximum length of a format chunk; actual ones have 16 to about 100 bytes.
const MAX_FORMAT_CHUNK_LEN: u64 = 4096;
/// Maximum number of visited chunks.
const MAX_CHUNKS: usize = 256;
/// Length of the beginning in which a data chunk is searched if walking the chunks does not reach one.
const HEAD_SEARCH_BYTES: u64 = 128 * 1024;
/// Length of the end in which chunks after the samples are searched.
const TAIL_SEARCH_BYTES: u64 = 256 * 1024;
/// Fewer bytes after the samples are padding: too short for a chunk or a millisecond of sound.
const MAX_PADDING_BYTES: u64 = 8;

/// Names of chunks that writers append after the samples.
const TRAILING_CHUNKS: [&[u8; 4]; 16] = [
    b"LIST", b"list", b"id3 ", b"ID3 ", b"cue ", b"fact", b"bext", b"smpl", b"inst", b"JUNK", b"junk",
    b"iXML", b"PEAK", b"plst", b"_PMX", b"labl",
];

/// The head of a WAV file, up to its first sample.
#[derive(Debug)]
pub(crate) struct Chunks {
    pub format: Vec<u8>,
    /// Whether the file has a RIFF header (not RF64) and its chunks follow each other as declared.
    pub plain: bool,
    /// Whether a wrong size prevents reaching the samples by walking the chunks.
    pub misleading: bool,
    /// Offset of the first sample in the file.
    pub data_start: u64,
    /// Declared size of the data chunk.
    data_size: u64,
    /// Declared size of the RIFF, without its first eight bytes.
    riff_size: u64,
    /// Start of the WAV in the file, and end of the file.
    window: Range<u64>,
}

impl Chunks {
    /// Reads up to the first sample; `None` without a format or data chunk.
    pub(crate) fn read<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<Option<Self>> {
        file.seek(SeekFrom::Start(window.start))?;
        let Some(riff) = read_array::<12, _>(file)? else { return Ok(None) };
        if !matches!(&riff[..4], b"RIFF" | b"RF64") {
            return Ok(None); // big-endian
        }
        let mut chunks = Self {
            format: Vec::new(),
            plain: riff.starts_with(b"RIFF"),
            misleading: false,
            data_start: 0,
            data_size: 0,
            riff_size: u64::from(le_u32(&riff[4..8])),
            window: window.clone(),
        };
        let mut wide = None;
        let mut position = window.start + 12;
        for _ in 0..MAX_CHUNKS {
            let Some(head) = Head::read(file, position)? else { break };
            let content = position + 8;
            match &head.name {
                b"fmt " => chunks.format = read_at(file, content, head.size.min(MAX_FORMAT_CHUNK_LEN))?,
                b"ds64" => wide = Some(read_at(file, content, 16)?).filter(|it| it.len() == 16),
                b"data" => {
                    chunks.take_data(content, head.size, wide.as_deref());
                    break;
                }
                _ => {}
            }
            position = next_chunk(file, content.saturating_add(head.size))?;
        }
        if chunks.data_start == 0 {
            chunks.search_data(file, wide.as_deref())?;
        }
        Ok((chunks.data_start > 0 && !chunks.format.is_empty()).then_some(chunks))
    }

    fn take_data(&mut self, content: u64, size: u64, wide: Option<&[u8]>) {
        self.data_start = content;
        self.data_size = size;
        if let Some(wide) = wide {
            self.riff_size = le_u64(&wide[..8]);
            self.data_size = le_u64(&wide[8..]);
        }
    }

    /// Fallback after a wrong size: uses the first occurrence of `data` after the format chunk.
    fn search_data<R: Read + Seek>(&mut self, file: &mut R, wide: Option<&[u8]>) -> io::Result<()> {
        let head = read_at(file, self.window.start, HEAD_SEARCH_BYTES)?;
        let Some(format) = find(&head, *b"fmt ") else { return Ok(()) };
        // A format chunk has at least 16 bytes.
        let Some(data) = head.get(format + 24..).and_then(|rest| find(rest, *b"data")) else { return Ok(()) };
        let data = format + 24 + data;
        let Some(size) = head.get(data + 4..data + 8) else { return Ok(()) };
        if self.format.is_empty() || self.format.len() > data - format - 8 {
            self.format = head[format + 8..data.min(format + 8 + 40)].to_vec();
        }
        (self.plain, self.misleading) = (false, true);
        self.take_data(self.window.start + data as u64 + 8, u64::from(le_u32(size)), wide);
        Ok(())
    }

    /// Locates the end of the samples. `bytes_per_second` and `block` are from the format chunk.
    pub(crate) fn locate_samples<R: Read + Seek>(
        &self,
        file: &mut R,
        bytes_per_second: u32,
        block: u16,
    ) -> io::Result<Samples> {
        let there = self.window.end.saturating_sub(self.data_start);
        let stated = self.data_size;
        let open_ended = stated == 0 || stated >= STREAMING_SIZE && stated > there;
        if !open_ended && stated <= there && self.ends_there(file, stated, there)? {
            // Appended sound is not decoded, so report it as missing.
            let missing = self.has_more_sound(file, stated)?;
            let as_stated = self.riff_covers_file() && !missing;
            return Ok(Samples { len: stated, as_stated, missing });
        }
        // The size does not give the end of the samples; only chunks after them can.
        let trailing = self.trailing_chunks(file)?;
        let len = trailing.map_or(there, |start| start - self.data_start);
        let promised = !open_ended && stated > there && trailing.is_none();
        let placeholder = stated / u64::from(bytes_per_second.max(MIN_BYTES_PER_SECOND)) > MAX_STATED_SECONDS;
        // Some writers store the size of the file as the size of the samples.
        let whole = self.window.end - self.window.start;
        let of_the_file = self.riff_covers_file() || stated <= whole;
        let missing = promised
            && !placeholder
            && !of_the_file
            && stated - there >= u64::from(block.max(1)).max(MAX_PADDING_BYTES);
        Ok(Samples { len, as_stated: false, missing })
    }

    /// Whether the bytes after `stated` bytes of samples are not sound: nothing, padding, or chunks.
    fn ends_there<R: Read + Seek>(&self, file: &mut R, stated: u64, there: u64) -> io::Result<bool> {
        let rest = there - stated;
        if rest < MAX_PADDING_BYTES {
            return Ok(true);
        }
        let end = self.data_start + stated;
        let next = next_chunk(file, end)?;
        let head = Head::read(file, next)?;
        if head.is_some_and(|it| it.is_trailing() || it.is_plausible() && it.size <= rest) {
            return Ok(true);
        }
        // A preallocated file ends in zeros.
        is_zero(file, end..self.window.end)
    }

    /// Whether a second data chunk, or a second WAV, follows the `stated` bytes of samples.
    fn has_more_sound<R: Read + Seek>(&self, file: &mut R, stated: u64) -> io::Result<bool> {
        let mut position = next_chunk(file, self.data_start + stated)?;
        for _ in 0..MAX_CHUNKS {
            let Some(head) = Head::read(file, position)? else { return Ok(false) };
            match &head.name {
                b"data" => return Ok(head.size > 0),
                b"RIFF" | b"RF64" => return Ok(read_at(file, position + 8, 4)? == b"WAVE"),
                _ if !head.is_plausible() => return Ok(false),
                _ => position = next_chunk(file, position.saturating_add(8 + head.size))?,
            }
        }
        Ok(false)
    }

    /// Start of trailing chunks that extend exactly to the end of the file.
    fn trailing_chunks<R: Read + Seek>(&self, file: &mut R) -> io::Result<Option<u64>> {
        let start = self.data_start.max(self.window.end.saturating_sub(TAIL_SEARCH_BYTES));
        let tail = read_at(file, start, TAIL_SEARCH_BYTES)?;
        let found = (0..tail.len().saturating_sub(8)).find(|&at| {
            TRAILING_CHUNKS.iter().any(|name| tail[at..].starts_with(*name)) && reaches_end(&tail[at..])
        });
        Ok(found.map(|at| start + at as u64))
    }

    /// Whether the RIFF size matches the file. Chunks have even lengths; writers differ in counting the last pad byte.
    fn riff_covers_file(&self) -> bool {
        (self.riff_size + 8).abs_diff(self.window.end - self.window.start) <= 1
    }
}

/// Extent of the samples after the head of the data chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Samples {
    /// Actual length of the samples in bytes.
    pub len: u64,
    /// Whether all sizes in the header are correct.
    pub as_stated: bool,
    /// Whether declared samples are missing.
    pub missing: bool,
}

/// Whether `bytes` consists of consecutive chunks, except for padding.
fn reaches_end(mut bytes: &[u8]) -> bool {
    for _ in 0..MAX_CHUNKS {
        let Some(head) = bytes.get(..8) else { return bytes.len() <= 1 };
        let head = Head { name: [head[0], head[1], head[2], head[3]], size: u64::from(le_u32(&head[4..])) };
        let Ok(size) = usize::try_from(head.size) else { return false };
        if !head.is_plausible() || size > bytes.len() - 8 {
            return false;
        }
        let padded = (8 + size + size % 2).min(bytes.len());
        bytes = &bytes[padded..];
    }
    false
}

/// Name and size of a chunk.
#[derive(Debug, Clone, Copy)]
struct Head {
    name: [u8; 4],
    size: u64,
}

impl Head {
    fn read<R: Read + Seek>(file: &mut R, position: u64) -> io::Result<Option<Self>> {
        file.seek(SeekFrom::Start(position))?;
        Ok(read_array::<8, _>(file)?
            .map(|it| Self { name: [it[0], it[1], it[2], it[3]], size: u64::from(le_u32(&it[4..])) }))
    }

    /// Whether the name is valid in RIFF; samples match once in some hundred thousand positions.
    fn is_plausible(&self) -> bool {
        self.name.iter().all(|it| it.is_ascii_graphic() || *it == b' ') && self.name[0] != b' '
    }

    fn is_trailing(&self) -> bool {
        TRAILING_CHUNKS.contains(&&self.name)
    }
}

/// Start of the chunk after `end`. Chunks are padded to an even length, but not by all writers.
fn next_chunk<R: Read + Seek>(file: &mut R, end: u64) -> io::Result<u64> {
    let padded = end.saturating_add(end % 2);
    if padded != end
        && Head::read(file, padded)?.is_none_or(|it| !it.is_plausible())
        && Head::read(file, end)?.is_some_and(|it| it.is_plausible())
    {
        return Ok(end);
    }
    Ok(padded)
}

fn is_zero<R: Read + Seek>(file: &mut R, range: Range<u64>) -> io::Result<bool> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut rest = file.take(range.end.saturating_sub(range.start));
    let mut buffer = [0; 16 * 1024];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(true),
            read if buffer[..read].iter().any(|&it| it != 0) => return Ok(false),
            _ => {}
        }
    }
}

fn find(bytes: &[u8], name: [u8; 4]) -> Option<usize> {
    bytes.windows(4).position(|it| it == name)
}

fn read_at<R: Read + Seek>(file: &mut R, position: u64, len: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    file.by_ref().take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_array<const N: usize, R: Read>(file: &mut R) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// A little-endian number.
pub(crate) fn le_u32(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

fn le_u64(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}
