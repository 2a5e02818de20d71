//! Queueing notices about subscriptions, in the transaction of their cause.

use chrono::NaiveDate;
use flysk_domain::Clock;
use flysk_domain::id::{InvoiceId, MailNoticeId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::mail::{MailFacts, MailKind, MailState};
use flysk_domain::sending_hours::{local_day, next_send_time};
use flysk_jobs::platform::mail::SendMailNotice;
use flysk_queue::UnitOfWork;
use flysk_store::platform::mail;
use flysk_store::platform::subscriptions::SubscriptionRow;
use flysk_store::{StoreError, StoreResult};

/// Facts about a subscription for a notice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubscriptionMail {
    pub(crate) kind: MailKind,
    /// The day that it is about, Moscow.
    pub(crate) on: Option<NaiveDate>,
    /// Days until then, in reminders.
    pub(crate) days_before: Option<u32>,
    /// Price of the next period or of the open invoice.
    pub(crate) amount: Option<Kopecks>,
    /// Price of a period before its price changes.
    pub(crate) previous_amount: Option<Kopecks>,
    /// Whether a card is charged, in reminders of a charge.
    pub(crate) renews: bool,
    /// The open invoice.
    pub(crate) invoice: Option<InvoiceId>,
}

/// Queues a notice to the address of the account's receipts: now, or in the morning if it is night in the account. Nothing is
/// queued if no address is known or the account does not want the kind; at most one of a kind is queued a day.
pub(crate) async fn queue_subscription_mail(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    told: SubscriptionMail,
) -> StoreResult<()> {
    let subject = mail::find_subject(unit, row.id).await?;
    let subject = subject.ok_or(StoreError::WrongState { what: "subscription" })?;
    let Some(contact) = &subject.contact else { return Ok(()) };
    let (source, preferences) = (contact.source.to_string(), &subject.preferences);
    if preferences.bad_contact.as_ref() == Some(&source) || preferences.muted.contains(&told.kind) {
        return Ok(());
    }
    let offset = subject.utc_offset_minutes;
    let send_at = next_send_time(clock.now(), offset);
    let notice = mail::MailNotice {
        id: MailNoticeId::generate(clock),
        subscription_id: row.id,
        install_id: row.install_id,
        kind: told.kind,
        local_day: local_day(send_at, offset),
        facts: MailFacts {
            widget: subject.widget_name,
            host: subject.host,
            on: told.on,
            days_before: told.days_before,
            amount: told.amount,
            previous_amount: told.previous_amount,
            renews: told.renews,
            invoice: told.invoice,
            uninstalled: subject.is_uninstalled,
        },
        state: MailState::Waiting,
    };
    if mail::insert_notice(unit, &notice, clock.now()).await? {
        unit.enqueue_at(&SendMailNotice { notice_id: notice.id }, send_at).await?;
    }
    Ok(())
}
