//! Writes 16-bit PCM WAV with a plain header.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// Length of the header: RIFF, a format chunk of 16 bytes, and the head of the data chunk.
const HEADER_LEN: u64 = 44;
/// Buffer size for reducing two channels to one, in bytes.
const MONO_BUFFER_BYTES: usize = 64 * 1024;

/// Writes samples as a stream, and the header with sizes at the end.
pub(crate) struct WavWriter {
    file: BufWriter<File>,
    channels: u16,
    sample_rate: u32,
    data_len: u64,
    scratch: Vec<u8>,
}

impl WavWriter {
    /// Starts at the beginning of a file.
    pub(crate) fn new(mut file: File, channels: u16, sample_rate: u32) -> io::Result<Self> {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(HEADER_LEN))?;
        let file = BufWriter::with_capacity(64 * 1024, file);
        Ok(Self { file, channels, sample_rate, data_len: 0, scratch: Vec::new() })
    }

    /// Appends interleaved samples.
    pub(crate) fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        self.scratch.resize(samples.len() * 2, 0);
        for (bytes, &sample) in self.scratch.chunks_exact_mut(2).zip(samples) {
            bytes.copy_from_slice(&to_i16(sample).to_le_bytes());
        }
        self.data_len += self.scratch.len() as u64;
        self.file.write_all(&self.scratch)
    }

    /// Writes the header; returns the length of the file in bytes.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        let header = header(self.channels, self.sample_rate, self.data_len)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.flush()?;
        Ok(HEADER_LEN + self.data_len)
    }

    /// Removes one of two channels in place, then finishes.
    pub(crate) fn finish_as_mono(mut self, channel: usize) -> io::Result<u64> {
        self.file.flush()?;
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let mut buffer = vec![0; MONO_BUFFER_BYTES];
        let (mut from, mut to) = (HEADER_LEN, HEADER_LEN);
        let end = HEADER_LEN + self.data_len;
        let kept = channel.min(1) * 2;
        while from < end {
            let len = usize::try_from(end - from).unwrap_or(MONO_BUFFER_BYTES).min(MONO_BUFFER_BYTES);
            file.seek(SeekFrom::Start(from))?;
            file.read_exact(&mut buffer[..len])?;
            for frame in 0..len / 4 {
                buffer.copy_within(frame * 4 + kept..frame * 4 + kept + 2, frame * 2);
            }
            file.seek(SeekFrom::Start(to))?;
            file.write_all(&buffer[..len / 2])?;
            from += len as u64;
            to += (len / 2) as u64;
        }
        file.set_len(to)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header(1, self.sample_rate, to - HEADER_LEN)?)?;
        Ok(to)
    }
}

fn to_i16(sample: f32) -> i16 {
    let scaled = sample * 32_768.0;
    // Rounds half away from zero by truncation, because `round` is a library call on older processors.
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and NaN becomes 0")]
    let value = (scaled + 0.5_f32.copysign(scaled)) as i16;
    value
}

fn header(channels: u16, sample_rate: u32, data_len: u64) -> io::Result<Vec<u8>> {
    let data_len = u32::try_from(data_len)
        .ok()
        .filter(|&len| len < u32::MAX - 36)
        .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "a WAV file cannot exceed 4 GiB"))?;
    let frame = channels * 2;
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &(data_len + 36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &sample_rate.to_le_bytes(),
        &(sample_rate * u32::from(frame)).to_le_bytes(),
        &frame.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &data_len.to_le_bytes(),
    ];
    Ok(parts.concat())
}
