//! Slots for recognitions with a language model; SpeechKit limits their concurrency.
//!
//! A call acquires a slot before its submission, renews it at each poll and releases it when its operation has ended. A
//! call that ends otherwise (refused, dead, cancelled) releases it in `calls.delete_audio`. A lost slot expires.

use std::time::Duration;

use flysk_domain::id::TranscriptionId;
use flysk_queue::JobError;

use crate::App;
use crate::flysense::FlySense;

/// Retry delay if SpeechKit is the only source of a summary and no slot is free.
const SLOT_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Acquires a slot; `false` if none is free and YandexGPT can write the summary instead. Without YandexGPT the job
/// waits for a slot.
pub(super) async fn acquire(app: &App, flysense: &FlySense, call: TranscriptionId) -> Result<bool, JobError> {
    let entered = app
        .limits
        .acquire_permit_or_snooze(&flysense.summarization_limit(), &call.to_string(), SLOT_RETRY_DELAY)
        .await;
    match entered {
        Ok(()) => Ok(true),
        Err(JobError::Wait { .. }) if flysense.yandexgpt.is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Renews the slot of a call that is still being recognised, if it has one.
pub(super) async fn renew(app: &App, flysense: &FlySense, call: TranscriptionId) {
    if uses_slots(flysense) {
        app.limits.renew_permit(&flysense.summarization_limit(), &call.to_string()).await;
    }
}

/// Releases the slot, if the call has one.
pub(super) async fn release(app: &App, flysense: &FlySense, call: TranscriptionId) {
    if uses_slots(flysense) {
        app.limits.release_permit(&flysense.summarization_limit(), &call.to_string()).await;
    }
}

/// Without summaries by SpeechKit there are no slots, which saves a Redis call at each poll.
fn uses_slots(flysense: &FlySense) -> bool {
    flysense.recognition.summarization_model_uri.is_some()
}
