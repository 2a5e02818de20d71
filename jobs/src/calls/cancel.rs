//! Stopping a call that is under way.

use flysk_domain::Clock;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_store::StoreResult;
use flysk_store::flysense::transcriptions;

use super::{DeleteAudio, let_go};
use crate::outbox::Unit;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It is stopped: no stage goes on with it, its audio is deleted, it costs nothing, and what was
    /// set aside for it goes back.
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
    transcriptions::cancel(unit, id, call.state, clock.now()).await?;
    let_go(unit, &call, clock.now()).await?;
    unit.enqueue(&DeleteAudio { transcription_id: id, account_id }).await?;
    Ok(Cancelled::Now)
}
