//! Decoding of a file and speech detection in each channel.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use flysk_audio::{AudioError, Decoder, Options, PcmFormat, PcmSink, VoiceActivityDetector, decode};
use tempfile::NamedTempFile;

use super::assignment::Format;
use super::speech::{Span, SpeechAnalysis};
use crate::yandex::{Code, Status};

/// Detects speech. Takes about a second per hour of audio, so it must not run on an async thread.
pub(crate) fn analyse(
    file: &NamedTempFile,
    format: Format,
    fingerprint: u64,
) -> Result<SpeechAnalysis, Status> {
    let wrapped;
    let file = match format {
        Format::Raw { rate_hz, channels } => {
            wrapped = with_wav_header(file, rate_hz, channels)
                .map_err(|error| Status::new(Code::Internal, format!("audio cannot be read: {error}")))?;
            &wrapped
        }
        Format::Wav | Format::OggOpus | Format::Mp3 => file,
    };
    let mut sink = SpeechSink { vad: None };
    let decoded = decode(file.path(), &Options::default(), &mut sink).map_err(|error| match error {
        AudioError::TooLong { .. } => Status::invalid("audio is longer than 4 hours"),
        AudioError::Io(error) => Status::new(Code::Internal, format!("audio cannot be read: {error}")),
        other => Status::invalid(format!("audio cannot be decoded: {other}")),
    })?;
    let channels = sink.vad.map(VoiceActivityDetector::finish).unwrap_or_default();
    let speech = channels.into_iter().map(|channel| {
        let spoken = channel.is_speech();
        channel.segments.into_iter().filter(|_| spoken).map(|it| span(it.start_ms, it.end_ms)).collect()
    });
    Ok(SpeechAnalysis {
        duration_ms: i64::try_from(decoded.duration_ms).unwrap_or(i64::MAX),
        speech: speech.collect(),
        fingerprint,
    })
}

fn span(start_ms: u64, end_ms: u64) -> Span {
    Span::new(i64::try_from(start_ms).unwrap_or(i64::MAX), i64::try_from(end_ms).unwrap_or(i64::MAX))
}

struct SpeechSink {
    vad: Option<VoiceActivityDetector>,
}

impl PcmSink for SpeechSink {
    fn start(&mut self, format: PcmFormat, _: Decoder) -> Result<(), AudioError> {
        self.vad = Some(VoiceActivityDetector::new(format));
        Ok(())
    }

    fn block(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        if let Some(vad) = &mut self.vad {
            vad.push(samples);
        }
        Ok(())
    }
}

/// Headerless PCM converted to a WAV file.
fn with_wav_header(pcm: &NamedTempFile, rate_hz: u32, channels: u16) -> io::Result<NamedTempFile> {
    let mut source = pcm.reopen()?;
    let length = u32::try_from(source.seek(SeekFrom::End(0))?).map_err(io::Error::other)?;
    source.seek(SeekFrom::Start(0))?;
    let frame = channels * 2;
    let mut wav = NamedTempFile::new()?;
    wav.write_all(b"RIFF")?;
    wav.write_all(&(length.saturating_add(36)).to_le_bytes())?;
    wav.write_all(b"WAVEfmt ")?;
    wav.write_all(&16_u32.to_le_bytes())?;
    wav.write_all(&1_u16.to_le_bytes())?;
    wav.write_all(&channels.to_le_bytes())?;
    wav.write_all(&rate_hz.to_le_bytes())?;
    wav.write_all(&(rate_hz * u32::from(frame)).to_le_bytes())?;
    wav.write_all(&frame.to_le_bytes())?;
    wav.write_all(&16_u16.to_le_bytes())?;
    wav.write_all(b"data")?;
    wav.write_all(&length.to_le_bytes())?;
    io::copy(&mut source.take(u64::from(length)), &mut wav)?;
    wav.flush()?;
    Ok(wav)
}
