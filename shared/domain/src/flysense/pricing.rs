//! Billed seconds of a call.

/// Minimum billed duration, seconds.
pub const MIN_BILLED_SECONDS: u64 = 15;

/// The billed seconds of a call.
///
/// Seconds of audio, rounded up, at least [`MIN_BILLED_SECONDS`]; a call without speech is free. Mono and stereo cost
/// the same, because SpeechKit charges per pair of channels, and at most two are sent. Source: SpeechKit pricing,
/// asynchronous recognition.
pub const fn billed_seconds(duration_ms: u64, heard_speech: bool) -> u64 {
    if !heard_speech {
        return 0;
    }
    let seconds = duration_ms.div_ceil(1000);
    if seconds < MIN_BILLED_SECONDS { MIN_BILLED_SECONDS } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::billed_seconds;

    #[test]
    fn seconds_are_rounded_up_from_the_least_that_is_paid_for() {
        for (duration_ms, seconds) in [
            (1, 15),
            (1_000, 15),
            (15_000, 15),
            (15_001, 16),
            (15_500, 16),
            (16_000, 16),
            (42_447, 43),
            (14_400_000, 14_400),
        ] {
            assert_eq!(billed_seconds(duration_ms, true), seconds, "{duration_ms} ms");
        }
    }

    #[test]
    fn silence_is_free_however_long() {
        assert_eq!(billed_seconds(3_600_000, false), 0);
    }
}
