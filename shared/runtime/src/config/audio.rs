//! Recordings: limits, and the tool of last resort.

use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Env, Variable};

const FFMPEG: Variable = Variable::optional(
    "FLYSK_FFMPEG",
    "/usr/bin/ffmpeg",
    "ffmpeg, for the formats we do not decode ourselves (GSM, AMR, WMA, G.722).\n\
     Looked for in PATH when not set; `none` forbids it.",
);
const MAX_SECONDS: Variable = Variable::with_default(
    "FLYSK_AUDIO_MAX_SECONDS",
    "14400",
    "Longest recording taken, in seconds; SpeechKit takes 4 hours.",
);
const MAX_BYTES: Variable = Variable::with_default(
    "FLYSK_AUDIO_MAX_BYTES",
    "1000000000",
    "Largest recording taken, in bytes; SpeechKit takes 1 GB.",
);
const DECODE_TIMEOUT_SECONDS: Variable = Variable::with_default(
    "FLYSK_AUDIO_DECODE_TIMEOUT_SECONDS",
    "300",
    "Longest time one recording may take to decode, in seconds. Its process is killed a little later.",
);
const DECODE_MEMORY_MB: Variable = Variable::with_default(
    "FLYSK_AUDIO_DECODE_MEMORY_MB",
    "768",
    "Memory of each process that decodes a recording, in MiB of address space; a recording that takes more fails.\n\
     Our own decoder needs a tenth of it, ffmpeg maps 300 before it reads a byte.",
);
const MIN_SPEECH_MS: Variable = Variable::with_default(
    "FLYSK_AUDIO_MIN_SPEECH_MS",
    "100",
    "Recordings with less speech than this end as `no speech` and cost nothing, in milliseconds.",
);

pub(super) const VARIABLES: &[Variable] =
    &[FFMPEG, MAX_SECONDS, MAX_BYTES, DECODE_TIMEOUT_SECONDS, DECODE_MEMORY_MB, MIN_SPEECH_MS];

/// What recordings are taken.
#[derive(Debug, Clone)]
pub struct Audio {
    /// `FLYSK_FFMPEG`: the executable; a bare name is looked for in `PATH`, `None` forbids its use.
    pub ffmpeg: Option<PathBuf>,
    /// `FLYSK_AUDIO_MAX_SECONDS`: longest recording, in milliseconds here.
    pub max_duration_ms: u64,
    /// `FLYSK_AUDIO_MAX_BYTES`: largest recording.
    pub max_bytes: u64,
    /// `FLYSK_AUDIO_DECODE_TIMEOUT_SECONDS`: longest decoding.
    pub decode_timeout: Duration,
    /// `FLYSK_AUDIO_DECODE_MEMORY_MB`: memory of a process that decodes, in bytes here.
    pub decode_memory_bytes: u64,
    /// `FLYSK_AUDIO_MIN_SPEECH_MS`: less speech than this is none.
    pub min_speech_ms: u64,
}

impl Audio {
    /// Reads the concern.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let ffmpeg = vars.optional(&FFMPEG, super::Reader::path);
            let max_seconds = vars.number(&MAX_SECONDS, 1..=14_400_u64);
            let max_bytes = vars.number(&MAX_BYTES, 1_000..=1_000_000_000);
            let decode_timeout = vars.seconds(&DECODE_TIMEOUT_SECONDS, 1..=1_100);
            let decode_memory = vars.number(&DECODE_MEMORY_MB, 1..=65_536_u64);
            let min_speech_ms = vars.number(&MIN_SPEECH_MS, 0..=60_000);
            let ffmpeg = ffmpeg?.unwrap_or_else(|| PathBuf::from("ffmpeg"));
            Ok(Self {
                ffmpeg: (ffmpeg.as_os_str() != "none").then_some(ffmpeg),
                max_duration_ms: max_seconds? * 1_000,
                max_bytes: max_bytes?,
                decode_timeout: decode_timeout?,
                decode_memory_bytes: decode_memory? << 20,
                min_speech_ms: min_speech_ms?,
            })
        })
    }
}
