//! True stereo, or the same voice twice.

/// How the speakers lie in the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// One channel with everybody; also what more than two channels are mixed down to.
    Mono,
    /// Two channels that differ: one side of the call in each.
    Stereo,
    /// Two channels with the same sound. Recognised as two they would say everything twice.
    DoubledMono,
}

/// Milliseconds over which the channels are compared.
const WINDOW_MS: usize = 100;
/// Mean power of a window below which it proves nothing (−45 dBFS): noise differs in any two channels.
const AUDIBLE: f64 = 3e-5;
/// Power of the difference relative to that of both from which on the channels differ (−15 dB). Line and
/// coding noise stay below; of two sides of a call, one speaks while the other is at most an echo.
const DIFFERS: f64 = 0.03;

/// Compares two interleaved channels until they prove to be different.
#[derive(Debug, Clone)]
pub(crate) struct StereoProbe {
    window: usize,
    seen: usize,
    power: f64,
    difference: f64,
    differs: bool,
}

impl StereoProbe {
    /// A probe for this sample rate.
    pub(crate) fn new(sample_rate: u32) -> Self {
        let window = (sample_rate as usize * WINDOW_MS / 1000).max(1);
        Self { window, seen: 0, power: 0.0, difference: 0.0, differs: false }
    }

    /// Takes interleaved samples of two channels.
    pub(crate) fn push(&mut self, interleaved: &[f32]) {
        for pair in interleaved.chunks_exact(2) {
            if self.differs {
                return;
            }
            let (left, right) = (f64::from(pair[0]), f64::from(pair[1]));
            self.power += left * left + right * right;
            self.difference += (left - right) * (left - right);
            self.seen += 1;
            if self.seen == self.window {
                self.close_window();
            }
        }
    }

    fn close_window(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
        let audible = self.power > AUDIBLE * 2.0 * self.seen as f64;
        self.differs |= audible && self.difference > DIFFERS * self.power;
        (self.seen, self.power, self.difference) = (0, 0.0, 0.0);
    }

    /// Whether the channels have proved to be different so far.
    pub(crate) fn differs(&self) -> bool {
        self.differs
    }

    /// The verdict at the end of the recording.
    pub(crate) fn finish(mut self) -> Layout {
        if self.seen > 0 {
            self.close_window();
        }
        if self.differs { Layout::Stereo } else { Layout::DoubledMono }
    }
}
