//! Sums of samples in eight lanes, which compilers vectorize. They may not reorder a single running sum of floats.

const LANE_COUNT: usize = 8;

/// Sum of `a[i] * b[i]` over the shorter of the two.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let (a, b) = (a[..len].chunks_exact(LANE_COUNT), b[..len].chunks_exact(LANE_COUNT));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANE_COUNT];
    for (a, b) in a.zip(b) {
        for lane in 0..LANE_COUNT {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Sum of the samples and sum of their squares.
pub(crate) fn sum_and_energy(samples: &[f32]) -> (f32, f32) {
    let chunks = samples.chunks_exact(LANE_COUNT);
    let rest = chunks.remainder();
    let (mut sums, mut squares) = ([0.0; LANE_COUNT], [0.0; LANE_COUNT]);
    for chunk in chunks {
        for lane in 0..LANE_COUNT {
            sums[lane] += chunk[lane];
            squares[lane] += chunk[lane] * chunk[lane];
        }
    }
    let sum = sums.iter().sum::<f32>() + rest.iter().sum::<f32>();
    let energy = squares.iter().sum::<f32>() + rest.iter().map(|it| it * it).sum::<f32>();
    (sum, energy)
}
