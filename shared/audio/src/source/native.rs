//! Built-in decoder: demuxing and decoding in process with symphonia.

use std::sync::Arc;

use symphonia::core::audio::{Audio as _, AudioSpec, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_OPUS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::packet::Packet;
use symphonia::default::formats::{
    AdtsReader, FlacReader, IsoMp4Reader, MkvReader, MpaReader, OggReader, WavReader,
};

use super::g711::G711Source;
use super::opus::OpusSource;
use super::packets::next_packet_of;
use super::timeline::{Timeline, take_lead};
use super::{PcmFormat, PcmSource, SourceError, Step};
use crate::aac;
use crate::file_slice::ReadBudget;
use crate::kind::Kind;
use crate::mp4::{EditList, SoundTrack, known_duration};
use crate::recording::{Recording, Shape};

/// Maximum number of consecutive undecodable packets. One bad packet becomes silence of its length. Four in a row at the
/// start are normal for an MP3 that was cut out of a longer one.
const MAX_CONSECUTIVE_BAD_PACKETS: u32 = 64;

/// Maximum rate of the core of HE-AAC, in Hz, with which band replication adds something that recognition uses.
const MAX_CORE_RATE: u32 = 12_000;

/// Opens the decoder for a recording.
pub(crate) fn open_native(recording: &Recording) -> Result<Box<dyn PcmSource>, SourceError> {
    if let Shape::Foreign { what, .. } = &recording.shape {
        return Err(SourceError::Unsupported(what.clone()));
    }
    if recording.changes_format() {
        return Err(SourceError::FormatChanged);
    }
    let budget = Arc::new(ReadBudget::for_file(recording.len));
    let slice = recording.open_slice(&budget).map_err(SourceError::Io)?;
    if let Shape::Wav(header) = &recording.shape
        && header.is_g711()
    {
        budget.end_of_header();
        return Ok(Box::new(G711Source::new(header, slice)?));
    }
    let reader = open_demuxer(recording, slice.into_stream())?;
    budget.end_of_header();
    let track = reader.default_track(TrackType::Audio).or_else(|| reader.first_track(TrackType::Audio));
    let Some(track) = track.cloned() else {
        return Err(SourceError::Unsupported("no audio track".to_owned()));
    };
    let Some(params) = track.codec_params.as_ref().and_then(|it| it.audio()) else {
        return Err(SourceError::Unsupported("unknown codec".to_owned()));
    };
    let sound = if recording.kind == Kind::Mp4 {
        SoundTrack::read(&recording.path, recording.window()).map_err(SourceError::Io)?
    } else {
        None
    };
    if params.codec == CODEC_ID_OPUS {
        let mut source = OpusSource::open(reader, &track, params, recording)?;
        source.place(sound);
        return Ok(Box::new(source));
    }
    let mut source = NativeSource::open(reader, &track, params, recording)?;
    source.place(recording, params.codec == CODEC_ID_AAC, sound);
    Ok(Box::new(source))
}

fn open_demuxer(
    recording: &Recording,
    stream: MediaSourceStream<'static>,
) -> Result<Box<dyn FormatReader>, SourceError> {
    let options = FormatOptions::default();
    Ok(match (&recording.shape, recording.kind) {
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
    })
}

/// Maximum error of a length that is stated by another clock than that of the samples, in milliseconds.
const MAX_ROUNDING_MS: u64 = 15;

/// The length of a track in samples at another rate than that of its clock; `None` if the container does not state it.
fn stated_frames(track: &Track, sample_rate: u32) -> Option<u64> {
    let (base, duration) = (track.time_base?, known_duration(track.duration?.get())?);
    let frames = u128::from(duration) * u128::from(base.numer.get()) * u128::from(sample_rate)
        / u128::from(base.denom.get());
    // Another clock rounds the length of each packet.
    let exact = base.numer.get() == 1 && base.denom.get() == sample_rate;
    let rounding = if exact { 0 } else { u64::from(sample_rate) * MAX_ROUNDING_MS / 1000 };
    u64::try_from(frames).ok().map(|frames| frames.saturating_sub(rounding)).filter(|&frames| frames > 0)
}

/// One audio track of a container, decoded packet by packet.
struct NativeSource {
    reader: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track_id: u32,
    format: PcmFormat,
    /// Remaining frames of silence before the track begins.
    lead: u64,
    /// Times of packets, if the container has them.
    timeline: Option<Timeline>,
    /// Unused bits above the samples of PCM, by which they are too quiet.
    unused_above: u16,
    reduced: bool,
    /// Whether the end of the file is the end of the recording.
    open_end: bool,
    /// The first block, which is decoded while opening to get the format.
    first: Option<Vec<f32>>,
    /// Remaining frames to drop at the start (encoder delay).
    skip: u64,
    /// Remaining frames to return; the rest is padding.
    keep: Option<u64>,
    /// Number of frames that the container declares. With fewer frames the end is missing.
    stated_frames: Option<u64>,
    decoded_frames: u64,
    last_frames: usize,
    bad_in_row: u32,
}

impl NativeSource {
    fn open(
        mut reader: Box<dyn FormatReader>,
        track: &Track,
        params: &AudioCodecParameters,
        recording: &Recording,
    ) -> Result<Self, SourceError> {
        let mut decoder =
            symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())?;
        let (mut bad, mut empty) = (0_u32, 0_u32);
        // Some codecs' headers lack rate or channels, so take them from the first decoded packet.
        let (format, samples, pts) = loop {
            let Some(packet) = next_packet_of(reader.as_mut(), track.id)? else {
                return Err(SourceError::Damaged("no packet could be decoded".to_owned()));
            };
            match decoder.decode(&packet) {
                // Codecs with overlapping blocks return no samples for the first block.
                Ok(output) if output.frames() == 0 && empty < MAX_CONSECUTIVE_BAD_PACKETS => empty += 1,
                Ok(output) => {
                    let mut samples: Vec<f32> = Vec::new();
                    interleave(&output, &mut samples);
                    break (format_of(output.spec())?.checked()?, samples, packet.pts.get());
                }
                Err(Error::DecodeError(_)) if bad < MAX_CONSECUTIVE_BAD_PACKETS => bad += 1,
                Err(error) => return Err(error.into()),
            }
        };
        let last_frames = samples.len() / usize::from(format.channels);
        let before = last_frames as u64 * u64::from(bad);
        // Undecodable packets at the start count with the length of a regular packet.
        let mut first = vec![0.0; samples.len() * bad as usize];
        first.extend(samples);
        let timed = matches!(recording.kind, Kind::Webm | Kind::Mp4);
        let announced = params.extra_data.as_deref().is_some_and(aac::is_high_efficiency);
        // ADTS does not announce band replication, so a low rate counts.
        let likely = recording.kind == Kind::Adts && format.sample_rate <= MAX_CORE_RATE;
        Ok(Self {
            reader,
            decoder,
            track_id: track.id,
            format,
            lead: 0,
            timeline: track
                .time_base
                .filter(|_| timed)
                .map(|base| Timeline::new(base, format.sample_rate, pts, before)),
            unused_above: 0,
            reduced: params.codec == CODEC_ID_AAC && (announced || likely),
            open_end: recording.may_end_anywhere(),
            first: Some(first),
            skip: 0,
            keep: None,
            // MP3, ADTS and WAV are checked by walking their frames or chunks, Ogg by its last page.
            stated_frames: stated_frames(track, format.sample_rate)
                .filter(|_| matches!(recording.kind, Kind::Flac | Kind::Mp4)),
            decoded_frames: 0,
            last_frames,
            bad_in_row: 0,
        })
    }

    /// Applies what the container says about the place of the samples.
    fn place(&mut self, recording: &Recording, has_delay: bool, sound: Option<SoundTrack>) {
        if let Shape::Wav(header) = &recording.shape {
            self.keep = header.adpcm_frames();
            self.unused_above = header.unused_above;
        }
        let Some(sound) = sound else { return };
        self.reduced |= sound.has_holes;
        let Some(edit) = sound.edit else { return };
        self.lead = edit.lead_frames(self.format.sample_rate);
        if has_delay {
            self.trim(edit);
        }
    }

    fn trim(&mut self, edit: EditList) {
        self.skip = edit.skip_frames(self.format.sample_rate);
        self.keep = edit.keep_frames(self.format.sample_rate);
    }

    /// The next packet, unless silence is due before it; `Err` with the end of the recording.
    fn next_packet(&mut self) -> Result<Option<Packet>, Result<Step, SourceError>> {
        if let Some(packet) = self.timeline.as_mut().and_then(Timeline::waiting) {
            return Ok(Some(packet));
        }
        let packet = match next_packet_of(self.reader.as_mut(), self.track_id) {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                let short = self.stated_frames.is_some_and(|stated| self.decoded_frames < stated);
                return Err(Ok(if short { Step::Cut } else { Step::End }));
            }
            Err(SourceError::Io(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Ok(if self.open_end { Step::End } else { Step::Cut }));
            }
            Err(error) => return Err(Err(error)),
        };
        Ok(match &mut self.timeline {
            Some(timeline) => timeline.follow(packet),
            None => Some(packet),
        })
    }

    /// Moves samples from the lower end of their container to the upper one.
    fn raise(&self, block: &mut [f32]) {
        if self.unused_above > 0 {
            let factor = 2_f32.powi(i32::from(self.unused_above));
            for sample in block {
                let raised = *sample * factor;
                // Without a sign in the unused bits, negative samples are above the range.
                *sample = if raised >= 1.0 { raised - 2.0 } else { raised };
            }
        }
    }

    fn decode(&mut self, packet: &Packet, block: &mut Vec<f32>) -> Result<(), SourceError> {
        match self.decoder.decode(packet) {
            Ok(output) => {
                if format_of(output.spec())? != self.format {
                    return Err(SourceError::FormatChanged);
                }
                interleave(&output, block);
                self.last_frames = output.frames();
                self.bad_in_row = 0;
            }
            Err(Error::DecodeError(_)) if self.bad_in_row < MAX_CONSECUTIVE_BAD_PACKETS => {
                // Silence of the same length keeps later times correct.
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

    fn is_reduced(&self) -> bool {
        self.reduced
    }

    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError> {
        block.clear();
        if take_lead(&mut self.lead, block, self.format.channels) {
            return Ok(Step::Block);
        }
        let channels = self.format.channels;
        let in_hole = self.timeline.as_mut().is_some_and(|it| it.take_silence(block, channels));
        if !in_hole {
            if let Some(first) = self.first.take() {
                *block = first;
            } else {
                match self.next_packet() {
                    Ok(Some(packet)) => self.decode(&packet, block)?,
                    Ok(None) => return Ok(Step::Block),
                    Err(end) => return end,
                }
            }
            let frames = (block.len() / usize::from(channels)) as u64;
            if let Some(timeline) = &mut self.timeline {
                timeline.add(frames);
            }
        }
        self.decoded_frames += (block.len() / usize::from(channels)) as u64;
        self.raise(block);
        self.cut_to_edit(block);
        Ok(Step::Block)
    }
}

/// Replaces the content of `block` with the decoded samples.
fn interleave(output: &GenericAudioBufferRef<'_>, block: &mut Vec<f32>) {
    // Floats of one or two channels are the usual case. The general conversion takes each sample on its own.
    if let GenericAudioBufferRef::F32(buffer) = output {
        match (buffer.num_planes(), buffer.plane(0), buffer.plane(1)) {
            (1, Some(only), _) => {
                block.clear();
                block.extend_from_slice(only);
                return;
            }
            (2, Some(left), Some(right)) => {
                block.resize(2 * left.len(), 0.0);
                let (frames, _) = block.as_chunks_mut::<2>();
                for (frame, (left, right)) in frames.iter_mut().zip(left.iter().zip(right)) {
                    *frame = [*left, *right];
                }
                return;
            }
            _ => {}
        }
    }
    output.copy_to_vec_interleaved(block);
}

fn format_of(spec: &AudioSpec) -> Result<PcmFormat, SourceError> {
    let channels = u16::try_from(spec.channels().count())
        .map_err(|_| SourceError::Unsupported("too many channels".to_owned()))?;
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
