//! Inspection of a file before decoding: type, location of the audio, and whether it may be uploaded unchanged.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::adts::AdtsStream;
use crate::amr::AmrStream;
use crate::declared_size;
use crate::error::AudioError;
use crate::file_slice::{FileSlice, ReadBudget};
use crate::flac;
use crate::gsm;
use crate::kind::Kind;
use crate::mp4;
use crate::mpeg::{self, MpegStream};
use crate::ogg::{self, OggEnd};
use crate::options::Limits;
use crate::riff::{WavHeader, tag};
use crate::sniff;
use crate::webm;

/// Length of the inspected beginning, in bytes.
const HEAD_LEN: u64 = 128 * 1024;

/// Maximum delay and padding of an encoder, in milliseconds: three frames of MP3 or AAC at 8 kHz.
const MAX_ENCODER_MS: u64 = 500;

/// Result of inspecting the container without decoding.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Samples after a RIFF header.
    Wav(WavHeader),
    /// MPEG layer III frames, bare or in a WAV.
    Mpeg {
        stream: MpegStream,
        /// Whether the frames are not in another container.
        bare: bool,
    },
    /// AAC in ADTS frames.
    Adts(AdtsStream),
    /// An Ogg stream with the state of its end.
    Ogg(OggEnd),
    /// A container whose demuxer reads the details.
    Plain {
        /// End in the file; bytes after it do not belong to the recording.
        end: u64,
        /// Whether the file is shorter than declared.
        truncated: bool,
    },
    /// A format that only `ffmpeg` decodes.
    Foreign {
        /// Name of the format, for messages.
        what: String,
        /// Location in the file, including headers.
        window: Range<u64>,
        /// A header to prepend to the window, which then contains only samples; empty for none.
        header: Vec<u8>,
        /// Whether the file is shorter than declared.
        truncated: bool,
        /// Playing time in milliseconds, if the frames tell it.
        duration_ms: Option<u64>,
    },
}

impl Shape {
    /// A container with this end in a file of length `len`; `None` if its end is after the file.
    fn plain(end: Option<u64>, len: u64) -> Self {
        Self::Plain { end: end.unwrap_or(len), truncated: end.is_none() }
    }

    /// A format that `ffmpeg` reads unchanged.
    fn foreign(what: &str, window: Range<u64>, truncated: bool) -> Self {
        Self::Foreign { what: what.to_owned(), window, header: Vec::new(), truncated, duration_ms: None }
    }
}

/// A file of a known audio type within the size limit.
#[derive(Debug)]
pub(crate) struct Recording {
    pub path: PathBuf,
    pub kind: Kind,
    pub len: u64,
    pub shape: Shape,
    /// Start of the content, after ID3 tags and stray bytes.
    pub start: u64,
}

impl Recording {
    /// Opens and inspects a file.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, AudioError> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        if len == 0 {
            return Err(AudioError::Empty);
        }
        if len > limits.max_bytes {
            return Err(AudioError::TooLarge { bytes: len, limit: limits.max_bytes });
        }
        let start = mpeg::skip_id3v2(&mut file, len)?;
        let head = read_head(&mut file, start)?;
        if head.is_empty() {
            return Err(AudioError::Empty); // only tags
        }
        let Some((kind, stray)) = sniff::locate(&head) else {
            return Err(AudioError::NotAudio { found: sniff::describe(&head).into() });
        };
        let start = start + stray as u64;
        let shape = Self::inspect(kind, &mut file, start, len)?;
        Ok(Self { path: path.to_owned(), kind, len, shape, start })
    }

    fn inspect(kind: Kind, file: &mut File, start: u64, len: u64) -> Result<Shape, AudioError> {
        let window = start..len;
        Ok(match kind {
            Kind::Wav => Self::inspect_wav(file, window)?,
            Kind::Mp3 => match MpegStream::inspect(file, window)? {
                Some(stream) => Shape::Mpeg { stream, bare: true },
                None => return Err(AudioError::NotAudio { found: "an ID3 tag without audio".into() }),
            },
            Kind::Mp2 => {
                let (frames, truncated) = match MpegStream::inspect(file, window.clone())? {
                    Some(stream) => (stream.frames, stream.truncated),
                    None => (window, false),
                };
                Shape::foreign(kind.name(), frames, truncated)
            }
            Kind::OggOpus | Kind::OggVorbis | Kind::OggFlac => {
                let end = OggEnd::read(file, window.clone())?;
                match ogg::kind(&read_head(file, start)?) {
                    Some((_, false)) => {
                        Shape::foreign("Ogg whose first stream is not the sound", window, !end.complete)
                    }
                    _ => Shape::Ogg(end),
                }
            }
            Kind::Webm => Shape::plain(webm::end(file, window)?, len),
            Kind::Mp4 => Shape::plain(mp4::end(file, window)?, len),
            Kind::Flac => Shape::plain(Some(flac::end(file, window)?), len),
            Kind::Adts => match AdtsStream::inspect(file, window)? {
                Some(stream) => Shape::Adts(stream),
                None => Shape::plain(Some(len), len),
            },
            Kind::Amr => match AmrStream::inspect(file, window.clone())? {
                Some(stream) => Shape::Foreign {
                    what: kind.name().to_owned(),
                    window,
                    header: Vec::new(),
                    truncated: stream.truncated,
                    duration_ms: Some(stream.duration_ms),
                },
                None => Shape::foreign(kind.name(), window, false),
            },
            Kind::OggSpeex => {
                let truncated = !OggEnd::read(file, window.clone())?.complete;
                Shape::foreign(kind.name(), window, truncated)
            }
            Kind::Asf
            | Kind::Aiff
            | Kind::Au
            | Kind::Caf
            | Kind::Wave64
            | Kind::Loas
            | Kind::Avi
            | Kind::MpegTs
            | Kind::Flv
            | Kind::Sphere
            | Kind::Voc
            | Kind::Ircam
            | Kind::WavPack
            | Kind::Tta => {
                let truncated = declared_size::exceeds_file(kind, file, window.clone())?;
                Shape::foreign(kind.name(), window, truncated)
            }
            Kind::Gsm => {
                let (window, truncated) = gsm::extent(file, window)?;
                Shape::foreign(kind.name(), window, truncated)
            }
        })
    }

    fn inspect_wav(file: &mut File, window: Range<u64>) -> Result<Shape, AudioError> {
        let Some(header) = WavHeader::read(file, window.clone())? else {
            return match read_head(file, window.start)? {
                head if head.starts_with(b"RIFX") => Ok(Shape::foreign("big-endian WAV", window, false)),
                _ => Err(AudioError::Damaged { what: "a WAV without format or samples".to_owned() }),
            };
        };
        if header.data_len == 0 {
            return Err(AudioError::Empty);
        }
        if header.is_native() {
            return Ok(Shape::Wav(header));
        }
        if header.codec == tag::MPEG_LAYER_3
            && let Some(mut stream) = MpegStream::inspect(file, header.samples())?
        {
            // A cut between frames is visible only in the header.
            stream.truncated |= header.truncated;
            return Ok(Shape::Mpeg { stream, bare: false });
        }
        let what = format!("codec 0x{:04x} ({}) in WAV", header.codec, wav_codec_name(header.codec));
        let samples = header.samples();
        let truncated = header.truncated;
        Ok(if header.misleading {
            Shape::Foreign { what, window: samples, header: header.rewritten(), truncated, duration_ms: None }
        } else {
            Shape::foreign(&what, window.start..samples.end, truncated)
        })
    }

    /// Whether the container shows that the end is missing.
    pub(crate) fn is_truncated(&self) -> bool {
        match &self.shape {
            Shape::Wav(header) => header.truncated,
            Shape::Mpeg { stream, .. } => stream.truncated,
            Shape::Adts(stream) => stream.truncated,
            Shape::Ogg(end) => !end.complete,
            Shape::Plain { truncated, .. } | Shape::Foreign { truncated, .. } => *truncated,
        }
    }

    /// Whether the end of the file is the end of the recording, for containers whose demuxer expects more in a live stream.
    pub(crate) fn may_end_anywhere(&self) -> bool {
        self.kind == Kind::Webm && !self.is_truncated()
    }

    /// Whether rate or channels change inside the recording, which only `ffmpeg` decodes.
    pub(crate) fn changes_format(&self) -> bool {
        match &self.shape {
            Shape::Mpeg { stream, .. } => stream.changes,
            Shape::Adts(stream) => stream.changes,
            _ => false,
        }
    }

    /// Minimum playing time in milliseconds according to the frames, if their number is known. The encoder's delay and
    /// padding, which are not played, are subtracted.
    pub(crate) fn min_duration_ms(&self) -> Option<u64> {
        let (samples, sample_rate) = match &self.shape {
            Shape::Mpeg { stream, .. } => (stream.samples, stream.sample_rate),
            Shape::Adts(stream) => (stream.samples, stream.sample_rate),
            _ => return None,
        };
        let ms = samples * 1000 / u64::from(sample_rate.max(1));
        Some(ms.saturating_sub(MAX_ENCODER_MS))
    }

    /// Exact playing time in milliseconds of what `ffmpeg` decodes without its last pause; `None` if it is not known. A cut
    /// recording may state more than it contains.
    pub(crate) fn ffmpeg_duration_ms(&self) -> Option<u64> {
        match &self.shape {
            Shape::Foreign { duration_ms, .. } => *duration_ms,
            Shape::Plain { .. } if self.kind == Kind::Mp4 => {
                mp4::SoundTrack::read(&self.path, self.window()).ok()??.amr_duration_ms()
            }
            _ => None,
        }
    }

    /// Location of the recording in the file, including headers.
    pub(crate) fn window(&self) -> Range<u64> {
        match &self.shape {
            Shape::Foreign { window, .. } => window.clone(),
            Shape::Wav(header) => self.start..header.samples().end,
            Shape::Ogg(OggEnd { end, .. }) | Shape::Plain { end, .. } => self.start..*end,
            Shape::Mpeg { .. } => self.start..self.len,
            Shape::Adts(stream) => stream.frames.clone(),
        }
    }

    /// The header to prepend for `ffmpeg`; empty unless the file's own header is misleading.
    pub(crate) fn header(&self) -> &[u8] {
        match &self.shape {
            Shape::Foreign { header, .. } => header,
            _ => &[],
        }
    }

    /// The input of the built-in demuxer, with a repaired header if required.
    pub(crate) fn open_slice(&self, budget: &Arc<ReadBudget>) -> io::Result<FileSlice> {
        let (prefix, window): (Vec<u8>, Range<u64>) = match &self.shape {
            Shape::Wav(header) if header.is_g711() => (Vec::new(), header.samples()),
            Shape::Wav(header) => (header.rewritten(), header.samples()),
            Shape::Mpeg { stream, .. } => match &stream.corrected_tag {
                Some(tag) => (tag.clone(), stream.frames.start + stream.tag_frame_len..stream.frames.end),
                None => (Vec::new(), stream.frames.clone()),
            },
            Shape::Adts(_) | Shape::Ogg(_) | Shape::Plain { .. } | Shape::Foreign { .. } => {
                (Vec::new(), self.window())
            }
        };
        let slice = FileSlice::new(prefix, File::open(&self.path)?, window, Arc::clone(budget))?;
        Ok(match &self.shape {
            // Demuxers refuse containers that are shorter than declared, unless the length of the file is hidden.
            Shape::Plain { truncated: true, .. } => slice.forward_only(),
            // Without a count the demuxer estimates one from the length of the file, and mutes what is behind it.
            Shape::Mpeg { stream, .. } if !stream.states_frames() => slice.forward_only(),
            Shape::Wav(header) => slice.with_zeros(header.missing_in_block()),
            _ => slice,
        })
    }
}

fn read_head(file: &mut File, start: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut head = Vec::new();
    file.take(HEAD_LEN).read_to_end(&mut head)?;
    Ok(head)
}

/// Names of WAV codecs of telephony systems that only `ffmpeg` decodes (RFC 2361 and mmreg.h).
fn wav_codec_name(codec: u16) -> &'static str {
    match codec {
        0x0031 => "GSM 6.10",
        0x0014 | 0x0042 => "G.723",
        0x0040 | 0x0045 | 0x0064 => "G.726",
        0x0065 | 0x028f => "G.722",
        0x0083 | 0x0133 => "G.729",
        0x0022 => "TrueSpeech",
        0x0055 => "MPEG layer III",
        0x00ff | 0x1600 | 0x1602 => "AAC",
        0x0160..=0x0162 => "Windows Media",
        _ => "unknown",
    }
}
