//! Call progress tones: ring-back and busy tones before the call is answered.

use std::f32::consts::{PI, TAU};

use crate::simd;

/// Ring-back and busy tones are 425 Hz in the served countries; ITU-T E.180 allows 400 to 450 Hz. Three probes cover this
/// band for frames of 20 ms, whose resolution is 50 Hz.
const PROBES_HZ: [f32; 3] = [400.0, 425.0, 450.0];
/// Minimum share of a frame's power in one probe for a pure tone. A tone in the middle between two probes has 0.8; voiced
/// speech is spread over its harmonics and has less than 0.5.
const MIN_TONE_SHARE: f32 = 0.7;
/// Number of samples averaged into one before probing. A quarter of telephone rate still covers 1 kHz.
const DECIMATION: usize = 4;

/// Detects frames of a pure call progress tone by correlation with sines.
#[derive(Debug, Clone)]
pub(crate) struct ToneProbe {
    probes: [Probe; 3],
    averaged: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Probe {
    sine: Vec<f32>,
    cosine: Vec<f32>,
    /// Share of a tone's power that remains after averaging.
    kept: f32,
}

impl ToneProbe {
    /// A probe for frames of at most `frame_len` samples.
    pub(crate) fn new(sample_rate: f32, frame_len: usize) -> Self {
        let len = frame_len / DECIMATION + 1;
        Self { probes: PROBES_HZ.map(|hertz| Probe::new(hertz / sample_rate, len)), averaged: Vec::new() }
    }

    /// Whether `frame` is a call progress tone; `energy` is its sum of squares.
    pub(crate) fn is_tone(&mut self, frame: &[f32], energy: f32) -> bool {
        self.averaged.clear();
        self.averaged.extend(frame.chunks_exact(DECIMATION).map(|it| it.iter().sum::<f32>() * 0.25));
        #[expect(clippy::cast_precision_loss, reason = "a frame has some hundred samples")]
        let full = energy / DECIMATION as f32 * self.averaged.len() as f32 / 2.0;
        self.probes.iter().any(|probe| probe.power(&self.averaged) > MIN_TONE_SHARE * full * probe.kept)
    }
}

impl Probe {
    /// A probe for a frequency in `cycles` per sample before averaging.
    fn new(cycles: f32, len: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "4, and some hundred samples")]
        let (averaged, phases) =
            (DECIMATION as f32, (0..len).map(|it| TAU * cycles * DECIMATION as f32 * it as f32));
        let kept = ((PI * cycles * averaged).sin() / (averaged * (PI * cycles).sin())).powi(2);
        let (sine, cosine) = phases.map(f32::sin_cos).unzip();
        Self { sine, cosine, kept }
    }

    fn power(&self, samples: &[f32]) -> f32 {
        let (sine, cosine) = (simd::dot(samples, &self.sine), simd::dot(samples, &self.cosine));
        sine * sine + cosine * cosine
    }
}
