//! What a caller may set: limits, and where `ffmpeg` is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::confine::Program;

/// Bounds on one recording. The defaults are those of asynchronous recognition in `SpeechKit`
/// (4 hours, 1 GB) and a decoding time no healthy recording comes near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest input, in bytes.
    pub max_bytes: u64,
    /// Longest audio, in milliseconds of playing time.
    pub max_duration_ms: u64,
    /// Longest time one decoding may take by the wall clock.
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

/// The `ffmpeg` binary that decodes what we cannot: GSM, AMR, WMA, G.722 and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ffmpeg {
    /// Path of the binary.
    pub path: PathBuf,
}

impl Ffmpeg {
    /// Finds `ffmpeg` in a search path written as the `PATH` variable is (`/usr/local/bin:/usr/bin`).
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

/// How one recording is decoded and prepared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Bounds on size, playing time and decoding time.
    pub limits: Limits,
    /// The fallback decoder; without it, what it alone can decode is an unsupported codec.
    pub ffmpeg: Option<Ffmpeg>,
    /// The program that starts `ffmpeg` within bounds; without it `ffmpeg` is bounded from outside, after its start.
    pub launcher: Option<Program>,
}
