//! The channels of interleaved samples as one list each, averaged to the rate at which they are measured.
//!
//! Loudness, tones and equal channels are found at telephone rate. A mean of neighbours is no good filter, but enough for that,
//! and the cheapest one. It is taken once, for all measurements.

use crate::pcm_format::PcmFormat;

/// Lower limit of the rate to which samples are averaged, in Hz.
const ANALYSIS_RATE: u32 = 8_000;

/// Number of samples that are averaged into one.
pub(crate) fn averaged(sample_rate: u32) -> u32 {
    (sample_rate / ANALYSIS_RATE).max(1)
}

/// Splits a stream of interleaved samples.
#[derive(Debug, Clone)]
pub(crate) struct Planes {
    averaged: usize,
    /// An incomplete group: the samples of all channels that are averaged into one each.
    rest: Vec<f32>,
    channels: Vec<Vec<f32>>,
}

impl Planes {
    /// Planes for interleaved samples of this format.
    pub(crate) fn new(format: PcmFormat) -> Self {
        let channels = vec![Vec::new(); usize::from(format.channels.max(1))];
        Self { averaged: averaged(format.sample_rate) as usize, rest: Vec::new(), channels }
    }

    /// Replaces the content of the planes with the next samples. What does not fill a group follows with the next ones.
    pub(crate) fn push(&mut self, mut interleaved: &[f32]) {
        let Self { averaged, rest, channels } = self;
        channels.iter_mut().for_each(Vec::clear);
        let group = *averaged * channels.len();
        if !rest.is_empty() {
            let (now, later) = interleaved.split_at((group - rest.len()).min(interleaved.len()));
            rest.extend_from_slice(now);
            interleaved = later;
            if rest.len() < group {
                return;
            }
            split(rest, *averaged, channels);
            rest.clear();
        }
        let (whole, later) = interleaved.split_at(interleaved.len() - interleaved.len() % group);
        split(whole, *averaged, channels);
        rest.extend_from_slice(later);
    }

    /// The samples of each channel that the last call of [`Self::push`] completed.
    pub(crate) fn latest(&self) -> &[Vec<f32>] {
        &self.channels
    }
}

/// Appends the samples of each channel to its plane, where `averaged` samples become one. Only whole groups are read.
pub(crate) fn split(interleaved: &[f32], averaged: usize, planes: &mut [Vec<f32>]) {
    // With constants in place of the usual numbers, compilers make a few instructions of each group.
    match averaged {
        1 => split_by::<1>(interleaved, planes),
        2 => split_by::<2>(interleaved, planes),
        3 => split_by::<3>(interleaved, planes),
        4 => split_by::<4>(interleaved, planes),
        5 => split_by::<5>(interleaved, planes),
        6 => split_by::<6>(interleaved, planes),
        _ => split_any(interleaved, averaged, planes),
    }
}

fn split_by<const AVERAGED: usize>(interleaved: &[f32], planes: &mut [Vec<f32>]) {
    match planes {
        [only] if AVERAGED == 1 => only.extend_from_slice(interleaved),
        [only] => {
            let (groups, _) = interleaved.as_chunks::<AVERAGED>();
            only.extend(groups.iter().map(|group| mean(group.iter().copied(), AVERAGED)));
        }
        [left, right] => {
            let (groups, _) = interleaved.as_chunks::<2>().0.as_chunks::<AVERAGED>();
            left.extend(groups.iter().map(|group| mean(group.iter().map(|frame| frame[0]), AVERAGED)));
            right.extend(groups.iter().map(|group| mean(group.iter().map(|frame| frame[1]), AVERAGED)));
        }
        planes => split_any(interleaved, AVERAGED, planes),
    }
}

fn split_any(interleaved: &[f32], averaged: usize, planes: &mut [Vec<f32>]) {
    let channels = planes.len();
    for (channel, plane) in planes.iter_mut().enumerate() {
        let groups = interleaved.chunks_exact(averaged * channels);
        plane.extend(
            groups.map(|group| mean(group.iter().skip(channel).step_by(channels).copied(), averaged)),
        );
    }
}

#[inline]
fn mean(samples: impl Iterator<Item = f32>, count: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "below 25")]
    let share = 1.0 / count as f32;
    samples.sum::<f32>() * share
}

#[cfg(test)]
mod tests {
    use super::Planes;
    use crate::pcm_format::PcmFormat;

    /// Sums of whole numbers up to some hundred thousand are exact.
    fn numbers(count: u16) -> Vec<f32> {
        (0..count).map(f32::from).collect()
    }

    #[test]
    fn every_rate_and_number_of_channels_is_averaged_in_groups_across_blocks() {
        for sample_rate in [6_000, 8_000, 16_000, 24_000, 32_000, 44_100, 48_000, 88_200, 192_000] {
            for channels in [1_u16, 2, 3] {
                let (count, averaged) = (usize::from(channels), super::averaged(sample_rate) as usize);
                let samples = numbers(channels * 500);
                let mut planes = Planes::new(PcmFormat { sample_rate, channels });
                let mut split = vec![Vec::new(); count];
                // Blocks of whole frames that are no whole groups.
                for block in samples.chunks(7 * count) {
                    planes.push(block);
                    split.iter_mut().zip(planes.latest()).for_each(|(all, now)| all.extend_from_slice(now));
                }
                for (channel, plane) in split.iter().enumerate() {
                    let own: Vec<f32> = samples.iter().skip(channel).step_by(count).copied().collect();
                    let share = 1.0 / f32::from(u8::try_from(averaged).unwrap());
                    let expected: Vec<f32> =
                        own.chunks_exact(averaged).map(|group| group.iter().sum::<f32>() * share).collect();
                    assert_eq!(plane, &expected, "channel {channel} of {channels} at {sample_rate} Hz");
                }
            }
        }
    }
}
