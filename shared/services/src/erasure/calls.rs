//! FlySense's side of an erasure: calls, their data from amoCRM, and people who are bound in messengers.
//!
//! Objects of a call in storage are deleted before its rows, by the job: the rows name them.

use flysk_domain::Clock;
use flysk_domain::admin::{ErasedKind, ErasureSide};
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::id::{AccountId, ErasureId, TranscriptionId};
use flysk_queue::UnitOfWork;
use flysk_store::flysense::accounts;
use flysk_store::flysense::erasure::{self as store, ListedCall};
use flysk_store::{Conn, StoreResult};

use super::{Piece, add_counts, lock_running};
use crate::calls::{CancelOutcome, cancel};

/// Rows of each kind that one transaction erases.
const BATCH_SIZE: u32 = 500;

/// Whether FlySense still collects data of the account: it has not learned of its removal yet, or was installed again.
///
/// # Errors
///
/// The database fails.
pub async fn is_active(conn: &mut Conn, account: AccountId) -> StoreResult<bool> {
    Ok(accounts::find(conn, account).await?.is_some_and(|row| row.status == AccountStatus::Active))
}

/// Lists at most `limit` calls of the account, oldest first.
///
/// # Errors
///
/// The database fails.
pub async fn list(conn: &mut Conn, account: AccountId, limit: u32) -> StoreResult<Vec<ListedCall>> {
    store::list_calls(conn, account, limit).await
}

/// Cancels an unfinished call in `unit`; whether it has ended now.
///
/// # Errors
///
/// The database fails.
pub async fn end_call(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    account: AccountId,
    call: TranscriptionId,
) -> StoreResult<bool> {
    Ok(match cancel(unit, account, call, clock).await? {
        CancelOutcome::Cancelled | CancelOutcome::NotFound => true,
        CancelOutcome::TooLate(state) => state.is_final(),
    })
}

/// Deletes ended calls whose objects, `recordings` in number, the caller has deleted.
///
/// # Errors
///
/// The database fails.
pub async fn erase_calls(
    unit: &mut UnitOfWork,
    id: ErasureId,
    calls: &[TranscriptionId],
    recordings: u64,
) -> StoreResult<Piece> {
    let Some(erasure) = lock_running(unit, id, ErasureSide::Calls).await? else { return Ok(Piece::Stopped) };
    let (deleted, transcripts) = store::delete_calls(unit, erasure.account_id, calls).await?;
    let counts = [
        (ErasedKind::Calls, deleted),
        (ErasedKind::Transcripts, transcripts),
        (ErasedKind::Recordings, recordings),
    ];
    add_counts(unit, id, &counts).await?;
    Ok(Piece::Erased(deleted))
}

/// Deletes a batch of rows read from amoCRM, of tags and of the bots' messages; and, once these are gone, the people.
///
/// # Errors
///
/// The database fails.
pub async fn erase_batch(unit: &mut UnitOfWork, id: ErasureId) -> StoreResult<Piece> {
    let Some(erasure) = lock_running(unit, id, ErasureSide::Calls).await? else { return Ok(Piece::Stopped) };
    let account = erasure.account_id;
    let mut messages = 0;
    for chat in store::list_own_chats(unit, account).await? {
        messages += store::delete_chat(unit, chat, BATCH_SIZE).await?;
    }
    let counts = [
        (ErasedKind::Hooks, store::delete_hooks(unit, account, BATCH_SIZE).await?),
        (ErasedKind::Events, store::delete_events(unit, account, BATCH_SIZE).await?),
        (ErasedKind::Tags, store::delete_tags(unit, account, BATCH_SIZE).await?),
        (ErasedKind::Messages, messages),
    ];
    let erased = add_counts(unit, id, &counts).await?;
    if erased > 0 {
        return Ok(Piece::Erased(erased));
    }
    // The people name the dialogues, so they go last.
    let counts = [
        (ErasedKind::Bindings, store::delete_bindings(unit, account).await?),
        (ErasedKind::Links, store::delete_links(unit, account).await?),
    ];
    Ok(Piece::Erased(add_counts(unit, id, &counts).await?))
}
