//! Result of a recording, for `--json`.

use serde::Serialize;
use serde_json::Value;

use super::recordings::{Ending, Recording};
use crate::environment::Transcription;

/// Error code of a call that did not end before the timeout.
const NOT_ENDED: &str = "not_ended";

/// Result of one recording.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// File name.
    pub recording: String,
    /// `done`, `no_speech` or `failed`.
    pub state: String,
    /// Error code of a failed call.
    pub error_code: Option<String>,
    /// Measured length of the audio, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Number of recognized channels.
    pub channels: Option<u64>,
    /// The dialogue: speaker, channel, times, text.
    pub utterances: Vec<Value>,
    /// Summary of the call.
    pub summary: Option<String>,
    /// `negative`, `neutral`, `positive`.
    pub sentiment: Option<String>,
    /// Results of the classifiers.
    pub classifiers: Vec<Value>,
    /// Whole seconds that the price is computed from.
    pub seconds_billed: u64,
    /// Objects of the call that are left in the bucket.
    pub objects_left_in_bucket: usize,
    /// Payment state: `paid`, `free` or an intermediate state.
    pub payment_state: Option<String>,
    /// Whether the call waited for coins.
    pub waited_for_coins: bool,
    /// Estimated price, in micro-Flycoins.
    pub estimated_micro: Option<i64>,
    /// Held amount, in micro-Flycoins.
    pub held_micro: Option<i64>,
    /// Charged amount, in micro-Flycoins.
    pub charged_micro: Option<i64>,
    /// Ledger transaction of the charge.
    pub transaction_id: Option<String>,
    /// Price lines: rule, quantity, rounding.
    pub receipt: Vec<Value>,
    #[serde(skip)]
    as_expected: bool,
}

impl Report {
    /// Report from an API response.
    pub(super) fn new(
        recording: &Recording,
        call: &Transcription,
        waited_for_coins: bool,
        left: usize,
    ) -> Self {
        let raw = &call.raw;
        let text = |name: &str| raw.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| raw.get(name).and_then(Value::as_u64);
        let list = |name: &str| raw.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        Self {
            recording: recording.name.clone(),
            state: call.state.clone(),
            error_code: call.failure_code.clone(),
            duration_ms: number("duration_ms"),
            channels: number("channels"),
            utterances: list("utterances"),
            summary: text("summary"),
            sentiment: raw.pointer("/sentiment/code").and_then(Value::as_str).map(str::to_owned),
            classifiers: list("classifiers"),
            seconds_billed: number("seconds_billed").unwrap_or_default(),
            objects_left_in_bucket: left,
            payment_state: call.payment("state").as_str().map(str::to_owned),
            waited_for_coins,
            estimated_micro: call.payment("estimated_micro").as_i64(),
            held_micro: call.payment("held_micro").as_i64(),
            charged_micro: call.payment("charged_micro").as_i64(),
            transaction_id: call.payment("transaction_id").as_str().map(str::to_owned),
            receipt: call.payment("receipt").as_array().cloned().unwrap_or_default(),
            as_expected: is_expected(&recording.ending, &call.state, call.failure_code.as_deref()),
        }
    }

    /// Report of a call that did not end before the timeout.
    pub(super) fn not_ended(recording: &Recording) -> Self {
        Self {
            recording: recording.name.clone(),
            state: "failed".to_owned(),
            error_code: Some(NOT_ENDED.to_owned()),
            ..Self::default()
        }
    }

    /// Whether the call ended unexpectedly: in another state or with another error code than its recording
    /// requires.
    pub(super) fn failed(&self) -> bool {
        !self.as_expected
    }
}

fn is_expected(ending: &Ending, state: &str, code: Option<&str>) -> bool {
    match ending {
        Ending::Done => state == "done",
        Ending::NoSpeech => state == "no_speech",
        Ending::Failed(wanted) => state == "failed" && code == Some(wanted),
        Ending::NotFailed => matches!(state, "done" | "no_speech"),
        Ending::FailedSomehow => state == "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_ends_unexpectedly_is_a_failure() {
        let not_audio = Ending::Failed("not_audio".to_owned());
        assert!(is_expected(&not_audio, "failed", Some("not_audio")));
        assert!(!is_expected(&not_audio, "failed", Some("internal")));
        assert!(!is_expected(&not_audio, "done", None));
        assert!(is_expected(&Ending::Done, "done", None));
        assert!(!is_expected(&Ending::Done, "no_speech", None));
        assert!(is_expected(&Ending::NotFailed, "no_speech", None));
        assert!(!is_expected(&Ending::NoSpeech, "done", None));
        assert!(!Report::default().as_expected, "a call that timed out");
    }
}
