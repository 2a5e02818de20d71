//! Notifications of a charge that were stored before its answer was applied.
//!
//! The bank sends two of every charge that succeeds, about the time at which it answers. What the answer has said already needs no
//! job of its own.

use flysk_clients::tbank::Notification;
use flysk_domain::platform::invoice_payments::{AttemptState, PaymentSnapshot, PaymentStep};
use flysk_domain::platform::purchases::PaymentUpdate;
use flysk_jobs::platform::billing::ApplyTbankNotification;
use flysk_queue::{Job as _, JobError, UnitOfWork};
use flysk_services::invoice_payments::{ignore_update, step_label};
use flysk_store::jobs;
use flysk_store::platform::invoice_payments::Attempt;
use flysk_store::platform::purchases::{self, NotificationState};

use crate::App;
use crate::platform::notifications::open_notification;

/// Why the job of such a notification is cancelled.
const ANSWERED: &str = "the answer to the charge has said the same";

/// Marks the notifications that tell nothing new of an attempt that `answer` has paid, and cancels their jobs. The others are left to
/// their jobs, and so are those whose job has begun: it finds the attempt paid, or the notification marked.
pub(super) async fn settle_told_before(
    unit: &mut UnitOfWork,
    app: &App,
    attempt: &Attempt,
    answer: &PaymentUpdate,
) -> Result<(), JobError> {
    let paid = PaymentSnapshot {
        kind: attempt.kind,
        state: AttemptState::Paid,
        payment_id: Some(answer.payment_id.as_str()),
        status: Some(&answer.status),
        amount: attempt.amount,
        since_charge: None,
    };
    let order = attempt.id.to_string();
    let stored = purchases::list_new_notifications(unit, &attempt.terminal_key, &order).await?;
    let says_the_same = |body: &Notification| match body {
        Notification::Payment(told) => ignore_update(paid, &told.update).is_some(),
        _ => false,
    };
    // One that cannot be read is reported by its job.
    let same = stored.iter().filter(|row| open_notification(app, row).is_ok_and(|body| says_the_same(&body)));
    let same: Vec<_> = same.map(|row| row.id).collect();
    if same.is_empty() {
        return Ok(());
    }
    let (now, note) = (unit.now(), step_label(PaymentStep::Ignore));
    purchases::mark_notifications(unit, &same, NotificationState::Applied, note, now).await?;
    let keys: Vec<_> = same
        .into_iter()
        .filter_map(|id| ApplyTbankNotification { notification_id: id }.dedup_key())
        .collect();
    jobs::cancel_waiting(unit, &[ApplyTbankNotification::KIND], &keys, ANSWERED, now).await?;
    Ok(())
}
