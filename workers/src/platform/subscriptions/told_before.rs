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
use flysk_store::platform::purchases::{self, NewNotification, NotificationState};

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
    let job = ApplyTbankNotification::KIND;
    let stored = purchases::list_new_notifications(unit, &attempt.terminal_key, &order, job).await?;
    let says_the_same = |body: &Notification| match body {
        Notification::Payment(told) => ignore_update(paid, &told.update).is_some(),
        _ => false,
    };
    // One that cannot be read is reported by its job.
    let is_same =
        |one: &NewNotification| open_notification(app, &one.row).is_ok_and(|body| says_the_same(&body));
    let same: Vec<_> = stored.into_iter().filter(is_same).collect();
    if same.is_empty() {
        return Ok(());
    }
    let (now, note) = (unit.now(), step_label(PaymentStep::Ignore));
    let ids: Vec<_> = same.iter().map(|one| one.row.id).collect();
    purchases::mark_notifications(unit, &ids, NotificationState::Applied, note, now).await?;
    let waiting: Vec<_> = same.iter().filter_map(|one| one.waiting_job).collect();
    jobs::cancel_queued(unit, &waiting, ANSWERED, now).await?;
    Ok(())
}
