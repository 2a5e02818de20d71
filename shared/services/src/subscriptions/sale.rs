//! What follows when a widget begins to sell subscriptions, or sells them again.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::SubscriptionId;
use flysk_domain::platform::subscriptions::SubscriptionSettings;
use flysk_domain::trace::Trace;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::{StoreResult, repeat_contended};

use super::context::Context;
use super::details::settings_of;
use super::trial::start_missing_trials;

/// Subscriptions that are read at once.
const READ_AT_ONCE: u32 = 1_000;
/// Subscriptions that go on in one transaction.
const RESUMED_PER_TRANSACTION: usize = 100;

/// What followed from the beginning of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BegunSale {
    /// Subscriptions with a step that is due now, because it has waited for the sale.
    pub resumed: u64,
    /// Trials that were started, of accounts that had no subscription.
    pub trials: u64,
}

/// Lets the subscriptions of a widget go on that waited while it sold none, and starts the missing trials. Called after the change
/// of the widget is committed, with the widget as it is then.
///
/// Works in transactions of its own. Harmless when repeated; what it did not reach goes on within a day by itself.
///
/// # Errors
///
/// The database fails, or a stored value cannot be read.
pub async fn begin_sale(outbox: &Outbox, trace: &Trace, widget: &Widget) -> StoreResult<BegunSale> {
    let resumed = resume_waiting(outbox, trace, widget).await?;
    let trials = start_missing_trials(outbox, trace, widget).await?;
    Ok(BegunSale { resumed, trials })
}

async fn resume_waiting(outbox: &Outbox, trace: &Trace, widget: &Widget) -> StoreResult<u64> {
    let settings = settings_of(widget);
    let (mut resumed, mut after) = (0, None);
    loop {
        let mut conn = outbox.pool().acquire().await?;
        let page =
            subscriptions::list_subscriptions_of_widget(&mut conn, widget.id, after, READ_AT_ONCE).await?;
        drop(conn);
        let Some(last) = page.last() else { return Ok(resumed) };
        after = Some(last.id);
        let now = outbox.clock().now();
        let waiting = page.iter().filter(|row| may_have_waited(row, now, &settings));
        let waiting: Vec<SubscriptionId> = waiting.map(|row| row.id).collect();
        for some in waiting.chunks(RESUMED_PER_TRANSACTION) {
            let resume_some = || async {
                let mut unit = outbox.begin(trace.clone()).await?;
                let mut due = 0;
                for id in some {
                    due += u64::from(resume(&mut unit, outbox.clock().as_ref(), &settings, *id).await?);
                }
                unit.commit().await?;
                StoreResult::Ok(due)
            };
            resumed += repeat_contended(resume_some).await?;
        }
    }
}

/// Whether a subscription's next step has another time than is stored, or the charge of its open renewal may wait.
fn may_have_waited(row: &SubscriptionRow, now: DateTime<Utc>, settings: &SubscriptionSettings) -> bool {
    let subscription = &row.subscription;
    subscription.state.awaits_renewal() || subscription.next_due_at(now, settings) != row.next_due_at
}

async fn resume(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    id: SubscriptionId,
) -> StoreResult<bool> {
    let row = subscriptions::lock_subscription(unit, id).await?;
    Context { clock, settings, row: &row, events: None }.resume(unit).await
}
