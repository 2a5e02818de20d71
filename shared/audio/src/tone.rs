//! Call progress tones: the steady sound between dialling and the answer.

/// Ring-back and busy tones of the countries we serve are 425 Hz; ITU-T E.180 allows 400 to 450 Hz.
/// Three probes cover that band for frames of 20 ms, whose resolution is 50 Hz.
const PROBES_HZ: [f32; 3] = [400.0, 425.0, 450.0];
/// Share of a frame's power in one probe from which on the frame is a pure tone. A tone in the middle
/// between two probes keeps 0.8; voiced speech spreads over its harmonics and stays below a half.
const PURE: f32 = 0.7;

/// Tells frames of a pure call progress tone from everything else (Goertzel's algorithm).
#[derive(Debug, Clone)]
pub(crate) struct ToneProbe {
    coefficients: [f32; 3],
}

impl ToneProbe {
    pub(crate) fn new(sample_rate: f32) -> Self {
        Self {
            coefficients: PROBES_HZ.map(|hertz| 2.0 * (std::f32::consts::TAU * hertz / sample_rate).cos()),
        }
    }

    /// Whether `frame`, whose sum of squares is `energy`, is such a tone.
    pub(crate) fn is_tone(&self, frame: &[f32], energy: f32) -> bool {
        let mut last = [0.0_f32; 3];
        let mut before = [0.0_f32; 3];
        for &sample in frame {
            for probe in 0..3 {
                let next = self.coefficients[probe].mul_add(last[probe], sample - before[probe]);
                (before[probe], last[probe]) = (last[probe], next);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a frame has some hundred samples")]
        let full = energy * frame.len() as f32 / 2.0;
        (0..3).any(|probe| {
            let power = last[probe] * last[probe] + before[probe] * before[probe]
                - self.coefficients[probe] * last[probe] * before[probe];
            power > PURE * full
        })
    }
}
