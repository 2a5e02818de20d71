//! Holes between the times of packets, which become silence.
//!
//! Recorders of web calls write nothing while a side is muted or packets are lost, and telephones write nothing in pauses.
//! Counting packets only would place everything after a hole too early.

use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

/// Minimum length of a hole, in milliseconds. Times of packets are rounded, and jitter by some milliseconds. Shorter holes
/// are filled when they add up to it.
const MIN_HOLE_MS: u64 = 40;
/// Maximum length of a hole, in milliseconds. A longer one is an error of the recorder's clock.
const MAX_HOLE_MS: u64 = 60 * 60 * 1000;
/// Samples per channel in a block of silence.
const BLOCK_FRAMES: u64 = 8 * 1024;

/// Compares the times of packets with the number of decoded samples.
pub(super) struct Timeline {
    time_base: TimeBase,
    sample_rate: u32,
    /// Time of the first packet.
    origin: i64,
    /// Samples per channel since the first packet; negative before it.
    frames: i128,
    /// Remaining samples of silence before the waiting packet.
    due: u64,
    waiting: Option<Packet>,
}

impl Timeline {
    /// A timeline whose first packet is at `origin`; the first `before` samples that are added precede it.
    pub(super) fn new(time_base: TimeBase, sample_rate: u32, origin: i64, before: u64) -> Self {
        Self { time_base, sample_rate, origin, frames: -i128::from(before), due: 0, waiting: None }
    }

    /// Adds decoded samples.
    pub(super) fn add(&mut self, frames: u64) {
        self.frames += i128::from(frames);
    }

    /// The packet that waited for the end of the silence before it.
    pub(super) fn waiting(&mut self) -> Option<Packet> {
        self.waiting.take()
    }

    /// The packet, unless there is a hole before it: then it waits until the silence was taken.
    pub(super) fn follow(&mut self, packet: Packet) -> Option<Packet> {
        self.due = self.hole_before(packet.pts.get());
        if self.due == 0 {
            return Some(packet);
        }
        self.waiting = Some(packet);
        None
    }

    /// Fills `block` with the next part of the silence; `false` without any.
    pub(super) fn take_silence(&mut self, block: &mut Vec<f32>, channels: u16) -> bool {
        let frames = self.due.min(BLOCK_FRAMES);
        self.due -= frames;
        self.frames += i128::from(frames);
        fill(block, frames, channels);
        frames > 0
    }

    fn hole_before(&self, pts: i64) -> u64 {
        let ticks = i128::from(pts) - i128::from(self.origin);
        let passed = ticks * i128::from(self.sample_rate) * i128::from(self.time_base.numer.get())
            / i128::from(self.time_base.denom.get());
        let hole = u64::try_from(passed - self.frames).unwrap_or(0);
        let in_frames = |ms: u64| ms * u64::from(self.sample_rate) / 1000;
        if (in_frames(MIN_HOLE_MS)..=in_frames(MAX_HOLE_MS)).contains(&hole) { hole } else { 0 }
    }
}

/// Takes up to a block of silence from `left`; `false` without any.
pub(super) fn take_lead(left: &mut u64, block: &mut Vec<f32>, channels: u16) -> bool {
    let frames = (*left).min(BLOCK_FRAMES);
    *left -= frames;
    fill(block, frames, channels);
    frames > 0
}

fn fill(block: &mut Vec<f32>, frames: u64, channels: u16) {
    block.clear();
    block.resize(usize::try_from(frames).unwrap_or(0) * usize::from(channels), 0.0);
}

#[cfg(test)]
mod tests {
    use symphonia::core::units::TimeBase;

    use super::Timeline;

    #[test]
    fn samples_before_the_first_packet_do_not_hide_a_hole() {
        let milliseconds = TimeBase::try_from_recip(1000).unwrap();
        // Two packets of 20 ms could not be decoded; the third one is the first of the timeline.
        let mut timeline = Timeline::new(milliseconds, 8_000, 40, 320);
        timeline.add(480);
        assert_eq!(timeline.hole_before(60), 0);
        assert_eq!(timeline.hole_before(110), 400);
    }
}
