//! From a file to blocks of samples, within limits, with a second decoder when the first one gives up.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::AudioError;
use crate::options::{Limits, Options};
use crate::recording::Recording;
use crate::sniff::Kind;
use crate::source::{FfmpegSource, PcmFormat, PcmSource, SourceError, Step, guarded, open_native};

/// Who decoded a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Decoder {
    /// In process.
    Native,
    /// The `ffmpeg` child process.
    Ffmpeg,
}

/// Receives decoded audio.
pub trait PcmSink {
    /// Audio begins, in this format. A second call means that another decoder took over from the very
    /// beginning: forget everything received so far.
    fn start(&mut self, format: PcmFormat, decoder: Decoder) -> Result<(), AudioError>;

    /// The next samples, interleaved, in −1.0..=1.0 (decoders may overshoot a little).
    fn block(&mut self, samples: &[f32]) -> Result<(), AudioError>;
}

/// What decoding found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Type of the file.
    pub kind: Kind,
    /// Rate and channels that were delivered. Opus is decoded at 8 or 16 kHz, all else at its own rate.
    pub format: PcmFormat,
    /// Samples per channel.
    pub frames: u64,
    /// Playing time in milliseconds.
    pub duration_ms: u64,
    /// The recording was cut: this is what came before the cut.
    pub partial: bool,
    /// Who decoded it.
    pub decoder: Decoder,
}

/// Decodes a file block by block into `sink`. Memory does not grow with the length of the recording.
pub fn decode(input: &Path, options: &Options, sink: &mut dyn PcmSink) -> Result<Decoded, AudioError> {
    let recording = Recording::open(input, &options.limits)?;
    decode_recording(&recording, options, sink)
}

/// Decodes a file that was already looked at.
pub(crate) fn decode_recording(
    recording: &Recording,
    options: &Options,
    sink: &mut dyn PcmSink,
) -> Result<Decoded, AudioError> {
    let mut pump =
        Pump { recording, deadline: Deadline::start(&options.limits), limits: &options.limits, sink };
    let failure = match guarded(|| open_native(recording)) {
        Ok(mut source) => match pump.run(source.as_mut(), Decoder::Native) {
            Ok(decoded) => return Ok(decoded),
            Err(failure) => failure,
        },
        Err(error) => Failure::Source(error),
    };
    let reason = match failure {
        Failure::Final(error) => return Err(error),
        Failure::Source(SourceError::Io(error)) if is_of_the_disk(&error) => {
            return Err(AudioError::Io(error));
        }
        Failure::Source(reason) => reason,
    };
    tracing::debug!(kind = recording.kind.name(), ?reason, "decoding in process gave up");
    pump.with_ffmpeg(options, reason)
}

/// Why a decoder did not get to the end.
enum Failure {
    /// No other decoder can change this.
    Final(AudioError),
    /// Another decoder may do better.
    Source(SourceError),
}

impl From<AudioError> for Failure {
    fn from(error: AudioError) -> Self {
        Self::Final(error)
    }
}

struct Pump<'a> {
    recording: &'a Recording,
    limits: &'a Limits,
    deadline: Deadline,
    sink: &'a mut dyn PcmSink,
}

impl Pump<'_> {
    /// Moves everything from the source to the sink.
    fn run(&mut self, source: &mut dyn PcmSource, decoder: Decoder) -> Result<Decoded, Failure> {
        let format = source.format();
        let max_frames = self.limits.max_duration_ms.saturating_mul(u64::from(format.sample_rate)) / 1000;
        self.sink.start(format, decoder)?;
        let mut block = Vec::new();
        let (mut frames, mut cut) = (0_u64, false);
        loop {
            self.deadline.check()?;
            match guarded(|| source.next_block(&mut block)) {
                Ok(Step::Block) => {}
                Ok(Step::End) => break,
                Ok(Step::Cut) => {
                    cut = true;
                    break;
                }
                Err(SourceError::FormatChanged) => return Err(Failure::Source(SourceError::FormatChanged)),
                // What was decoded before the damage is worth having.
                Err(_) if frames > 0 => {
                    cut = true;
                    break;
                }
                Err(error) => return Err(Failure::Source(error)),
            }
            frames += (block.len() / usize::from(format.channels)) as u64;
            if frames > max_frames {
                return Err(AudioError::TooLong { limit_ms: self.limits.max_duration_ms }.into());
            }
            if !block.is_empty() {
                self.sink.block(&block)?;
            }
        }
        if frames == 0 {
            return Err(if cut {
                Failure::Source(SourceError::Damaged("it breaks off before any sound".to_owned()))
            } else {
                AudioError::Empty.into()
            });
        }
        let partial = cut || self.recording.is_truncated();
        let duration_ms = format.duration_ms(frames);
        Ok(Decoded { kind: self.recording.kind, format, frames, duration_ms, partial, decoder })
    }

    /// The second try; `reason` is what stopped the first one.
    fn with_ffmpeg(&mut self, options: &Options, reason: SourceError) -> Result<Decoded, AudioError> {
        let Some(ffmpeg) = &options.ffmpeg else { return Err(without_ffmpeg(reason)) };
        self.deadline.check()?;
        let mut source =
            match FfmpegSource::open(ffmpeg, options.launcher.as_ref(), self.recording, self.deadline.left())
            {
                Ok(source) => source,
                Err(SourceError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    tracing::error!("the configured ffmpeg does not exist");
                    return Err(without_ffmpeg(reason));
                }
                Err(error) => {
                    self.deadline.check()?;
                    return Err(both_failed(error));
                }
            };
        let result = self.run(&mut source, Decoder::Ffmpeg);
        if source.timed_out() {
            return Err(self.deadline.error());
        }
        result.map_err(|failure| match failure {
            Failure::Final(error) => error,
            Failure::Source(error) => both_failed(error),
        })
    }
}

/// What the first failure means when there is no second decoder.
fn without_ffmpeg(reason: SourceError) -> AudioError {
    match reason {
        SourceError::Unsupported(what) => {
            AudioError::UnsupportedCodec { what: format!("{what}; it takes ffmpeg to decode it, which is not installed") }
        }
        SourceError::FormatChanged => AudioError::UnsupportedCodec {
            what: "sample rate or channels change inside the recording; it takes ffmpeg to decode it, which is not \
                   installed"
                .to_owned(),
        },
        SourceError::Damaged(what) => AudioError::Damaged { what },
        SourceError::Io(error) => AudioError::Damaged { what: error.to_string() },
    }
}

fn both_failed(error: SourceError) -> AudioError {
    match error {
        SourceError::Unsupported(what) => AudioError::UnsupportedCodec { what },
        SourceError::FormatChanged => {
            AudioError::UnsupportedCodec { what: "the format changes inside the recording".to_owned() }
        }
        SourceError::Damaged(what) => AudioError::Damaged { what },
        SourceError::Io(error) => AudioError::Io(error),
    }
}

/// Demuxers report a file that ends too early as an error of reading; that is the file's fault.
fn is_of_the_disk(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    !matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other
    )
}

struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    fn start(limits: &Limits) -> Self {
        Self { started: Instant::now(), limit: limits.max_decode_time }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.started.elapsed())
    }

    fn check(&self) -> Result<(), AudioError> {
        if self.left().is_zero() { Err(self.error()) } else { Ok(()) }
    }

    fn error(&self) -> AudioError {
        AudioError::TimedOut { limit_ms: self.limit.as_millis() }
    }
}
