//! Writing a subscription: its state, its next due time, and an entry of the log.

use flysk_domain::platform::subscriptions::{Subscription, SubscriptionSettings};
use flysk_domain::{Clock, TextEnum as _};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::cache_invalidations::{self, Subject};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use serde_json::{Value, json};

use super::action_log::{Entry, log};
use super::announce::announce;
use super::seats::drop_surplus_seats;

/// Writes the new state of a subscription whose row the caller has locked, and logs it. Returns the row as written.
pub(super) async fn save(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    new: &Subscription,
    entry: Entry<'_>,
) -> StoreResult<SubscriptionRow> {
    let now = clock.now();
    let next_due_at = new.next_due_at(now, settings);
    subscriptions::update_subscription(unit, row, new, next_due_at, now).await?;
    drop_surplus_seats(unit, clock, row, new).await?;
    let details = json!({ "before": summary(&row.subscription), "after": summary(new), "data": entry.data });
    log(unit, clock, row, &entry, details).await?;
    cache_invalidations::record(unit, Subject::Install(row.install_id)).await?;
    if row.subscription.state != new.state {
        tracing::info!(
            subscription.id = %row.id, account.id = %row.account_id, from = %row.subscription.state, to = %new.state,
            action = %entry.action, "subscription changed its state"
        );
    }
    let written = SubscriptionRow {
        version: row.version.saturating_add(1),
        subscription: new.clone(),
        next_due_at,
        updated_at: now,
        ..row.clone()
    };
    announce(unit, clock, settings, row.subscription.state, &written, &entry).await?;
    Ok(written)
}

/// Summary of a state for the log.
fn summary(subscription: &Subscription) -> Value {
    json!({
        "state": subscription.state.as_str(),
        "plan_id": subscription.terms.map(|terms| terms.plan),
        "seats": subscription.terms.map(|terms| terms.seats),
        "months": subscription.terms.map(|terms| terms.length.months()),
        "seat_price_kopecks": subscription.terms.map(|terms| terms.seat_price),
        "period_no": subscription.period_no,
        "period": subscription.period,
        "prepaid": subscription.prepaid,
        "trial": subscription.trial,
        "cancels": subscription.cancels,
    })
}
