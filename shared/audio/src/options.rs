//! Options of decoding: limits, `ffmpeg` and its launcher.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::program::Program;

/// Limits of one recording. Defaults: the limits of asynchronous recognition in `SpeechKit` (4 hours, 1 GB) and a decoding
/// time far above that of valid recordings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Maximum size of the input, in bytes.
    pub max_bytes: u64,
    /// Maximum playing time, in milliseconds.
    pub max_duration_ms: u64,
    /// Maximum wall-clock time of decoding.
    pub max_decode_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1_000_000_000,
            max_duration_ms: 4 * 60 * 60 * 1000,
            max_decode_time: Duration::from_mins(10),
        }
    }
}

/// The `ffmpeg` binary for formats without a built-in decoder: GSM, AMR, WMA, G.722 and others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ffmpeg {
    /// Path of the binary.
    pub path: PathBuf,
}

impl Ffmpeg {
    /// Finds `ffmpeg` in a search path with the syntax of `PATH` (`/usr/local/bin:/usr/bin`).
    pub fn find(search_path: &str) -> Option<Self> {
        std::env::split_paths(search_path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("ffmpeg"))
            .find(|path| is_program(path))
            .map(|path| Self { path })
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Options of decoding and preparing one recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Limits of size, playing time and decoding time.
    pub limits: Limits,
    /// The fallback decoder; `None` makes its formats unsupported codecs.
    pub ffmpeg: Option<Ffmpeg>,
    /// The program that starts `ffmpeg` with resource limits; `None` limits `ffmpeg` from outside, after its start.
    pub launcher: Option<Program>,
}
