//! Notices to the people who are bound to an account.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::message::Outgoing;
use flysk_domain::flysense::activation::notices::NoticeKind;
use flysk_domain::id::BotMessageId;
use flysk_domain::sending_hours::{local_day, next_send_time};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::accounts::AccountRow;
use flysk_store::flysense::activation::{bindings, notices};

use super::messages::queue_message_at;

/// Queues a notice for everybody who is bound to the account and has not switched the kind off: now, or in the morning if it
/// is night in the account. At most one of a kind a day for each person, and none whose news another kind of the day has told.
/// Returns how many were queued.
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
    let mut queued = 0;
    for binding in bindings::list_of_account(unit, account.account_id).await? {
        if binding.state != BindingState::Active || binding.muted.contains(&kind) {
            continue;
        }
        if let Some(other) = kind.told_by()
            && notices::is_claimed(unit, binding.id, other, day).await?
        {
            continue;
        }
        let id = BotMessageId::generate(clock);
        if notices::claim(unit, binding.id, kind, day, id, now).await? {
            queue_message_at(unit, clock, id, binding.messenger, binding.chat_id, message, send_at).await?;
            queued += 1;
        }
    }
    Ok(queued)
}
