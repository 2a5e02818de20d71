//! Randomness as an argument.

use std::sync::atomic::{AtomicU32, Ordering};

/// A source of random numbers, passed as an argument like the clock, so that tests and the sandbox can repeat a run with
/// a seed.
///
/// That of [`crate::SystemClock`] is cryptographically secure; secrets are generated from it.
pub trait Randomness {
    /// 128 random bits.
    fn random_u128(&self) -> u128;

    /// A random number in `0..1`, for jitter.
    fn random_unit(&self) -> f64 {
        /// Bits of a double's mantissa, which are exact.
        const MANTISSA_BITS: u32 = 53;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit into a double")]
        let number = (self.random_u128() >> (u128::BITS - MANTISSA_BITS)) as f64;
        #[expect(clippy::cast_precision_loss, reason = "a power of two")]
        let range = (1_u64 << MANTISSA_BITS) as f64;
        number / range
    }
}

/// `N` random bytes.
pub fn random_bytes<const N: usize>(randomness: &(impl Randomness + ?Sized)) -> [u8; N] {
    let mut bytes = [0; N];
    for chunk in bytes.chunks_mut(16) {
        chunk.copy_from_slice(&randomness.random_u128().to_le_bytes()[..chunk.len()]);
    }
    bytes
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    fn random_u128(&self) -> u128 {
        rand::random()
    }
}

/// Position of the 32 bits that order the ids of one moment: the upper ones of the 80 random bits of an id.
const SEQUENCE_SHIFT: u32 = 48;

/// Number of random numbers that [`SequentialRandomness`] has given in this process.
static SEQUENCE: AtomicU32 = AtomicU32::new(0);

/// Random, except for 32 bits that count: for clocks that stand still, whose ids of one moment then sort in the order in which
/// they were made, as those of real time do unless they are made in the same millisecond.
#[derive(Debug, Clone, Copy, Default)]
pub struct SequentialRandomness;

impl Randomness for SequentialRandomness {
    fn random_u128(&self) -> u128 {
        let counted = u128::from(u32::MAX) << SEQUENCE_SHIFT;
        let number = u128::from(SEQUENCE.fetch_add(1, Ordering::Relaxed)) << SEQUENCE_SHIFT;
        SystemRandomness.random_u128() & !counted | number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u128);

    impl Randomness for Fixed {
        fn random_u128(&self) -> u128 {
            self.0
        }
    }

    #[test]
    fn every_byte_is_random_whatever_their_number() {
        assert_eq!(random_bytes::<24>(&Fixed(u128::MAX)), [0xff; 24]);
    }

    #[test]
    fn a_unit_is_at_least_zero_and_below_one() {
        assert!(Fixed(0).random_unit().abs() < f64::EPSILON);
        assert!(Fixed(u128::MAX).random_unit() < 1.0);
        assert!((Fixed(1 << 127).random_unit() - 0.5).abs() < f64::EPSILON);
    }
}
