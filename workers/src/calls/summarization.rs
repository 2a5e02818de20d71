//! Places among the recognitions with a language model: SpeechKit runs so many at once.
//!
//! A call takes one before it is submitted, keeps it as long as it is looked at, and gives it back when its operation has
//! ended. One that ends in another way (refused, buried, cancelled) gives it back with its audio, by
//! `calls.delete_audio`; should that be lost, too, the place is free after a while.

use std::time::Duration;

use flysk_domain::id::TranscriptionId;
use flysk_jobs::JobError;

use crate::App;
use crate::flysense::FlySense;

/// How soon a call asks again that has nobody else to write its summary.
const RETRY: Duration = Duration::from_secs(5);

/// Takes a place, or says that there is none: then YandexGPT writes the summary, and the recognition does not wait.
/// Where there is no YandexGPT, it does.
pub(super) async fn enter(app: &App, flysense: &FlySense, call: TranscriptionId) -> Result<bool, JobError> {
    let entered = app.limits.enter_or_wait(&flysense.summarization_room(), &call.to_string(), RETRY).await;
    match entered {
        Ok(()) => Ok(true),
        Err(JobError::Wait { .. }) if flysense.yandexgpt.is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps the place of a call that is still being recognised, if it has one.
pub(super) async fn renew(app: &App, flysense: &FlySense, call: TranscriptionId) {
    if has_places(flysense) {
        app.limits.renew(&flysense.summarization_room(), &call.to_string()).await;
    }
}

/// Gives the place back, if the call has one.
pub(super) async fn leave(app: &App, flysense: &FlySense, call: TranscriptionId) {
    if has_places(flysense) {
        app.limits.leave(&flysense.summarization_room(), &call.to_string()).await;
    }
}

/// Nobody holds a place where SpeechKit is not asked for summaries, and Redis need not be asked at each look.
fn has_places(flysense: &FlySense) -> bool {
    flysense.recognition.summarization_model_uri.is_some()
}
