//! Comparison of decoded samples with those of `ffmpeg`: by alignment and signal-to-noise ratio, not by length alone.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use crate::kit::ffmpeg;

/// Samples of one decoder, interleaved.
pub(crate) struct Signal {
    pub(crate) samples: Vec<f32>,
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
}

impl Signal {
    /// The part between two times, in milliseconds.
    pub(crate) fn part(&self, ms: Range<usize>) -> Self {
        let at = |ms: usize| {
            (ms * self.sample_rate as usize / 1000 * usize::from(self.channels)).min(self.samples.len())
        };
        Self { samples: self.samples[at(ms.start)..at(ms.end)].to_vec(), ..*self }
    }
}

/// Result of a comparison.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Match {
    /// Milliseconds by which our samples come too late (positive) or too early, rounded away from zero.
    pub(crate) lag_ms: i64,
    /// Signal-to-noise ratio after alignment, in dB.
    pub(crate) snr_db: f64,
    /// Difference of the lengths in milliseconds, ours minus the other's, rounded away from zero.
    pub(crate) longer_ms: i64,
}

/// The samples of a file by `ffmpeg`, at the rate and with the channels of `like`. Holes between packets are silence if
/// `timed`.
pub(crate) fn by_ffmpeg(input: &Path, like: &Signal, timed: bool) -> Signal {
    let filter = if timed { "aresample=async=1:first_pts=0:min_hard_comp=0.04" } else { "anull" };
    let run = Command::new(ffmpeg().path)
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(input)
        .args(["-map", "0:a:0", "-af", filter, "-f", "f32le"])
        .args(["-ar", &like.sample_rate.to_string(), "-ac", &like.channels.to_string(), "pipe:1"])
        .output()
        .expect("ffmpeg starts");
    let read = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let samples = run.stdout.chunks_exact(4).map(read).collect();
    Signal { samples, sample_rate: like.sample_rate, channels: like.channels }
}

/// Compares `ours` with `other`, which may be shifted by up to `max_lag` samples. The channels are compared together.
pub(crate) fn compare(ours: &Signal, other: &Signal, max_lag: i64) -> Match {
    let channels = usize::from(ours.channels);
    let lag = (-max_lag..=max_lag)
        .map(|lag| (lag, correlation(ours, other, lag)))
        .max_by(|left, right| left.1.total_cmp(&right.1))
        .map_or(0, |(lag, _)| lag);
    let (mut signal, mut noise) = (0.0, 0.0);
    for (own, theirs) in overlap(ours, other, lag) {
        signal += f64::from(*theirs).powi(2);
        noise += f64::from(own - theirs).powi(2);
    }
    let frames = |signal: &Signal| i64::try_from(signal.samples.len() / channels).expect("a short recording");
    let in_ms = |frames: i64| {
        let ms = (frames.abs() * 1000).unsigned_abs().div_ceil(u64::from(ours.sample_rate));
        frames.signum() * i64::try_from(ms).expect("a short recording")
    };
    Match {
        lag_ms: in_ms(lag),
        snr_db: 10.0 * (signal / noise.max(1e-12)).log10(),
        longer_ms: in_ms(frames(ours) - frames(other)),
    }
}

/// Every `STEP`th sample of a second is enough to find the alignment.
const STEP: usize = 5;

fn correlation(ours: &Signal, other: &Signal, lag: i64) -> f64 {
    let second = ours.sample_rate as usize * usize::from(ours.channels);
    let compared = overlap(ours, other, lag).take(second).step_by(STEP);
    compared.map(|(own, theirs)| f64::from(own * theirs)).sum()
}

fn overlap<'a>(
    ours: &'a Signal,
    other: &'a Signal,
    lag: i64,
) -> impl Iterator<Item = (&'a f32, &'a f32)> + use<'a> {
    let skip = |lag: i64| usize::try_from(lag).unwrap_or(0) * usize::from(ours.channels);
    ours.samples.iter().skip(skip(lag)).zip(other.samples.iter().skip(skip(-lag)))
}
