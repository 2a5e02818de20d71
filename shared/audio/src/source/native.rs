//! Demuxing and decoding in process with symphonia.

use std::sync::Arc;

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::packet::Packet;
use symphonia::default::formats::{
    AdtsReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader, WavReader,
};

use super::g711::G711Source;
use super::opus::OpusSource;
use super::{PcmFormat, PcmSource, SourceError, Step};
use crate::mp4::EditList;
use crate::recording::{Recording, Shape};
use crate::sniff::Kind;
use crate::view::ReadBudget;

/// Consecutive undecodable packets after which the stream is given up. One bad packet is silence of its
/// length; four in a row at the start are normal for an MP3 that was cut out of a longer one.
const MAX_BAD_IN_ROW: u32 = 64;

/// Opens the decoder for a recording.
pub(crate) fn open_native(recording: &Recording) -> Result<Box<dyn PcmSource>, SourceError> {
    if let Shape::Foreign { what, .. } = &recording.shape {
        return Err(SourceError::Unsupported(what.clone()));
    }
    let budget = Arc::new(ReadBudget::for_file(recording.len));
    let view = recording.view(&budget).map_err(SourceError::Io)?;
    if let Shape::Wav(header) = &recording.shape
        && header.is_g711()
    {
        budget.end_of_header();
        return Ok(Box::new(G711Source::of(header, view)?));
    }
    let stream = view.into_stream();
    let options = FormatOptions::default();
    let reader: Box<dyn FormatReader> = match (&recording.shape, recording.kind) {
        (Shape::Mpeg { .. }, _) => Box::new(MpaReader::try_new(stream, options)?),
        (_, Kind::Wav) => Box::new(WavReader::try_new(stream, options)?),
        (_, Kind::OggOpus | Kind::OggVorbis | Kind::OggFlac) => {
            Box::new(OggReader::try_new(stream, options)?)
        }
        (_, Kind::Webm) => Box::new(MkvReader::try_new(stream, options)?),
        (_, Kind::Flac) => Box::new(FlacReader::try_new(stream, options)?),
        (_, Kind::Mp4) => Box::new(IsoMp4Reader::try_new(stream, options)?),
        (_, Kind::Adts) => Box::new(AdtsReader::try_new(stream, options)?),
        (_, other) => return Err(SourceError::Unsupported(other.name().to_owned())),
    };
    budget.end_of_header();
    let track = reader.default_track(TrackType::Audio).or_else(|| reader.first_track(TrackType::Audio));
    let Some(track) = track else { return Err(SourceError::Unsupported("no audio track".to_owned())) };
    let Some(params) = track.codec_params.as_ref().and_then(|it| it.audio()).cloned() else {
        return Err(SourceError::Unsupported("an unknown codec".to_owned()));
    };
    let (track_id, stated_frames) = (track.id, track.num_frames);
    if params.codec == CODEC_ID_OPUS {
        return Ok(Box::new(OpusSource::open(reader, track_id, &params)?));
    }
    let mut source = NativeSource::open(reader, track_id, &params)?;
    if recording.kind == Kind::Mp4 && params.codec == CODEC_ID_AAC {
        source.trim(EditList::read(&recording.path, recording.window()).map_err(SourceError::Io)?);
    }
    // MP3 and WAV are judged by their own walk, Ogg by its last page.
    if matches!(recording.kind, Kind::Flac | Kind::Mp4) {
        source.stated_frames = stated_frames;
    }
    Ok(Box::new(source))
}

/// One audio track of a container, decoded packet by packet.
struct NativeSource {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    format: PcmFormat,
    /// The block decoded while opening, to learn the format.
    first: Option<Vec<f32>>,
    /// Frames still to be dropped from the start (encoder delay).
    skip: u64,
    /// Frames to deliver before the rest is padding.
    keep: Option<u64>,
    /// Frames the container announces; fewer mean that the end is missing.
    stated_frames: Option<u64>,
    decoded_frames: u64,
    last_frames: usize,
    bad_in_row: u32,
}

impl NativeSource {
    fn open(
        mut reader: Box<dyn FormatReader>,
        track_id: u32,
        params: &AudioCodecParameters,
    ) -> Result<Self, SourceError> {
        let mut decoder =
            symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())?;
        let (mut bad, mut empty) = (0_u32, 0_u32);
        // The headers of some codecs leave rate or channels open: the first decoded packet is the truth.
        let (format, samples) = loop {
            let Some(packet) = next_packet_of(reader.as_mut(), track_id)? else {
                return Err(SourceError::Damaged("no packet could be decoded".to_owned()));
            };
            match decoder.decode(&packet) {
                // Codecs with overlapping blocks have nothing to deliver for the first one.
                Ok(output) if output.frames() == 0 && empty < MAX_BAD_IN_ROW => empty += 1,
                Ok(output) => {
                    let mut samples: Vec<f32> = Vec::new();
                    output.copy_to_vec_interleaved(&mut samples);
                    break (format_of(output.spec())?.checked()?, samples);
                }
                Err(Error::DecodeError(_)) if bad < MAX_BAD_IN_ROW => bad += 1,
                Err(error) => return Err(error.into()),
            }
        };
        let last_frames = samples.len() / usize::from(format.channels);
        // Undecodable packets at the start last as long as any other.
        let mut first = vec![0.0; samples.len() * bad as usize];
        first.extend(samples);
        Ok(Self {
            reader,
            decoder,
            track_id,
            format,
            first: Some(first),
            skip: 0,
            keep: None,
            stated_frames: None,
            decoded_frames: 0,
            last_frames,
            bad_in_row: 0,
        })
    }

    fn trim(&mut self, edit: Option<EditList>) {
        if let Some(edit) = edit {
            self.skip = edit.skip_frames(self.format.sample_rate);
            self.keep = edit.keep_frames(self.format.sample_rate);
        }
    }

    fn decode(&mut self, packet: &Packet, block: &mut Vec<f32>) -> Result<(), SourceError> {
        match self.decoder.decode(packet) {
            Ok(output) => {
                if format_of(output.spec())? != self.format {
                    return Err(SourceError::FormatChanged);
                }
                output.copy_to_vec_interleaved(block);
                self.last_frames = output.frames();
                self.bad_in_row = 0;
            }
            Err(Error::DecodeError(_)) if self.bad_in_row < MAX_BAD_IN_ROW => {
                // Silence of the same length keeps the times of all that follows.
                block.resize(self.last_frames * usize::from(self.format.channels), 0.0);
                self.bad_in_row += 1;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Drops encoder delay from the start and padding from the end of `block`.
    fn cut_to_edit(&mut self, block: &mut Vec<f32>) {
        let channels = usize::from(self.format.channels);
        let frames = (block.len() / channels) as u64;
        let skipped = self.skip.min(frames);
        self.skip -= skipped;
        if skipped > 0 {
            block.drain(..usize::try_from(skipped).unwrap_or(0) * channels);
        }
        if let Some(keep) = &mut self.keep {
            let kept = (frames - skipped).min(*keep);
            *keep -= kept;
            block.truncate(usize::try_from(kept).unwrap_or(0) * channels);
        }
    }
}

impl PcmSource for NativeSource {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError> {
        block.clear();
        if let Some(first) = self.first.take() {
            *block = first;
        } else {
            let packet = match next_packet_of(self.reader.as_mut(), self.track_id) {
                Ok(Some(packet)) => packet,
                Ok(None) => {
                    let short = self.stated_frames.is_some_and(|stated| self.decoded_frames < stated);
                    return Ok(if short { Step::Cut } else { Step::End });
                }
                Err(SourceError::Io(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Ok(Step::Cut);
                }
                Err(error) => return Err(error),
            };
            self.decode(&packet, block)?;
        }
        self.decoded_frames += (block.len() / usize::from(self.format.channels)) as u64;
        self.cut_to_edit(block);
        Ok(Step::Block)
    }
}

/// The next packet of one track; `None` at the end.
pub(super) fn next_packet_of(
    reader: &mut dyn FormatReader,
    track_id: u32,
) -> Result<Option<Packet>, SourceError> {
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == track_id => return Ok(Some(packet)),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            // A second stream was appended to the first one.
            Err(Error::ResetRequired) => return Err(SourceError::FormatChanged),
            Err(error) => return Err(error.into()),
        }
    }
}

fn format_of(spec: &symphonia::core::audio::AudioSpec) -> Result<PcmFormat, SourceError> {
    let channels = u16::try_from(spec.channels().count())
        .map_err(|_| SourceError::Unsupported("thousands of channels".to_owned()))?;
    Ok(PcmFormat { sample_rate: spec.rate(), channels })
}

impl From<Error> for SourceError {
    fn from(error: Error) -> Self {
        match error {
            Error::IoError(error) => Self::Io(error),
            Error::Unsupported(what) => Self::Unsupported(what.to_owned()),
            Error::ResetRequired => Self::FormatChanged,
            other => Self::Damaged(other.to_string()),
        }
    }
}
