//! Price and payment state of a call: FlySense's rules about Flycoins. The coins themselves are managed by the
//! platform.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::TranscriptionState;
use crate::id::TranscriptionId;
use crate::money::MicroCoins;
use crate::text_enum::labeled_enum;

/// Service code of recognition, billed per second of audio.
pub const RECOGNITION: &str = "flysense.recognition";
/// Service code of summaries, billed per piece.
pub const SUMMARY: &str = "flysense.summary";

/// Duration of a hold: longer than recognition may take, short enough that coins of a forgotten hold return
/// soon.
pub const HOLD_DURATION: Duration = Duration::hours(24);
/// Minimum remaining time of a hold: with less, no billable work is started.
pub const MIN_HOLD_LEFT: Duration = Duration::minutes(5);
/// Time for which the audio of a call without balance stays in object storage; later it is downloaded again.
pub const AUDIO_RETENTION: Duration = Duration::hours(72);
/// Time from the intent to submit to the charge of a call that is cancelled meanwhile: longer than an attempt to submit
/// lasts, so that a refusal comes before the charge.
pub const SUBMIT_OUTCOME_WAIT: Duration = Duration::seconds(90);

labeled_enum!(
    /// Payment state of a run.
    PaymentState {
        /// No coins are held: not requested yet, or the balance is insufficient.
        Unpaid = "unpaid", "Не оплачено";
        /// Coins are held.
        Held = "held", "Зарезервировано";
        /// The result is available; the coins have not been charged yet.
        Owed = "owed", "Ждёт списания";
        /// The coins were charged; there is a receipt.
        Paid = "paid", "Оплачено";
        /// There is no result: the hold is being released.
        Releasing = "releasing", "Возвращаем резерв";
        /// The run is free of charge.
        Free = "free", "Бесплатно";
    }
);

impl PaymentState {
    /// Whether billable work may start at `now`: coins are held for long enough (until `held_until`), or none are
    /// needed.
    pub fn allows_work(self, held_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        match self {
            Self::Held => held_until.is_some_and(|until| until >= now + MIN_HOLD_LEFT),
            Self::Owed | Self::Paid | Self::Free => true,
            Self::Unpaid | Self::Releasing => false,
        }
    }
}

/// Planned or completed work on a call, in billing units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Seconds of audio, rounded up. The platform's price defines the billed minimum.
    pub seconds: u64,
    /// Number of summaries: 0 or 1.
    pub summaries: u32,
}

impl Work {
    /// The work on a recording of this duration.
    pub const fn of(duration_ms: u64, summarised: bool) -> Self {
        Self { seconds: duration_ms.div_ceil(1000), summaries: summarised as u32 }
    }

    /// Service and quantity of each non-zero item.
    pub fn lines(self) -> Vec<(&'static str, u64)> {
        let all = [(RECOGNITION, self.seconds), (SUMMARY, u64::from(self.summaries))];
        all.into_iter().filter(|(_, quantity)| *quantity > 0).collect()
    }
}

/// Whether a recognition was ordered in this run, so that cancelling the call does not cancel its cost.
///
/// A submission is counted before it is sent, so one in a call that is being submitted counts as ordered, unless the
/// result of an earlier operation is known: that one was aborted, and is free.
pub const fn is_recognition_ordered(state: TranscriptionState, submits: u32, knows_operation: bool) -> bool {
    match state {
        TranscriptionState::Recognizing | TranscriptionState::Storing => true,
        TranscriptionState::Submitting => submits > 0 && !knows_operation,
        _ => false,
    }
}

/// When the recognition of a call is captured that was cancelled at `now` in `state`. While a submission is under way, its
/// outcome is awaited.
pub fn cancelled_capture_at(
    state: TranscriptionState,
    submitted_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    match (state, submitted_at) {
        (TranscriptionState::Submitting, Some(at)) => now.max(at + SUBMIT_OUTCOME_WAIT),
        _ => now,
    }
}

/// A line of a receipt, as returned by the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// Code of the service.
    pub service: String,
    /// Version of the price.
    pub version: u32,
    /// Tariff that converts the quantity to an amount, as JSON.
    pub tariff: Value,
    /// Unit of the quantity: `second`, `piece`.
    pub unit: String,
    /// Requested quantity.
    pub quantity: u64,
    /// Billed quantity: the requested one, or the tariff's minimum.
    pub billed: u64,
    /// Rounding of the amount: `exact`, `half_up`.
    pub rounding: String,
    /// The price, micro-Flycoins.
    pub amount: MicroCoins,
}

/// Idempotency keys of a run's ledger commands.
#[derive(Debug, Clone, Copy)]
pub struct PaymentKeys {
    /// Its id makes the keys unique among calls.
    pub transcription: TranscriptionId,
    /// Number of the run: each run is separate work and is paid separately.
    pub run: u32,
}

impl PaymentKeys {
    /// Key of the `number`th hold of the run; earlier ones expired before the work started.
    pub fn hold(self, number: u32) -> String {
        format!("hold-{}-{}-{number}", self.transcription, self.run)
    }

    /// Sent with the capture of the run's hold, and with each repetition of it.
    pub fn capture(self) -> String {
        format!("capture-{}-{}", self.transcription, self.run)
    }

    /// Key of the charge without a hold, after the hold expired.
    pub fn charge(self) -> String {
        format!("charge-{}-{}", self.transcription, self.run)
    }

    /// Key of the release of the `number`th hold.
    pub fn release(self, number: u32) -> String {
        format!("release-{}-{}-{number}", self.transcription, self.run)
    }
}

/// Selects, oldest first, the waiting items that the balance covers: each one if the rest after earlier selections
/// suffices. An expensive item does not block cheaper ones after it. Also returns the rest after all selections.
pub fn affordable<T>(
    available: MicroCoins,
    waiting: impl IntoIterator<Item = (T, MicroCoins)>,
) -> (Vec<T>, MicroCoins) {
    let mut left = available;
    let mut chosen = Vec::new();
    for (one, price) in waiting {
        if price <= left
            && let Ok(rest) = left.checked_sub(price)
        {
            left = rest;
            chosen.push(one);
        }
    }
    (chosen, left)
}

/// When to ask for the balance next, of an account whose wallet has been short since `short_since`: soon at
/// first, then ever more rarely, but at least every five minutes, which is how long a person who has just
/// filled it waits at most.
pub fn next_balance_check(short_since: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    now + ((now - short_since) / 10).clamp(Duration::seconds(10), Duration::minutes(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn work_is_counted_in_begun_seconds_and_summaries() {
        assert_eq!(Work::of(42_001, true).lines(), [(RECOGNITION, 43), (SUMMARY, 1)]);
        assert_eq!(Work::of(1, false).lines(), [(RECOGNITION, 1)]);
        assert_eq!(Work::of(0, false).lines(), []);
    }

    #[test]
    fn each_run_and_each_movement_has_a_key_of_its_own_that_the_platform_takes() {
        let transcription = TranscriptionId::generate(&SystemClock);
        let mut seen = std::collections::BTreeSet::new();
        for run in [1, u32::MAX] {
            let keys = PaymentKeys { transcription, run };
            for key in [keys.hold(1), keys.hold(2), keys.capture(), keys.charge(), keys.release(1)] {
                assert!(key.len() <= 120 && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
                assert!(seen.insert(key));
            }
        }
    }

    #[test]
    fn the_oldest_come_first_and_a_dear_one_keeps_nobody_back() {
        let waiting = [("old", 3), ("dear", 60), ("young", 4), ("youngest", 4)];
        let chosen =
            |coins| affordable(MicroCoins(coins), waiting.map(|(who, price)| (who, MicroCoins(price))));
        assert_eq!(chosen(8), (vec!["old", "young"], MicroCoins(1)));
        assert_eq!(chosen(3), (vec!["old"], MicroCoins(0)));
        assert_eq!(chosen(2), (Vec::new(), MicroCoins(2)));
        assert_eq!(chosen(71), (vec!["old", "dear", "young", "youngest"], MicroCoins(0)));
    }

    #[test]
    fn work_begins_only_on_coins_that_are_there_for_long_enough() {
        let now = DateTime::UNIX_EPOCH;
        let held = |minutes| PaymentState::Held.allows_work(Some(now + Duration::minutes(minutes)), now);
        assert!(held(5) && !held(4) && !held(-1) && !PaymentState::Held.allows_work(None, now));
        for (state, allowed) in [
            (PaymentState::Unpaid, false),
            (PaymentState::Releasing, false),
            (PaymentState::Free, true),
            (PaymentState::Owed, true),
            (PaymentState::Paid, true),
        ] {
            assert_eq!(state.allows_work(None, now), allowed, "{state}");
        }
    }

    #[test]
    fn a_recognition_is_ordered_from_the_submit_on() {
        use TranscriptionState as S;
        for state in [S::Queued, S::Fetching, S::Converting, S::Holding, S::NoBalance, S::Uploading] {
            assert!(
                !is_recognition_ordered(state, 1, true) && !is_recognition_ordered(state, 0, false),
                "{state}"
            );
        }
        assert!(!is_recognition_ordered(S::Submitting, 0, false));
        assert!(is_recognition_ordered(S::Submitting, 1, false), "the response may be lost");
        assert!(!is_recognition_ordered(S::Submitting, 1, true), "the operation was aborted");
        assert!(
            is_recognition_ordered(S::Recognizing, 1, true) && is_recognition_ordered(S::Storing, 1, true)
        );
    }

    #[test]
    fn a_cancelled_submission_is_captured_when_its_outcome_would_be_known() {
        use TranscriptionState as S;
        let submitted = DateTime::UNIX_EPOCH;
        let after = |state, seconds| {
            let now = submitted + Duration::seconds(seconds);
            (cancelled_capture_at(state, Some(submitted), now) - submitted).num_seconds()
        };
        let wait = SUBMIT_OUTCOME_WAIT.num_seconds();
        assert_eq!((after(S::Submitting, 1), after(S::Submitting, wait + 5)), (wait, wait + 5));
        assert_eq!((after(S::Recognizing, 1), after(S::Storing, 1)), (1, 1));
        assert_eq!(cancelled_capture_at(S::Submitting, None, submitted), submitted);
    }

    #[test]
    fn looks_get_rarer_and_never_stop() {
        let short = DateTime::UNIX_EPOCH;
        let wait = |minutes| {
            (next_balance_check(short, short + Duration::minutes(minutes)) - short).num_seconds()
                - minutes * 60
        };
        assert_eq!((wait(0), wait(5), wait(60), wait(60 * 24 * 365)), (10, 30, 300, 300));
    }
}
