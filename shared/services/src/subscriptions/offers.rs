//! Versions of plans that a widget offers.

use flysk_domain::id::PlanId;
use flysk_domain::platform::subscriptions::PendingChange;
use flysk_store::platform::subscriptions::{self, Plan, SubscriptionRow};
use flysk_store::{Conn, StoreError};

/// A version of a plan that the subscription's widget offers.
pub(super) async fn on_offer(
    conn: &mut Conn,
    row: &SubscriptionRow,
    plan: PlanId,
) -> Result<Option<Plan>, StoreError> {
    let found = subscriptions::find_plan(conn, plan).await?;
    Ok(found.filter(|plan| plan.active && plan.widget_id == row.widget_id))
}

/// The version of the pending change of the plan, if it is still on offer.
pub(super) async fn pending_plan(
    conn: &mut Conn,
    row: &SubscriptionRow,
    pending: &[PendingChange],
) -> Result<Option<Plan>, StoreError> {
    for change in pending {
        if let PendingChange::Plan(plan) = change {
            return on_offer(conn, row, *plan).await;
        }
    }
    Ok(None)
}
