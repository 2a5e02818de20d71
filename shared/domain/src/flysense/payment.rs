//! What a call costs and how far its payment is: what FlySense decides about Flycoins. The coins
//! themselves are the platform's.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::coded::coded_enum;
use super::state::TranscriptionState;
use crate::id::TranscriptionId;
use crate::money::MicroCoins;

/// Recognition, by the second of audio.
pub const RECOGNITION: &str = "flysense.recognition";
/// A summary, by the piece.
pub const SUMMARY: &str = "flysense.summary";

/// How long coins are set aside: longer than recognition may take, short enough that coins nobody comes
/// back for are not missed for long.
pub const HOLD_FOR: Duration = Duration::hours(24);
/// A hold that ends sooner is as good as none: nothing that costs is begun on it.
pub const HOLD_AT_LEAST: Duration = Duration::minutes(5);
/// How long the recording of a call without balance stays in storage; later it is downloaded again.
pub const AUDIO_KEPT: Duration = Duration::hours(72);

coded_enum!(
    /// How far the payment of one run of a call is.
    PaymentState {
        /// Nothing is set aside: not asked for yet, or the wallet does not cover it.
        Unpaid = "unpaid", "Не оплачено";
        /// Coins are set aside.
        Held = "held", "Зарезервировано";
        /// The result is there, the coins are not taken yet.
        Owed = "owed", "Ждёт списания";
        /// The coins were taken; there is a receipt.
        Paid = "paid", "Оплачено";
        /// There is no result: the coins that were set aside are on their way back.
        Releasing = "releasing", "Возвращаем резерв";
        /// It costs nothing.
        Free = "free", "Бесплатно";
    }
);

impl PaymentState {
    /// Whether work that costs may begin at `now`: coins are set aside for long enough (`held_until`), or none
    /// are needed.
    pub fn allows_work(self, held_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
        match self {
            Self::Held => held_until.is_some_and(|until| until >= now + HOLD_AT_LEAST),
            Self::Owed | Self::Paid | Self::Free => true,
            Self::Unpaid | Self::Releasing => false,
        }
    }
}

/// What is, or was, done for a call, in the units it is paid by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Seconds of audio, begun ones whole. The platform's price decides how many are paid for at least.
    pub seconds: u64,
    /// Summaries: one or none.
    pub summaries: u32,
}

impl Work {
    /// The work on a recording of this length.
    pub const fn of(duration_ms: u64, summarised: bool) -> Self {
        Self { seconds: duration_ms.div_ceil(1000), summaries: summarised as u32 }
    }

    /// Service and quantity of all that is not zero.
    pub fn lines(self) -> Vec<(&'static str, u64)> {
        let all = [(RECOGNITION, self.seconds), (SUMMARY, u64::from(self.summaries))];
        all.into_iter().filter(|(_, quantity)| *quantity > 0).collect()
    }
}

/// Whether the recognition of a run is ordered and under way or over, so that stopping the call does not stop its cost.
///
/// A submit is noted before it is made, so one in a call that is being submitted counts, unless it is known how an earlier
/// one ended: that one broke off, and costs nothing.
pub const fn is_recognition_ordered(state: TranscriptionState, submits: u32, knows_operation: bool) -> bool {
    match state {
        TranscriptionState::Recognizing | TranscriptionState::Storing => true,
        TranscriptionState::Submitting => submits > 0 && !knows_operation,
        _ => false,
    }
}

/// One line of a receipt, as the platform gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// For what.
    pub service: String,
    /// Version of the price.
    pub version: u32,
    /// The price itself: how a quantity becomes an amount.
    pub tariff: Value,
    /// What the quantity counts: `second`, `piece`.
    pub unit: String,
    /// What was done.
    pub quantity: u64,
    /// What is paid for: the quantity, or the least of the price.
    pub billed: u64,
    /// What happened to the rest of the division: `exact`, `half_up`.
    pub rounding: String,
    /// The price, millionths of a Flycoin.
    pub amount: MicroCoins,
}

/// The names under which a run's movements of coins are carried out once, however often they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct PaymentKeys {
    /// Which call.
    pub transcription: TranscriptionId,
    /// Which run of it: another run is another piece of work, paid for itself.
    pub run: u32,
}

impl PaymentKeys {
    /// Of the `number`th hold of the run: an older one ran out before the work began.
    pub fn hold(self, number: u32) -> String {
        format!("hold-{}-{}-{number}", self.transcription, self.run)
    }

    /// Of taking what is held.
    pub fn capture(self) -> String {
        format!("capture-{}-{}", self.transcription, self.run)
    }

    /// Of taking it without a hold, since that ran out.
    pub fn charge(self) -> String {
        format!("charge-{}-{}", self.transcription, self.run)
    }

    /// Of giving back what is held.
    pub fn release(self, number: u32) -> String {
        format!("release-{}-{}-{number}", self.transcription, self.run)
    }
}

/// Which of those who wait, oldest first, the wallet covers: each in its turn, if what those before it
/// leave over is enough. A dear one does not keep back cheaper ones behind it.
pub fn affordable<T>(available: MicroCoins, waiting: impl IntoIterator<Item = (T, MicroCoins)>) -> Vec<T> {
    let mut left = available;
    let mut chosen = Vec::new();
    for (one, price) in waiting {
        if price <= left
            && let Ok(rest) = left.minus(price)
        {
            left = rest;
            chosen.push(one);
        }
    }
    chosen
}

/// When to ask for the balance next, of an account whose wallet has been short since `short_since`: soon at
/// first, then ever more rarely, but at least every five minutes, which is how long a person who has just
/// filled it waits at most.
pub fn next_look(short_since: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
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
        assert_eq!(chosen(7), ["old", "young"]);
        assert_eq!(chosen(3), ["old"]);
        assert!(chosen(2).is_empty());
        assert_eq!(chosen(71), ["old", "dear", "young", "youngest"]);
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
        assert!(is_recognition_ordered(S::Submitting, 1, false), "its answer may be lost");
        assert!(!is_recognition_ordered(S::Submitting, 1, true), "it broke off and is to be ordered again");
        assert!(
            is_recognition_ordered(S::Recognizing, 1, true) && is_recognition_ordered(S::Storing, 1, true)
        );
    }

    #[test]
    fn looks_get_rarer_and_never_stop() {
        let short = DateTime::UNIX_EPOCH;
        let wait = |minutes| {
            (next_look(short, short + Duration::minutes(minutes)) - short).num_seconds() - minutes * 60
        };
        assert_eq!((wait(0), wait(5), wait(60), wait(60 * 24 * 365)), (10, 30, 300, 300));
    }
}
