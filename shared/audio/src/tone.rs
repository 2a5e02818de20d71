//! Call progress tones: the steady sound between dialling and the answer.

use std::f32::consts::{PI, TAU};

use crate::lanes;

/// Ring-back and busy tones of the countries we serve are 425 Hz; ITU-T E.180 allows 400 to 450 Hz.
/// Three probes cover that band for frames of 20 ms, whose resolution is 50 Hz.
const PROBES_HZ: [f32; 3] = [400.0, 425.0, 450.0];
/// Share of a frame's power in one probe from which on the frame is a pure tone. A tone in the middle
/// between two probes keeps 0.8; voiced speech spreads over its harmonics and stays below a half.
const PURE: f32 = 0.7;
/// Samples averaged into one before probing: a quarter of telephone rate still shows 1 kHz.
const AVERAGED: usize = 4;

/// Tells frames of a pure call progress tone from everything else, by correlation with sines.
#[derive(Debug, Clone)]
pub(crate) struct ToneProbe {
    probes: [Probe; 3],
    averaged: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Probe {
    sine: Vec<f32>,
    cosine: Vec<f32>,
    /// Power a full tone keeps when it is averaged.
    kept: f32,
}

impl ToneProbe {
    /// A probe for frames of at most `frame_len` samples.
    pub(crate) fn new(sample_rate: f32, frame_len: usize) -> Self {
        let len = frame_len / AVERAGED + 1;
        Self { probes: PROBES_HZ.map(|hertz| Probe::new(hertz / sample_rate, len)), averaged: Vec::new() }
    }

    /// Whether `frame`, whose sum of squares is `energy`, is such a tone.
    pub(crate) fn is_tone(&mut self, frame: &[f32], energy: f32) -> bool {
        self.averaged.clear();
        self.averaged.extend(frame.chunks_exact(AVERAGED).map(|it| it.iter().sum::<f32>() * 0.25));
        #[expect(clippy::cast_precision_loss, reason = "a frame has some hundred samples")]
        let full = energy / AVERAGED as f32 * self.averaged.len() as f32 / 2.0;
        self.probes.iter().any(|probe| probe.power(&self.averaged) > PURE * full * probe.kept)
    }
}

impl Probe {
    /// `cycles` per sample before averaging.
    fn new(cycles: f32, len: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "4, and some hundred samples")]
        let (averaged, phases) =
            (AVERAGED as f32, (0..len).map(|it| TAU * cycles * AVERAGED as f32 * it as f32));
        let kept = ((PI * cycles * averaged).sin() / (averaged * (PI * cycles).sin())).powi(2);
        let (sine, cosine) = phases.map(f32::sin_cos).unzip();
        Self { sine, cosine, kept }
    }

    fn power(&self, samples: &[f32]) -> f32 {
        let (sine, cosine) = (lanes::dot(samples, &self.sine), lanes::dot(samples, &self.cosine));
        sine * sine + cosine * cosine
    }
}
