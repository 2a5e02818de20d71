//! Notices to the people who are bound to an account.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::Clock;
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::message::Outgoing;
use flysk_domain::flysense::activation::notices::NoticeKind;
use flysk_domain::id::{AccountId, BindingId, BotMessageId, UserId};
use flysk_domain::sending_hours::{local_day, next_send_time};
use flysk_jobs::flysense::activation::SendLetter;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::accounts::AccountRow;
use flysk_store::flysense::activation::bindings::{self, BindingRow};
use flysk_store::flysense::activation::{chats, messages, notices};

use super::messages::queue_message_at;

/// Queues a notice for everybody who is bound to the account and has not switched the kind off: now, or in the morning if it
/// is night in the account. At most one of a kind a day for each person, and none whose news another kind of the day contains.
/// Returns how many were queued.
///
/// A person who has blocked the bot gets it by e-mail, if the kind goes by e-mail and the address is known.
pub async fn notify_account(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    account: &AccountRow,
    kind: NoticeKind,
    message: &Outgoing,
) -> StoreResult<usize> {
    let now: DateTime<Utc> = clock.now();
    let send_at = next_send_time(now, account.utc_offset_minutes);
    let day = local_day(send_at, account.utc_offset_minutes);
    let bound = bindings::list_of_account(unit, account.account_id).await?;
    let is_active = |binding: &&BindingRow| binding.state == BindingState::Active;
    // One person may be bound in both messengers, and gets no letter about what either has told.
    let mut told: Vec<UserId> = bound.iter().filter(is_active).map(|binding| binding.user_id).collect();
    let mut queued = 0;
    for binding in bound.iter().filter(|binding| !binding.muted.contains(&kind)) {
        let by_mail = binding.state != BindingState::Active;
        if by_mail && (told.contains(&binding.user_id) || !has_address(unit, binding, kind).await?) {
            continue;
        }
        let id = BotMessageId::generate(clock);
        if !claim(unit, binding.id, kind, day, id, now).await? {
            continue;
        }
        if by_mail {
            messages::insert(unit, id, binding.messenger, binding.chat_id, message, now).await?;
            unit.enqueue_at(&letter(id, account.account_id, binding.id, kind), send_at).await?;
            told.push(binding.user_id);
        } else {
            queue_message_at(unit, clock, id, binding.messenger, binding.chat_id, message, send_at).await?;
        }
        queued += 1;
    }
    Ok(queued)
}

/// Whether a kind goes to a person by e-mail.
async fn has_address(unit: &mut UnitOfWork, binding: &BindingRow, kind: NoticeKind) -> StoreResult<bool> {
    Ok(kind.goes_by_mail() && bindings::find_email(unit, binding.id).await?.is_some())
}

/// Records the notice of the day; `false` if the person has got one before.
async fn claim(
    unit: &mut UnitOfWork,
    binding: BindingId,
    kind: NoticeKind,
    day: NaiveDate,
    id: BotMessageId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    if let Some(other) = kind.told_by()
        && notices::is_claimed(unit, binding, other, day).await?
    {
        return Ok(false);
    }
    notices::claim(unit, binding, kind, day, id, now).await
}

const fn letter(
    message_id: BotMessageId,
    account_id: AccountId,
    binding_id: BindingId,
    kind: NoticeKind,
) -> SendLetter {
    SendLetter { message_id, account_id, binding_id, kind }
}

/// The messenger does not reach the person of a message. If it is a notice that goes by e-mail to a known address, a letter with
/// the same text is enqueued; its outcome becomes that of the message, which waits. Returns whether there is a letter.
pub async fn write_letter_instead(unit: &mut UnitOfWork, message_id: BotMessageId) -> StoreResult<bool> {
    let Some(notice) = notices::find_undelivered(unit, message_id).await? else { return Ok(false) };
    if !notice.kind.goes_by_mail() {
        return Ok(false);
    }
    unit.enqueue(&letter(message_id, notice.account_id, notice.binding_id, notice.kind)).await?;
    Ok(true)
}

/// Switches notices of a kind on or off for the dialogue of a person, as `/settings` in the bot does; `false` if the person is
/// not bound any more. Harmless when repeated.
pub async fn switch_notices(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    account_id: AccountId,
    binding_id: BindingId,
    kind: NoticeKind,
    wanted: bool,
) -> StoreResult<bool> {
    let Some(known) = bindings::find(unit, account_id, binding_id).await? else { return Ok(false) };
    let now = clock.now();
    chats::lock(unit, known.messenger, known.chat_id, now).await?;
    let bound = bindings::list_of_chat(unit, known.messenger, known.chat_id).await?;
    let Some(binding) = bound.into_iter().find(|binding| binding.id == binding_id) else {
        return Ok(false);
    };
    let mut muted = binding.muted;
    muted.retain(|other| *other != kind);
    if !wanted {
        muted.push(kind);
    }
    bindings::set_muted_of_chat(unit, binding.messenger, binding.chat_id, &muted, now).await?;
    Ok(true)
}
