//! Decodes a file to blocks of samples within limits, with `ffmpeg` as the fallback decoder.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::AudioError;
use crate::kind::Kind;
use crate::options::{Limits, Options};
use crate::pcm_format::PcmFormat;
use crate::recording::Recording;
use crate::source::{FfmpegSource, PcmSource, SourceError, Step, guarded, open_native};

/// Minimum length in milliseconds by which a recording must be longer by `ffmpeg` to use it after the built-in decoder.
const MIN_GAIN_MS: u64 = 100;
/// Samples per channel in a block of a pause at the end.
const PAUSE_BLOCK_FRAMES: u64 = 8 * 1024;

/// The decoder of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Decoder {
    /// The built-in decoder, in process.
    Native,
    /// The `ffmpeg` child process.
    Ffmpeg,
}

/// Receives decoded audio.
pub trait PcmSink {
    /// Called before the first block, with the format. A second call means that another decoder starts from the beginning:
    /// discard everything received so far.
    fn start(&mut self, format: PcmFormat, decoder: Decoder) -> Result<(), AudioError>;

    /// Receives the next interleaved samples in −1.0..=1.0 (decoders may overshoot slightly).
    fn block(&mut self, samples: &[f32]) -> Result<(), AudioError>;
}

/// Result of decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Type of the file.
    pub kind: Kind,
    /// Rate and channels of the blocks. Opus is decoded at 8 or 16 kHz, everything else at its own rate.
    pub format: PcmFormat,
    /// Samples per channel.
    pub frames: u64,
    /// Playing time in milliseconds.
    pub duration_ms: u64,
    /// Whether the recording is cut; the result then covers the part before the cut.
    pub partial: bool,
    /// The decoder that was used.
    pub decoder: Decoder,
}

/// Decodes a file block by block into `sink`. Memory is independent of the length of the recording.
pub fn decode(input: &Path, options: &Options, sink: &mut dyn PcmSink) -> Result<Decoded, AudioError> {
    let recording = Recording::open(input, &options.limits)?;
    decode_recording(&recording, options, sink)
}

/// Decodes a file that was inspected before.
pub(crate) fn decode_recording(
    recording: &Recording,
    options: &Options,
    sink: &mut dyn PcmSink,
) -> Result<Decoded, AudioError> {
    let mut pipeline = DecodePipeline {
        recording,
        deadline: Deadline::start(&options.limits),
        limits: &options.limits,
        sink,
    };
    let failure = match guarded(|| open_native(recording)) {
        Ok(mut source) => match pipeline.decode_natively(options, source.as_mut()) {
            Ok(decoded) => return Ok(decoded),
            Err(failure) => failure,
        },
        Err(error) => Failure::Source(error),
    };
    let reason = match failure {
        Failure::Final(error) => return Err(error),
        Failure::Source(SourceError::Io(error)) if is_disk_error(&error) => {
            return Err(AudioError::Io(error));
        }
        Failure::Source(reason) => reason,
    };
    tracing::debug!(kind = recording.kind.name(), ?reason, "built-in decoder failed");
    pipeline.retry_with_ffmpeg(options, reason)
}

/// Counts samples.
struct Discard;

impl PcmSink for Discard {
    fn start(&mut self, _: PcmFormat, _: Decoder) -> Result<(), AudioError> {
        Ok(())
    }

    fn block(&mut self, _: &[f32]) -> Result<(), AudioError> {
        Ok(())
    }
}

/// Error of a decoder.
enum Failure {
    /// Another decoder would fail too.
    Final(AudioError),
    /// Another decoder may succeed.
    Source(SourceError),
}

impl From<AudioError> for Failure {
    fn from(error: AudioError) -> Self {
        Self::Final(error)
    }
}

struct DecodePipeline<'a> {
    recording: &'a Recording,
    limits: &'a Limits,
    deadline: Deadline,
    sink: &'a mut dyn PcmSink,
}

impl DecodePipeline<'_> {
    /// Decodes with the built-in decoder, unless `ffmpeg` is there and hears more.
    fn decode_natively(&mut self, options: &Options, source: &mut dyn PcmSource) -> Result<Decoded, Failure> {
        if source.is_reduced() && options.ffmpeg.is_some() {
            match self.retry_with_ffmpeg(options, SourceError::Unsupported(String::new())) {
                Err(AudioError::UnsupportedCodec { .. } | AudioError::Damaged { .. } | AudioError::Empty) => {
                }
                decoded => return Ok(decoded?),
            }
        }
        let decoded = self.run(source, Decoder::Native)?;
        let short = self.recording.min_duration_ms().is_some_and(|expected| decoded.duration_ms < expected);
        let unexplained = decoded.partial && !self.recording.is_truncated();
        if (short || unexplained) && self.ffmpeg_hears_more(options, decoded.duration_ms)? {
            return Ok(self.retry_with_ffmpeg(options, SourceError::Damaged("it stops early".to_owned()))?);
        }
        Ok(Decoded { partial: decoded.partial || short, ..decoded })
    }

    /// Whether `ffmpeg` decodes a recording that seems to end after `duration_ms` to a longer one.
    fn ffmpeg_hears_more(&self, options: &Options, duration_ms: u64) -> Result<bool, AudioError> {
        if options.ffmpeg.is_none() {
            return Ok(false);
        }
        let deadline = self.deadline;
        let mut probe =
            DecodePipeline { recording: self.recording, limits: self.limits, deadline, sink: &mut Discard };
        match probe.retry_with_ffmpeg(options, SourceError::Damaged("it stops early".to_owned())) {
            Ok(decoded) => Ok(decoded.duration_ms > duration_ms + MIN_GAIN_MS),
            Err(error @ (AudioError::Io(_) | AudioError::TimedOut { .. })) => Err(error),
            // Also if it would be too long: what was decoded is within the limits.
            Err(_) => Ok(false),
        }
    }

    /// Copies all blocks from the source to the sink.
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
                // Keep the part before the damage.
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
                Failure::Source(SourceError::Damaged("the data ends before any sound".to_owned()))
            } else {
                Failure::Source(SourceError::Empty)
            });
        }
        let partial = cut || self.recording.is_truncated();
        // What is missing of a cut recording is no pause.
        if decoder == Decoder::Ffmpeg && !partial {
            frames += self.append_pause(format, frames, max_frames)?;
        }
        let duration_ms = format.duration_ms(frames);
        Ok(Decoded { kind: self.recording.kind, format, frames, duration_ms, partial, decoder })
    }

    /// Appends the pause at the end that `ffmpeg` did not decode; returns its samples per channel.
    fn append_pause(&mut self, format: PcmFormat, frames: u64, max_frames: u64) -> Result<u64, AudioError> {
        let Some(duration_ms) = self.recording.ffmpeg_duration_ms() else { return Ok(0) };
        let stated = duration_ms.saturating_mul(u64::from(format.sample_rate)) / 1000;
        let missing = stated.min(max_frames).saturating_sub(frames);
        let mut left = missing;
        while left > 0 {
            let block = left.min(PAUSE_BLOCK_FRAMES);
            let samples = usize::try_from(block).unwrap_or(0) * usize::from(format.channels);
            self.sink.block(&vec![0.0; samples])?;
            left -= block;
        }
        Ok(missing)
    }

    /// Second attempt with `ffmpeg`; `reason` is the error of the first one.
    fn retry_with_ffmpeg(&mut self, options: &Options, reason: SourceError) -> Result<Decoded, AudioError> {
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
                    return Err(both_failed(error, reason));
                }
            };
        let result = self.run(&mut source, Decoder::Ffmpeg);
        if source.timed_out() {
            return Err(self.deadline.error());
        }
        result.map_err(|failure| match failure {
            Failure::Final(error) => error,
            Failure::Source(error) => both_failed(error, reason),
        })
    }
}

/// Maps the error of the first decoder if there is no `ffmpeg`.
fn without_ffmpeg(reason: SourceError) -> AudioError {
    match reason {
        SourceError::Unsupported(what) => {
            AudioError::UnsupportedCodec { what: format!("{what}; decoding requires ffmpeg, which is not installed") }
        }
        SourceError::FormatChanged => AudioError::UnsupportedCodec {
            what: "sample rate or channels change inside the recording; it takes ffmpeg to decode it, which is not \
                   installed"
                .to_owned(),
        },
        SourceError::Damaged(what) => AudioError::Damaged { what },
        SourceError::Empty => AudioError::Empty,
        SourceError::Io(error) => AudioError::Damaged { what: error.to_string() },
    }
}

/// The error if `ffmpeg` fails after the first decoder failed for `reason`.
fn both_failed(error: SourceError, reason: SourceError) -> AudioError {
    match (error, reason) {
        (SourceError::Io(error), _) => AudioError::Io(error),
        (SourceError::Empty, _) | (_, SourceError::Empty) => AudioError::Empty,
        // The first decoder names the codec.
        (SourceError::Unsupported(_), SourceError::Unsupported(what)) => {
            AudioError::UnsupportedCodec { what }
        }
        (error, _) => only_failed(error),
    }
}

fn only_failed(error: SourceError) -> AudioError {
    match error {
        SourceError::Empty => AudioError::Empty,
        SourceError::Unsupported(what) => AudioError::UnsupportedCodec { what },
        SourceError::FormatChanged => {
            AudioError::UnsupportedCodec { what: "the format changes inside the recording".to_owned() }
        }
        SourceError::Damaged(what) => AudioError::Damaged { what },
        SourceError::Io(error) => AudioError::Io(error),
    }
}

/// Whether an I/O error is one of the disk. Demuxers report a truncated file as a read error, which is an error of the file.
fn is_disk_error(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    !matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other
    )
}

#[derive(Clone, Copy)]
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
