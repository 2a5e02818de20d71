//! Opus packets from Ogg, `WebM` or MP4, decoded by libopus.

use opus::{Channels, Decoder};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::formats::{FormatReader, Track};
use symphonia::core::packet::Packet;

use super::packets::next_packet_of;
use super::timeline::{Timeline, take_lead};
use super::{PcmFormat, PcmSource, SourceError, Step};
use crate::kind::Kind;
use crate::mp4::SoundTrack;
use crate::recording::Recording;

/// Clock rate of times in Opus containers, independent of the decoder's rate (RFC 7845, 4).
const CLOCK_HZ: u32 = 48_000;
/// Maximum length of a packet's audio, in milliseconds (RFC 6716, 2.1.4).
const MAX_PACKET_MS: usize = 120;

/// The identification header (RFC 7845, 5.1), stored as codec private data in `WebM`. MP4 stores the same fields in big-endian
/// order with version 0 (`Encapsulation of Opus in ISO Base Media File Format`, 4.3.2).
struct OpusHead {
    channels: u8,
    pre_skip: u16,
    input_rate: u32,
    gain: i16,
    mapping_family: u8,
}

impl OpusHead {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; 19] = bytes.get(..19)?.try_into().ok()?;
        let in_mp4 = head[8] == 0;
        let word = |at: usize| if in_mp4 { [head[at + 1], head[at]] } else { [head[at], head[at + 1]] };
        let mut rate = [head[12], head[13], head[14], head[15]];
        if in_mp4 {
            rate.reverse();
        }
        head.starts_with(b"OpusHead").then(|| Self {
            channels: head[9],
            pre_skip: u16::from_le_bytes(word(10)),
            input_rate: u32::from_le_bytes(rate),
            gain: i16::from_le_bytes(word(16)),
            mapping_family: head[18],
        })
    }

    /// Rate to which libopus decodes directly: telephone rate if the encoder's input had it, otherwise the highest rate that
    /// recognition uses.
    fn decode_rate(&self) -> u32 {
        if (1..=8_000).contains(&self.input_rate) { 8_000 } else { 16_000 }
    }
}

pub(super) struct OpusSource {
    reader: Box<dyn FormatReader>,
    decoder: Decoder,
    format: PcmFormat,
    /// Remaining frames of silence before the track begins.
    lead: u64,
    skip: u64,
    /// Remaining frames to return; the rest is padding.
    keep: Option<u64>,
    last_frames: usize,
    timed: bool,
    track: Track,
    /// Times of packets, from the first one on.
    timeline: Option<Timeline>,
    reduced: bool,
    /// Whether the end of the file is the end of the recording.
    open_end: bool,
}

impl OpusSource {
    pub(super) fn open(
        reader: Box<dyn FormatReader>,
        track: &Track,
        params: &AudioCodecParameters,
        recording: &Recording,
    ) -> Result<Self, SourceError> {
        let head = params.extra_data.as_deref().and_then(OpusHead::parse);
        let Some(head) = head else { return Err(SourceError::Damaged("no Opus header".to_owned())) };
        let channels = match (head.mapping_family, head.channels) {
            (0, 1) => Channels::Mono,
            (0, 2) => Channels::Stereo,
            (family, count) => {
                return Err(SourceError::Unsupported(format!(
                    "Opus mapping family {family}, {count} channels"
                )));
            }
        };
        let sample_rate = head.decode_rate();
        let mut decoder = Decoder::new(sample_rate, channels).map_err(|error| opus_error(&error))?;
        decoder.set_gain(i32::from(head.gain)).map_err(|error| opus_error(&error))?;
        let skip = u64::from(u32::from(head.pre_skip) / (CLOCK_HZ / sample_rate));
        let format = PcmFormat { sample_rate, channels: u16::from(head.channels) };
        Ok(Self {
            reader,
            decoder,
            format,
            lead: 0,
            skip,
            keep: None,
            last_frames: 0,
            timed: matches!(recording.kind, Kind::Webm | Kind::Mp4),
            track: track.clone(),
            timeline: None,
            reduced: false,
            open_end: recording.may_end_anywhere(),
        })
    }

    /// Applies what an MP4 says about the place of the samples. Its edit skips the same samples as the header.
    pub(super) fn place(&mut self, sound: Option<SoundTrack>) {
        let Some(sound) = sound else { return };
        self.reduced = sound.has_holes;
        if let Some(edit) = sound.edit {
            self.lead = edit.lead_frames(self.format.sample_rate);
            self.keep = edit.keep_frames(self.format.sample_rate);
        }
    }

    /// The next packet, unless silence is due before it; `Err` with the end of the recording.
    fn next_packet(&mut self) -> Result<Option<Packet>, Result<Step, SourceError>> {
        if let Some(packet) = self.timeline.as_mut().and_then(Timeline::waiting) {
            return Ok(Some(packet));
        }
        let packet = match next_packet_of(self.reader.as_mut(), self.track.id) {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(Ok(Step::End)),
            Err(SourceError::Io(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Ok(if self.open_end { Step::End } else { Step::Cut }));
            }
            Err(error) => return Err(Err(error)),
        };
        if self.timed && self.timeline.is_none() {
            let rate = self.format.sample_rate;
            let origin = packet.pts.get();
            self.timeline = self.track.time_base.map(|base| Timeline::new(base, rate, origin, 0));
        }
        Ok(match &mut self.timeline {
            Some(timeline) => timeline.follow(packet),
            None => Some(packet),
        })
    }

    /// Decodes a packet into `block`; returns its samples per channel.
    fn decode(&mut self, packet: &Packet, block: &mut Vec<f32>) -> usize {
        let channels = usize::from(self.format.channels);
        block.resize(self.format.sample_rate as usize * MAX_PACKET_MS / 1000 * channels, 0.0);
        // An undecodable packet becomes silence with the length of the previous one.
        let frames = if packet.data.is_empty() {
            0
        } else {
            self.decoder.decode_float(&packet.data, block, false).unwrap_or_else(|_| {
                block.fill(0.0);
                self.last_frames
            })
        };
        self.last_frames = frames;
        if let Some(timeline) = &mut self.timeline {
            timeline.add(frames as u64);
        }
        // Only the last packet of an Ogg stream is trimmed at its end, according to the granule position.
        frames.saturating_sub(self.in_frames(packet.trim_end.get()))
    }

    fn in_frames(&self, ticks: u64) -> usize {
        usize::try_from(ticks / u64::from(CLOCK_HZ / self.format.sample_rate)).unwrap_or(usize::MAX)
    }
}

impl PcmSource for OpusSource {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn is_reduced(&self) -> bool {
        self.reduced
    }

    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError> {
        block.clear();
        let channels = usize::from(self.format.channels);
        if take_lead(&mut self.lead, block, self.format.channels) {
            return Ok(Step::Block);
        }
        let count = self.format.channels;
        let in_hole = self.timeline.as_mut().is_some_and(|it| it.take_silence(block, count));
        let decoded = if in_hole {
            block.len() / channels
        } else {
            match self.next_packet() {
                Ok(Some(packet)) => self.decode(&packet, block),
                Ok(None) => return Ok(Step::Block),
                Err(end) => return end,
            }
        };
        block.truncate(decoded * channels);
        let skipped = self.skip.min(decoded as u64);
        self.skip -= skipped;
        block.drain(..usize::try_from(skipped).unwrap_or(0) * channels);
        if let Some(keep) = &mut self.keep {
            let kept = ((block.len() / channels) as u64).min(*keep);
            *keep -= kept;
            block.truncate(usize::try_from(kept).unwrap_or(0) * channels);
        }
        Ok(Step::Block)
    }
}

fn opus_error(error: &opus::Error) -> SourceError {
    SourceError::Damaged(format!("libopus: {}", error.description()))
}
