//! Recordings: limits, and ffmpeg as the fallback decoder.

use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Env, Variable};

const FFMPEG: Variable = Variable::optional(
    "FLYSK_FFMPEG",
    "/usr/bin/ffmpeg",
    "Path of ffmpeg, used for formats without a built-in decoder (GSM, AMR, WMA, G.722).\n\
     Default: ffmpeg from PATH. `none` disables it.",
);
const MAX_SECONDS: Variable = Variable::with_default(
    "FLYSK_AUDIO_MAX_SECONDS",
    "14400",
    "Maximum length of a recording, in seconds. SpeechKit's limit is 4 hours.",
);
const MAX_BYTES: Variable = Variable::with_default(
    "FLYSK_AUDIO_MAX_BYTES",
    "1000000000",
    "Maximum size of a recording, in bytes. SpeechKit's limit is 1 GB.",
);
const DECODE_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "FLYSK_AUDIO_DECODE_TIMEOUT_SECONDS",
    "300",
    "Time limit of decoding one recording, in seconds. The decoder process is killed a little later.",
);
const DECODE_MEMORY_MB: Variable = Variable::with_default(
    "FLYSK_AUDIO_DECODE_MEMORY_MB",
    "768",
    "Memory limit of a decoder process, in MiB of address space. A recording that needs more fails.\n\
     The built-in decoder needs a tenth of the default; ffmpeg maps 300 MiB before it reads a byte.",
);

pub(super) const VARIABLES: &[Variable] =
    &[FFMPEG, MAX_SECONDS, MAX_BYTES, DECODE_TIMEOUT_SECONDS, DECODE_MEMORY_MB];

/// Limits of recordings and of their decoding.
#[derive(Debug, Clone)]
pub struct Audio {
    /// `FLYSK_FFMPEG`: the executable; a bare name is searched in `PATH`, `None` disables ffmpeg.
    pub ffmpeg: Option<PathBuf>,
    /// `FLYSK_AUDIO_MAX_SECONDS`: maximum length of a recording, converted to milliseconds.
    pub max_duration_ms: u64,
    /// `FLYSK_AUDIO_MAX_BYTES`: maximum size of a recording.
    pub max_bytes: u64,
    /// `FLYSK_AUDIO_DECODE_TIMEOUT_SECONDS`: time limit of decoding one recording.
    pub decode_timeout: Duration,
    /// `FLYSK_AUDIO_DECODE_MEMORY_MB`: memory limit of a decoder process, converted to bytes.
    pub decode_memory_bytes: u64,
}

impl Audio {
    /// Reads the variables of audio.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let ffmpeg = vars.optional(&FFMPEG, super::Reader::path);
            let max_seconds = vars.number(&MAX_SECONDS, 1..=14_400_u64);
            let max_bytes = vars.number(&MAX_BYTES, 1_000..=1_000_000_000);
            let decode_timeout = vars.seconds(&DECODE_TIMEOUT_SECONDS, 1..=1_100);
            let decode_memory = vars.number(&DECODE_MEMORY_MB, 1..=65_536_u64);
            let ffmpeg = ffmpeg?.unwrap_or_else(|| PathBuf::from("ffmpeg"));
            Ok(Self {
                ffmpeg: (ffmpeg.as_os_str() != "none").then_some(ffmpeg),
                max_duration_ms: max_seconds? * 1_000,
                max_bytes: max_bytes?,
                decode_timeout: decode_timeout?,
                decode_memory_bytes: decode_memory? << 20,
            })
        })
    }
}
