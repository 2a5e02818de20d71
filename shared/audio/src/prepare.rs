//! Converts a recording of any telephony system to a file for recognition, and measures it in the same pass.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::channel_layout::{Layout, StereoProbe};
use crate::decode::{Decoded, Decoder, PcmSink, decode_recording};
use crate::encode::Encoder;
use crate::error::AudioError;
use crate::kind::Kind;
use crate::options::Options;
use crate::pcm_format::PcmFormat;
use crate::recording::{Recording, Shape};
use crate::riff::{WavHeader, tag};
use crate::vad::{ChannelSpeech, VoiceActivityDetector};

/// Container of the file to upload; the values of SpeechKit's `containerAudioType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Container {
    /// 16-bit PCM in WAV.
    Wav,
    /// Opus in Ogg.
    OggOpus,
    /// MPEG layer III.
    Mp3,
}

/// A recording that is ready for recognition, with its measurements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Whether to upload the input itself; no output was written then.
    pub passthrough: bool,
    /// Container of the file to upload.
    pub container: Container,
    /// Size of the file to upload, in bytes.
    pub bytes: u64,
    /// Playing time of the decoded audio, in milliseconds.
    pub duration_ms: u64,
    /// Channels of the file to upload.
    pub channels: u16,
    /// Sample rate of the file to upload, in Hz.
    pub sample_rate: u32,
    /// Assignment of speakers to the channels of the input.
    pub layout: Layout,
    /// Whether the recording is cut; the result then covers the part before the cut.
    pub partial: bool,
    /// Speech in each channel of the file to upload.
    pub speech: Vec<ChannelSpeech>,
    /// Loudness in at most [`MAX_BINS`](crate::MAX_BINS) bins of equal length, 0 to 100.
    #[serde(default)]
    pub peaks: Vec<u8>,
    /// Type of the input.
    pub input: Kind,
    /// The decoder of the input.
    pub decoder: Decoder,
}

impl Prepared {
    /// Whether recognition may find words: a channel has at least [`MIN_SPEECH_MS`](crate::MIN_SPEECH_MS) of voice activity.
    /// Silence and call progress tones do not count.
    pub fn has_speech(&self) -> bool {
        self.speech.iter().any(ChannelSpeech::is_speech)
    }
}

/// Decodes `input` once, measures it, and writes a file for recognition to `output`, unless the input can be uploaded
/// unchanged. `output` is replaced atomically and only on success; its directory must exist.
///
/// Blocks the calling thread during decoding.
pub fn prepare(input: &Path, output: &Path, options: &Options) -> Result<Prepared, AudioError> {
    let staged = stage_beside(output)?;
    let prepared = prepare_in_place(input, staged.path(), options)?;
    persist(&prepared, staged, output)?;
    Ok(prepared)
}

/// Like [`prepare`], but writes to an existing file, whose content is undefined after an error.
pub(crate) fn prepare_in_place(
    input: &Path,
    output: &Path,
    options: &Options,
) -> Result<Prepared, AudioError> {
    let recording = Recording::open(input, &options.limits)?;
    let mut sink = PrepareSink::new(Plan::for_recording(&recording), output);
    let decoded = decode_recording(&recording, options, &mut sink)?;
    sink.finish(&recording, &decoded)
}

/// A temporary file in the directory of `output`, so that renaming is atomic. Deleted unless it is renamed.
pub(crate) fn stage_beside(output: &Path) -> io::Result<NamedTempFile> {
    let folder = output.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder)
}

/// Renames the temporary file to `output`, if it was written.
pub(crate) fn persist(prepared: &Prepared, staged: NamedTempFile, output: &Path) -> io::Result<()> {
    if !prepared.passthrough {
        staged.persist(output).map_err(|error| error.error)?;
    }
    Ok(())
}

/// Form of the upload, decided from the container before decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Plan {
    /// The unchanged input.
    AsIs(Container),
    /// The complete MP3 frames of the input without foreign bytes around them.
    Frames(Range<u64>),
    /// Decoded samples.
    Encode,
}

impl Plan {
    fn for_recording(recording: &Recording) -> Self {
        // A file with stray bytes at its start is not uploaded unchanged, because SpeechKit may not find the beginning.
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
            Shape::Mpeg { stream, bare } if stream.contiguous && stream.is_as_stated() => {
                if *bare && stream.clean && !stream.truncated {
                    Self::AsIs(Container::Mp3)
                } else {
                    // Without the tag frame, which counts frames that are not uploaded.
                    Self::Frames(stream.frames.start + stream.tag_frame_len..stream.frames.end)
                }
            }
            _ => Self::Encode,
        }
    }
}

/// Whether the samples are 16-bit PCM at a supported rate and the header is correct.
fn is_plain_pcm(header: &WavHeader) -> bool {
    header.codec == tag::PCM
        && header.bits == 16
        && header.honest
        && matches!(header.channels, 1 | 2)
        && matches!(header.sample_rate, 8_000 | 16_000 | 48_000)
}

/// Measures all samples and writes them to the output if it may be needed.
struct PrepareSink<'a> {
    plan: Plan,
    output: &'a Path,
    format: PcmFormat,
    vad: Option<VoiceActivityDetector>,
    stereo: Option<StereoProbe>,
    encoder: Option<Encoder>,
}

impl<'a> PrepareSink<'a> {
    fn new(plan: Plan, output: &'a Path) -> Self {
        let format = PcmFormat { sample_rate: 0, channels: 0 };
        Self { plan, output, format, vad: None, stereo: None, encoder: None }
    }

    /// Decides what to upload, when the layout of channels is known.
    fn finish(self, recording: &Recording, decoded: &Decoded) -> Result<Prepared, AudioError> {
        let (layout, louder) = self.stereo.map_or((Layout::Mono, 0), StereoProbe::finish);
        let peaks = self.vad.as_ref().map(VoiceActivityDetector::peaks).unwrap_or_default();
        let mut speech = self.vad.map(VoiceActivityDetector::finish).unwrap_or_default();
        if layout == Layout::DoubledMono {
            // One of two equal channels, not their sum, because inverted channels would cancel each other.
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
            peaks,
            input: recording.kind,
            decoder: decoded.decoder,
        };
        match (plan, self.encoder) {
            (Plan::AsIs(container), _) => {
                prepared.passthrough = true;
                prepared.container = container;
            }
            (Plan::Frames(range), encoder) => {
                // Drop it before the frames are written, because it still buffers samples for the same file.
                drop(encoder);
                prepared.container = Container::Mp3;
                prepared.bytes = copy_range(recording, range, self.output)?;
            }
            (Plan::Encode, Some(encoder)) => {
                prepared.channels = if layout == Layout::Stereo { 2 } else { 1 };
                prepared.sample_rate = encoder.sample_rate();
                prepared.bytes = encoder.finish((layout == Layout::DoubledMono).then_some(louder))?;
            }
            (Plan::Encode, None) => return Err(io::Error::other("decoding ended without a start").into()),
        }
        Ok(prepared)
    }
}

impl PcmSink for PrepareSink<'_> {
    fn start(&mut self, format: PcmFormat, decoder: Decoder) -> Result<(), AudioError> {
        if decoder == Decoder::Ffmpeg {
            // The built-in decoder failed, so recognition may fail too: encode the samples.
            self.plan = Plan::Encode;
        }
        self.format = format;
        self.stereo = (format.channels == 2).then(|| StereoProbe::new(format.sample_rate));
        let measured = PcmFormat { channels: format.channels.min(2), ..format };
        self.vad = Some(VoiceActivityDetector::new(if format.channels > 2 {
            PcmFormat { channels: 1, ..format }
        } else {
            measured
        }));
        // Write both channels even for passthrough, because doubled mono is known only at the end and uploaded as one channel.
        // Drop the previous encoder first, because it buffers samples for the same file.
        self.encoder = None;
        if self.plan == Plan::Encode || format.channels == 2 {
            self.encoder = Some(Encoder::new(open_truncated(self.output)?, format)?);
        }
        Ok(())
    }

    fn block(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        let mixed;
        let samples = if self.format.channels > 2 {
            mixed = mix_down(samples, usize::from(self.format.channels));
            &mixed
        } else {
            samples
        };
        if let Some(vad) = &mut self.vad {
            vad.push(samples);
            if let (Some(stereo), [left, right]) = (&mut self.stereo, vad.planes()) {
                stereo.push(left, right);
            }
        }
        let differs = self.stereo.as_ref().is_some_and(StereoProbe::differs);
        // True stereo: the input is uploaded, so the output is not needed.
        if differs && self.plan != Plan::Encode && self.encoder.take().is_some() {
            open_truncated(self.output)?;
        }
        match &mut self.encoder {
            Some(encoder) => encoder.push(samples),
            None => Ok(()),
        }
    }
}

/// Mixes more than two channels down to one.
fn mix_down(samples: &[f32], channels: usize) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "at most eight")]
    let share = 1.0 / channels as f32;
    samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share).collect()
}

fn copy_range(recording: &Recording, range: Range<u64>, output: &Path) -> io::Result<u64> {
    let mut input = File::open(&recording.path)?;
    input.seek(SeekFrom::Start(range.start))?;
    io::copy(&mut input.take(range.end - range.start), &mut open_truncated(output)?)
}

fn open_truncated(output: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(true).open(output)
}
