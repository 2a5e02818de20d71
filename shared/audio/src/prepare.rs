//! From whatever a telephony delivered to what recognition takes, measured on the way.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::activity::{Activity, ChannelSpeech};
use crate::decode::{Decoded, Decoder, PcmSink, decode_recording};
use crate::encode::Encoder;
use crate::error::AudioError;
use crate::layout::{Layout, StereoProbe};
use crate::options::Options;
use crate::recording::{Recording, Shape};
use crate::riff::{WavHeader, tag};
use crate::sniff::Kind;
use crate::source::PcmFormat;

/// Container of what is to be uploaded; the values `SpeechKit` knows as `containerAudioType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Container {
    /// 16-bit PCM in WAV.
    Wav,
    /// Opus in Ogg.
    OggOpus,
    /// MPEG layer III.
    Mp3,
}

/// A recording ready for recognition, and what was found out about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The input itself is to be uploaded; nothing was written.
    pub passthrough: bool,
    /// Container of the file to upload.
    pub container: Container,
    /// Size of the file to upload, in bytes.
    pub bytes: u64,
    /// Playing time of what was decoded, in milliseconds.
    pub duration_ms: u64,
    /// Channels of the file to upload.
    pub channels: u16,
    /// Sample rate of the file to upload, in Hz.
    pub sample_rate: u32,
    /// How the speakers lie in the channels of the input.
    pub layout: Layout,
    /// The recording was cut; this is what came before the cut.
    pub partial: bool,
    /// Speech per channel of the file to upload.
    pub speech: Vec<ChannelSpeech>,
    /// Type of the input.
    pub input: Kind,
    /// Who decoded the input.
    pub decoder: Decoder,
}

impl Prepared {
    /// Whether recognition would find words: some channel has at least
    /// [`MIN_SPEECH_MS`](crate::MIN_SPEECH_MS) of voice activity. Silence and call progress tones are none.
    pub fn has_speech(&self) -> bool {
        self.speech.iter().any(ChannelSpeech::is_speech)
    }
}

/// Decodes `input` once, measures it, and writes to `output` what recognition takes, unless the input can be
/// uploaded as it is. `output` is replaced in one step and only on success; its folder must exist.
///
/// Blocks for as long as decoding takes: call it from a thread that may.
pub fn prepare(input: &Path, output: &Path, options: &Options) -> Result<Prepared, AudioError> {
    let staged = stage_beside(output)?;
    let prepared = prepare_in_place(input, staged.path(), options)?;
    persist(&prepared, staged, output)?;
    Ok(prepared)
}

/// The same, but writes to a file that exists already and is of no use unless this succeeds.
pub(crate) fn prepare_in_place(
    input: &Path,
    output: &Path,
    options: &Options,
) -> Result<Prepared, AudioError> {
    let recording = Recording::open(input, &options.limits)?;
    let mut intake = Intake::new(Plan::of(&recording), output);
    let decoded = decode_recording(&recording, options, &mut intake)?;
    intake.finish(&recording, &decoded)
}

/// A file that vanishes unless it is moved to `output`, in the same folder so that moving is one step.
pub(crate) fn stage_beside(output: &Path) -> io::Result<NamedTempFile> {
    let folder = output.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder)
}

/// Moves what was written to where it belongs, if anything was.
pub(crate) fn persist(prepared: &Prepared, staged: NamedTempFile, output: &Path) -> io::Result<()> {
    if !prepared.passthrough {
        staged.persist(output).map_err(|error| error.error)?;
    }
    Ok(())
}

/// What is to be uploaded, as far as the container alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    /// The input, untouched.
    AsIs(Container),
    /// The complete MP3 frames of the input without the foreign bytes around them.
    Frames(Range<u64>),
    /// Decoded samples.
    Encode,
}

impl Plan {
    fn of(recording: &Recording) -> Self {
        // Recognition would have to find the beginning behind stray bytes as we did.
        let from_the_start = recording.start == 0;
        match &recording.shape {
            Shape::Wav(header) if from_the_start && is_plain_pcm(header) => Self::AsIs(Container::Wav),
            Shape::Ogg(end)
                if from_the_start
                    && recording.kind == Kind::OggOpus
                    && end.complete
                    && end.single
                    && end.end == recording.len =>
            {
                Self::AsIs(Container::OggOpus)
            }
            Shape::Mpeg { stream, bare } if stream.contiguous => {
                if *bare && stream.clean && !stream.truncated {
                    Self::AsIs(Container::Mp3)
                } else {
                    // The tag frame counts frames that are not there any more.
                    Self::Frames(stream.frames.start + stream.tag_frame_len..stream.frames.end)
                }
            }
            _ => Self::Encode,
        }
    }
}

/// 16-bit PCM at a rate recognition takes, behind a header that tells the truth.
fn is_plain_pcm(header: &WavHeader) -> bool {
    header.codec == tag::PCM
        && header.bits == 16
        && header.honest
        && matches!(header.channels, 1 | 2)
        && matches!(header.sample_rate, 8_000 | 16_000 | 48_000)
}

/// Measures everything that comes by, and writes it down where it may be needed.
struct Intake<'a> {
    plan: Plan,
    output: &'a Path,
    format: PcmFormat,
    activity: Option<Activity>,
    stereo: Option<StereoProbe>,
    encoder: Option<Encoder>,
}

impl<'a> Intake<'a> {
    fn new(plan: Plan, output: &'a Path) -> Self {
        let format = PcmFormat { sample_rate: 0, channels: 0 };
        Self { plan, output, format, activity: None, stereo: None, encoder: None }
    }

    /// Decides what becomes of the recording, now that its channels are known.
    fn finish(self, recording: &Recording, decoded: &Decoded) -> Result<Prepared, AudioError> {
        let (layout, louder) = self.stereo.map_or((Layout::Mono, 0), StereoProbe::finish);
        let mut speech = self.activity.map(Activity::finish).unwrap_or_default();
        if layout == Layout::DoubledMono {
            // One of two equal channels, not their sum: with inverted polarity they would cancel each other.
            speech = speech.into_iter().skip(louder).take(1).collect();
        }
        let plan = if layout == Layout::DoubledMono { Plan::Encode } else { self.plan };
        let mut prepared = Prepared {
            passthrough: false,
            container: Container::Wav,
            bytes: recording.len,
            duration_ms: decoded.duration_ms,
            channels: decoded.format.channels,
            sample_rate: decoded.format.sample_rate,
            layout,
            partial: decoded.partial,
            speech,
            input: recording.kind,
            decoder: decoded.decoder,
        };
        match (plan, self.encoder) {
            (Plan::AsIs(container), _) => {
                prepared.passthrough = true;
                prepared.container = container;
            }
            (Plan::Frames(range), encoder) => {
                // It still has samples for the file that the frames go to.
                drop(encoder);
                prepared.container = Container::Mp3;
                prepared.bytes = copy_range(recording, range, self.output)?;
            }
            (Plan::Encode, Some(encoder)) => {
                prepared.channels = if layout == Layout::Stereo { 2 } else { 1 };
                prepared.sample_rate = encoder.sample_rate();
                prepared.bytes = encoder.finish((layout == Layout::DoubledMono).then_some(louder))?;
            }
            (Plan::Encode, None) => return Err(io::Error::other("decoding ended before it began").into()),
        }
        Ok(prepared)
    }
}

impl PcmSink for Intake<'_> {
    fn start(&mut self, format: PcmFormat, decoder: Decoder) -> Result<(), AudioError> {
        if decoder == Decoder::Ffmpeg {
            // Our own decoder could not read it, so we do not know that recognition could.
            self.plan = Plan::Encode;
        }
        self.format = format;
        self.stereo = (format.channels == 2).then(|| StereoProbe::new(format.sample_rate));
        let measured = PcmFormat { channels: format.channels.min(2), ..format };
        self.activity = Some(Activity::new(if format.channels > 2 {
            PcmFormat { channels: 1, ..format }
        } else {
            measured
        }));
        // Two channels of the same sound are written as one, and that is known only at the end.
        // Ended before the file is used again: an encoder has samples that are not written yet.
        self.encoder = None;
        if self.plan == Plan::Encode || format.channels == 2 {
            self.encoder = Some(Encoder::new(emptied(self.output)?, format)?);
        }
        Ok(())
    }

    fn block(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        let mixed;
        let samples = if self.format.channels > 2 {
            mixed = mix(samples, usize::from(self.format.channels));
            &mixed
        } else {
            samples
        };
        if let Some(stereo) = &mut self.stereo {
            stereo.push(samples);
            if stereo.differs() && self.plan != Plan::Encode {
                // True stereo: the input's own bytes are uploaded.
                if self.encoder.take().is_some() {
                    emptied(self.output)?;
                }
            }
        }
        if let Some(activity) = &mut self.activity {
            activity.push(samples);
        }
        match &mut self.encoder {
            Some(encoder) => encoder.push(samples),
            None => Ok(()),
        }
    }
}

/// More than two channels are no telephone line; they become one.
fn mix(samples: &[f32], channels: usize) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "at most eight")]
    let share = 1.0 / channels as f32;
    samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share).collect()
}

fn copy_range(recording: &Recording, range: Range<u64>, output: &Path) -> io::Result<u64> {
    let mut input = File::open(&recording.path)?;
    input.seek(SeekFrom::Start(range.start))?;
    io::copy(&mut input.take(range.end - range.start), &mut emptied(output)?)
}

/// The output without what it held before.
fn emptied(output: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(true).open(output)
}
