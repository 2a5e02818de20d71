//! Opus packets from Ogg or `WebM`, decoded by libopus.

use opus::{Channels, Decoder};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::formats::FormatReader;

use super::native::next_packet_of;
use super::{PcmFormat, PcmSource, SourceError, Step};

/// Times in Opus containers are counted at this rate, whatever the decoder delivers (RFC 7845, 4).
const CLOCK_HZ: u32 = 48_000;
/// Longest audio of one packet, in milliseconds (RFC 6716, 2.1.4).
const MAX_PACKET_MS: usize = 120;

/// The identification header (RFC 7845, 5.1), which `WebM` keeps as codec private data.
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
        head.starts_with(b"OpusHead").then(|| Self {
            channels: head[9],
            pre_skip: u16::from_le_bytes([head[10], head[11]]),
            input_rate: u32::from_le_bytes([head[12], head[13], head[14], head[15]]),
            gain: i16::from_le_bytes([head[16], head[17]]),
            mapping_family: head[18],
        })
    }

    /// libopus decodes straight to the rate we need: that of a telephone if the encoder was fed with it,
    /// the highest that recognition uses otherwise.
    fn decode_rate(&self) -> u32 {
        if (1..=8_000).contains(&self.input_rate) { 8_000 } else { 16_000 }
    }
}

pub(super) struct OpusSource {
    reader: Box<dyn FormatReader>,
    decoder: Decoder,
    track_id: u32,
    format: PcmFormat,
    skip: u64,
    last_frames: usize,
}

impl OpusSource {
    pub(super) fn open(
        reader: Box<dyn FormatReader>,
        track_id: u32,
        params: &AudioCodecParameters,
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
        let mut decoder = Decoder::new(sample_rate, channels).map_err(|error| broken(&error))?;
        decoder.set_gain(i32::from(head.gain)).map_err(|error| broken(&error))?;
        let skip = u64::from(u32::from(head.pre_skip) / (CLOCK_HZ / sample_rate));
        let format = PcmFormat { sample_rate, channels: u16::from(head.channels) };
        Ok(Self { reader, decoder, track_id, format, skip, last_frames: 0 })
    }

    fn in_frames(&self, ticks: u64) -> usize {
        usize::try_from(ticks / u64::from(CLOCK_HZ / self.format.sample_rate)).unwrap_or(usize::MAX)
    }
}

impl PcmSource for OpusSource {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError> {
        block.clear();
        let packet = match next_packet_of(self.reader.as_mut(), self.track_id) {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(Step::End),
            Err(SourceError::Io(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Ok(Step::Cut);
            }
            Err(error) => return Err(error),
        };
        let channels = usize::from(self.format.channels);
        block.resize(self.format.sample_rate as usize * MAX_PACKET_MS / 1000 * channels, 0.0);
        // An undecodable packet is silence of the length of the one before it.
        let frames = if packet.data.is_empty() {
            0
        } else {
            self.decoder.decode_float(&packet.data, block, false).unwrap_or_else(|_| {
                block.fill(0.0);
                self.last_frames
            })
        };
        self.last_frames = frames;
        // Only the last packet of an Ogg stream is trimmed at its end, by the granule position.
        let kept = frames.saturating_sub(self.in_frames(packet.trim_end.get()));
        block.truncate(kept * channels);
        let skipped = self.skip.min(kept as u64);
        self.skip -= skipped;
        block.drain(..usize::try_from(skipped).unwrap_or(0) * channels);
        Ok(Step::Block)
    }
}

fn broken(error: &opus::Error) -> SourceError {
    SourceError::Damaged(format!("libopus: {}", error.description()))
}
