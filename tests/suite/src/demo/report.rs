//! What came of a recording, for `--json`.

use serde::Serialize;
use serde_json::Value;

use crate::stand::Transcription;

/// One recording's outcome.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// File name.
    pub recording: String,
    /// `done`, `no_speech` or `failed`.
    pub state: String,
    /// Why it failed.
    pub error_code: Option<String>,
    /// True length of the audio.
    pub duration_ms: Option<u64>,
    /// Channels that were recognised.
    pub channels: Option<u64>,
    /// The dialogue: speaker, channel, times, text.
    pub utterances: Vec<Value>,
    /// What it was about.
    pub summary: Option<String>,
    /// `negative`, `neutral`, `positive`.
    pub sentiment: Option<String>,
    /// What the classifiers found.
    pub classifiers: Vec<Value>,
    /// Seconds that are paid for.
    pub seconds_billed: u64,
    /// Objects of the call left in the bucket.
    pub objects_left_in_bucket: usize,
    /// `paid`, `free`, or how far its payment is.
    pub payment_state: Option<String>,
    /// Whether it waited for the wallet to be filled.
    pub waited_for_coins: bool,
    /// What it was estimated to cost, millionths of a Flycoin.
    pub estimated_micro: Option<i64>,
    /// What was set aside for it, millionths of a Flycoin.
    pub held_micro: Option<i64>,
    /// What it cost, millionths of a Flycoin.
    pub charged_micro: Option<i64>,
    /// The transaction in the ledger that took the coins.
    pub transaction_id: Option<String>,
    /// How the price came about: rule, quantity, rounding.
    pub receipt: Vec<Value>,
    #[serde(skip)]
    expected_failure: bool,
}

impl Report {
    /// From what the API tells.
    pub(super) fn new(recording: &str, call: &Transcription, waited_for_coins: bool, left: usize) -> Self {
        let raw = &call.raw;
        let text = |name: &str| raw.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| raw.get(name).and_then(Value::as_u64);
        let list = |name: &str| raw.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        Self {
            recording: recording.to_owned(),
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
            expected_failure: recording.starts_with("bad-"),
        }
    }

    /// Whether it failed although the recording is good. Files that are bad on purpose are named so.
    pub(super) fn failed(&self) -> bool {
        self.state == "failed" && !self.expected_failure
    }
}
