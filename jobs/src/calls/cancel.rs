//! Stopping a call that is under way.
//!
//! A recognition that was ordered is paid for by us whether its result is looked at or not, so it is paid for by whoever
//! stops the call, too: stopping is no way to have recognitions for nothing.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::flysense::payment::{Work, is_recognition_ordered};
use flysk_domain::flysense::pricing::billed_seconds;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_store::StoreResult;
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::{CapturePayment, DeleteAudio, Settle, Summarize, let_go};
use crate::job::Job as _;
use crate::outbox::Unit;
use crate::replay::STAGES;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is stopped: no stage goes on with it and its audio is deleted. What was set aside for it goes back, but for the
    /// price of a recognition that was ordered.
    Now,
    /// It is over, or as good as over.
    TooLate(TranscriptionState),
    /// The account has no such call.
    Unknown,
}

/// Stops a call. Whatever stage works on it finds that out when it wants to write, and writes nothing; a
/// recognition that was ordered runs to its end at SpeechKit and is not looked at any more.
pub async fn cancel(
    unit: &mut Unit,
    account_id: AccountId,
    id: TranscriptionId,
    clock: &dyn Clock,
) -> StoreResult<Cancelled> {
    let Some(call) = transcriptions::lock(unit, account_id, id).await? else { return Ok(Cancelled::Unknown) };
    if call.state.advance(StateEvent::Cancelled).is_err() {
        return Ok(Cancelled::TooLate(call.state));
    }
    let now = clock.now();
    if is_recognition_ordered(call.state, call.submits, call.operation_id.is_some()) {
        let duration_ms = call.duration_ms.unwrap_or_default();
        let billed = u32::try_from(billed_seconds(duration_ms, true)).unwrap_or(u32::MAX);
        transcriptions::cancel(unit, id, call.state, billed, now).await?;
        charge(unit, &call, now).await?;
    } else {
        transcriptions::cancel(unit, id, call.state, 0, now).await?;
        let_go(unit, &call, now).await?;
    }
    // A stage that waits, for a link or a quota, would hold up the next run: it has the same dedup key.
    let reason = "the call was cancelled";
    let stages = [&STAGES[..], &[Summarize::KIND, Settle::KIND]].concat();
    flysk_store::jobs::cancel_waiting(unit, &stages, &id.to_string(), reason, now).await?;
    unit.enqueue(&DeleteAudio { transcription_id: id, account_id }).await?;
    Ok(Cancelled::Now)
}

/// The recognition is owed for from now on; a summary, which nobody will see, is not.
async fn charge(unit: &mut Unit, call: &Transcription, now: DateTime<Utc>) -> StoreResult<()> {
    let of = RunOf { id: call.id, run: call.run };
    let work = Work::of(call.duration_ms.unwrap_or_default(), false);
    if payments::mark_owed(unit, of, call.account_id, work, now).await? {
        let (transcription_id, account_id) = (call.id, call.account_id);
        unit.enqueue(&CapturePayment { transcription_id, account_id, run: call.run }).await?;
    }
    Ok(())
}
