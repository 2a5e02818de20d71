//! Loudness of a recording in bins of equal length, for a player, from the frame levels of voice activity detection.

use crate::level::{TONE, to_level};

/// Maximum number of bins; shorter recordings have one per frame.
pub const MAX_BINS: usize = 800;

/// Level at which a bin is empty, in dBFS.
const FLOOR_DB: f32 = -50.0;
/// Level of a full bin, in dBFS: speech on a telephone line seldom exceeds it for a frame of 20 ms.
const FULL_DB: f32 = -6.0;
/// Level at which call progress tones are drawn, in dBFS; their own is not kept.
const TONE_DB: f32 = -24.0;

/// The loudest frame of each bin over all channels, 0 to 100 in equal steps of dB.
pub(crate) fn peaks<'a>(channels: &(impl Iterator<Item = &'a [u8]> + Clone)) -> Vec<u8> {
    let frames = channels.clone().map(<[u8]>::len).max().unwrap_or_default();
    let bins = frames.min(MAX_BINS);
    let bin = |index: usize| {
        let (from, to) = (index * frames / bins, (index + 1) * frames / bins);
        let loudest = channels.clone().filter_map(|levels| {
            let levels = levels.get(from..to.min(levels.len()))?;
            levels.iter().map(|&level| height(level)).max()
        });
        loudest.max().unwrap_or_default()
    };
    (0..bins).map(bin).collect()
}

fn height(level: u8) -> u8 {
    let db = if level == TONE { TONE_DB } else { to_level(level) };
    let share = ((db - FLOOR_DB) / (FULL_DB - FLOOR_DB)).clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    let height = (share * 100.0).round() as u8;
    height
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::to_byte;

    #[test]
    fn a_bin_is_as_high_as_its_loudest_frame_on_any_channel() {
        let (quiet, loud) = (to_byte(-60.0), to_byte(-6.0));
        let (mut left, mut right) = (vec![quiet; 8_000], vec![quiet; 7_990]);
        left[5] = loud;
        right[7_000] = to_byte(-28.0);
        let drawn = peaks(&[left.as_slice(), right.as_slice()].into_iter());
        assert_eq!(drawn.len(), MAX_BINS);
        let heard: Vec<(usize, u8)> =
            drawn.iter().copied().enumerate().filter(|(_, height)| *height > 0).collect();
        assert_eq!(heard, [(0, 100), (700, 50)]);
    }

    #[test]
    fn a_short_recording_has_a_bin_per_frame_and_an_empty_one_none() {
        let levels = [to_byte(-6.0), TONE];
        assert_eq!(peaks(&[levels.as_slice()].into_iter()), [100, 59]);
        assert!(peaks(&std::iter::empty()).is_empty());
    }
}
