//! Audio formats and channel layouts of calls.

use serde::Serialize;

use crate::UnknownText;

/// Format of the recognised file, as in SpeechKit's `containerAudioType`.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(
    serialize_all = "SCREAMING_SNAKE_CASE",
    parse_err_ty = UnknownText,
    parse_err_fn = UnknownText::of::<Self>
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AudioContainer {
    /// 16-bit PCM in WAV.
    Wav,
    /// Opus in Ogg; SpeechKit refuses Vorbis.
    OggOpus,
    /// MPEG layer III.
    Mp3,
}

impl AudioContainer {
    /// Media type of the format.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::OggOpus => "audio/ogg",
            Self::Mp3 => "audio/mpeg",
        }
    }
}

/// Distribution of the speakers over the channels of a recording.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelLayout {
    /// One channel with all speakers.
    Mono,
    /// Two channels, one for each side of the call.
    Stereo,
    /// Two channels with identical sound.
    DoubledMono,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextEnum as _;

    #[test]
    fn columns_and_requests_name_a_container_alike() {
        for (container, name) in [
            (AudioContainer::Wav, "WAV"),
            (AudioContainer::OggOpus, "OGG_OPUS"),
            (AudioContainer::Mp3, "MP3"),
        ] {
            assert_eq!((container.as_str(), name.parse()), (name, Ok(container)));
            assert_eq!(serde_json::to_value(container).unwrap(), name);
        }
        assert_eq!(ChannelLayout::DoubledMono.as_str(), "doubled_mono");
    }
}
