//! Sums of samples in eight lanes, which compilers vectorize. They may not reorder a single running sum of floats.
//!
//! The loops are not inlined: beside a second one, the compiler pairs the lanes of both and shuffles them, which takes three
//! times as long.

/// Number of lanes.
pub(crate) const LANE_COUNT: usize = 8;

/// Sum of `a[i] * b[i]` over the shorter of the two.
#[inline(never)]
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
#[inline(never)]
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

/// Sums of `weights[i] * left[i]` and of `weights[i] * right[i]`. The lengths are equal and multiples of [`LANE_COUNT`].
pub(crate) fn dot_pair(weights: &[f32], left: &[f32], right: &[f32]) -> [f32; 2] {
    lanes_of_pair(weights, left, right).map(|lanes| {
        let [a, b, c, d] = std::array::from_fn(|lane| lanes[lane] + lanes[lane + LANE_COUNT / 2]);
        (a + c) + (b + d)
    })
}

#[inline(never)]
fn lanes_of_pair(weights: &[f32], left: &[f32], right: &[f32]) -> [[f32; LANE_COUNT]; 2] {
    let (weights, _) = weights.as_chunks::<LANE_COUNT>();
    let ((left, _), (right, _)) = (left.as_chunks::<LANE_COUNT>(), right.as_chunks::<LANE_COUNT>());
    let (mut left_sums, mut right_sums) = ([0.0; LANE_COUNT], [0.0; LANE_COUNT]);
    for (weights, (left, right)) in weights.iter().zip(left.iter().zip(right)) {
        for lane in 0..LANE_COUNT {
            left_sums[lane] += weights[lane] * left[lane];
        }
        for lane in 0..LANE_COUNT {
            right_sums[lane] += weights[lane] * right[lane];
        }
    }
    [left_sums, right_sums]
}
