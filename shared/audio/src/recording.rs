//! A file before decoding: its type, where its audio lies, and whether it could be uploaded as it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::AudioError;
use crate::flac;
use crate::gsm;
use crate::mp4;
use crate::mpeg::{self, MpegStream};
use crate::ogg::OggEnd;
use crate::options::Limits;
use crate::promise;
use crate::riff::{WavHeader, tag};
use crate::sniff::{self, Kind};
use crate::view::{FileView, ReadBudget};
use crate::webm;

/// Bytes of the beginning that are looked at.
const HEAD: u64 = 128 * 1024;

/// What looking at the container without decoding found.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Samples behind a RIFF header.
    Wav(WavHeader),
    /// MPEG layer III frames, bare or inside a WAV.
    Mpeg {
        stream: MpegStream,
        /// The frames are not wrapped in another container.
        bare: bool,
    },
    /// An Ogg stream and how it ends.
    Ogg(OggEnd),
    /// A container that says the rest to its own demuxer.
    Plain {
        /// Where it ends in the file; what follows is no part of it.
        end: u64,
        /// It announces bytes that are not there.
        truncated: bool,
    },
    /// What only `ffmpeg` decodes.
    Foreign {
        /// Its name, for messages.
        what: String,
        /// The part of the file that holds it, headers included.
        window: Range<u64>,
        /// A header to put before the window, which then holds only samples.
        header: Vec<u8>,
        /// It announces bytes that are not there.
        truncated: bool,
    },
}

impl Shape {
    /// A container that ends here in a file of this length, or should end beyond it.
    fn plain(end: Option<u64>, len: u64) -> Self {
        Self::Plain { end: end.unwrap_or(len), truncated: end.is_none() }
    }

    /// What `ffmpeg` reads as it stands.
    fn foreign(what: &str, window: Range<u64>, truncated: bool) -> Self {
        Self::Foreign { what: what.to_owned(), window, header: Vec::new(), truncated }
    }
}

/// A file of a known audio type within the size limit.
#[derive(Debug)]
pub(crate) struct Recording {
    pub path: PathBuf,
    pub kind: Kind,
    pub len: u64,
    pub shape: Shape,
    /// Where the content begins, after ID3 tags and stray bytes.
    pub start: u64,
}

impl Recording {
    /// Opens and judges a file.
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
            return Err(AudioError::Empty); // tags and nothing else
        }
        let Some((kind, stray)) = sniff::locate(&head) else {
            return Err(AudioError::NotAudio { found: sniff::describe(&head).into() });
        };
        let start = start + stray as u64;
        let shape = Self::look(kind, &mut file, start, len)?;
        Ok(Self { path: path.to_owned(), kind, len, shape, start })
    }

    fn look(kind: Kind, file: &mut File, start: u64, len: u64) -> Result<Shape, AudioError> {
        let window = start..len;
        Ok(match kind {
            Kind::Wav => Self::look_at_wav(file, window)?,
            Kind::Mp3 => match MpegStream::inspect(file, window)? {
                Some(stream) => Shape::Mpeg { stream, bare: true },
                None => return Err(AudioError::NotAudio { found: "an ID3 tag without audio".into() }),
            },
            Kind::OggOpus | Kind::OggVorbis | Kind::OggFlac => Shape::Ogg(OggEnd::read(file, window)?),
            Kind::Webm => Shape::plain(webm::end(file, window)?, len),
            Kind::Mp4 => Shape::plain(mp4::end(file, window)?, len),
            Kind::Flac => Shape::plain(Some(flac::end(file, window)?), len),
            Kind::Adts => Shape::plain(Some(len), len),
            Kind::OggSpeex | Kind::Amr | Kind::Asf | Kind::Aiff | Kind::Au | Kind::Caf | Kind::Wave64 => {
                let truncated = match kind {
                    Kind::OggSpeex => !OggEnd::read(file, window.clone())?.complete,
                    _ => promise::is_broken(kind, file, window.clone())?,
                };
                Shape::foreign(kind.name(), window, truncated)
            }
            Kind::Gsm => {
                let (window, truncated) = gsm::extent(file, window)?;
                Shape::foreign(kind.name(), window, truncated)
            }
        })
    }

    fn look_at_wav(file: &mut File, window: Range<u64>) -> Result<Shape, AudioError> {
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
            // A cut at the end of a frame shows only in the header.
            stream.truncated |= header.truncated;
            return Ok(Shape::Mpeg { stream, bare: false });
        }
        let what = format!("codec 0x{:04x} ({}) in WAV", header.codec, wav_codec_name(header.codec));
        let samples = header.samples();
        let truncated = header.truncated;
        Ok(if header.misleading {
            Shape::Foreign { what, window: samples, header: header.rewritten(), truncated }
        } else {
            Shape::foreign(&what, window.start..samples.end, truncated)
        })
    }

    /// The container itself shows that the end is missing.
    pub(crate) fn is_truncated(&self) -> bool {
        match &self.shape {
            Shape::Wav(header) => header.truncated,
            Shape::Mpeg { stream, .. } => stream.truncated,
            Shape::Ogg(end) => !end.complete,
            Shape::Plain { truncated, .. } | Shape::Foreign { truncated, .. } => *truncated,
        }
    }

    /// The part of the file that holds the recording, headers included.
    pub(crate) fn window(&self) -> Range<u64> {
        match &self.shape {
            Shape::Foreign { window, .. } => window.clone(),
            Shape::Wav(header) => self.start..header.samples().end,
            Shape::Ogg(OggEnd { end, .. }) | Shape::Plain { end, .. } => self.start..*end,
            Shape::Mpeg { .. } => self.start..self.len,
        }
    }

    /// What `ffmpeg` has to see before the window; nothing unless the file's own header leads astray.
    pub(crate) fn header(&self) -> &[u8] {
        match &self.shape {
            Shape::Foreign { header, .. } => header,
            _ => &[],
        }
    }

    /// The bytes a native demuxer shall see, with a repaired header in front where one is needed.
    pub(crate) fn view(&self, budget: &Arc<ReadBudget>) -> io::Result<FileView> {
        let (prefix, window): (Vec<u8>, Range<u64>) = match &self.shape {
            Shape::Wav(header) if header.is_g711() => (Vec::new(), header.samples()),
            Shape::Wav(header) => (header.rewritten(), header.samples()),
            Shape::Mpeg { stream, .. } => (Vec::new(), stream.frames.clone()),
            Shape::Ogg(_) | Shape::Plain { .. } | Shape::Foreign { .. } => (Vec::new(), self.window()),
        };
        let view = FileView::new(prefix, File::open(&self.path)?, window, Arc::clone(budget))?;
        // Demuxers refuse what announces an end beyond that of the file, unless they cannot see the latter.
        Ok(if matches!(self.shape, Shape::Plain { truncated: true, .. }) {
            view.forward_only()
        } else {
            view
        })
    }
}

fn read_head(file: &mut File, start: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// Names of WAV codecs that telephonies use and only `ffmpeg` decodes (RFC 2361 and mmreg.h).
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
