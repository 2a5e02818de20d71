//! Terms of the next period: the present ones, or those of a price campaign, with the changes that wait.

use flysk_domain::id::PlanId;
use flysk_domain::platform::subscriptions::{NextTerms, PendingChange, Subscription, Terms};
use flysk_store::platform::subscriptions::{self, AnnouncedPrice, HeldPlan, Plan, SubscriptionRow};
use flysk_store::{Conn, StoreError, StoreResult};

use super::announced_price::price_change;
use super::offers::pending_plan;

/// Terms that the next period starts from, before the changes that wait.
#[derive(Debug, Clone)]
pub(super) struct RenewalBase {
    /// The terms.
    pub(super) terms: Terms,
    /// Their version of the plan.
    pub(super) plan: Plan,
    /// A campaign's version that has no price for these terms, so that the present ones go on.
    pub(super) unavailable: Option<PlanId>,
    /// Whether changes wait.
    pub(super) has_pending_changes: bool,
}

/// Terms of the next period.
#[derive(Debug, Clone)]
pub struct ResolvedTerms {
    /// The terms, and the changes that are not possible any more.
    pub next: NextTerms,
    /// Title of the plan that they belong to.
    pub title: String,
    /// A campaign's version that could not be applied: the present one goes on, and an operator is told.
    pub unavailable: Option<PlanId>,
}

/// Terms that the period after the paid one starts from: the present ones, or those of a campaign whose notice is old enough.
/// `None` before the first purchase.
pub(super) async fn renewal_base(conn: &mut Conn, row: &SubscriptionRow) -> StoreResult<Option<RenewalBase>> {
    let Some(terms) = row.subscription.terms else { return Ok(None) };
    let held = subscriptions::find_held_plan(conn, terms.plan, row.id).await?;
    let held = held.ok_or(StoreError::WrongState { what: "version of the plan" })?;
    let HeldPlan { plan, is_left, has_pending_changes } = held;
    let present = RenewalBase { terms, plan, unavailable: None, has_pending_changes };
    if !is_left {
        return Ok(Some(present));
    }
    let Some(announced) = subscriptions::find_announced_price(conn, row.id, terms.plan).await? else {
        return Ok(Some(present));
    };
    if !applies_to_next(&row.subscription, &announced) {
        return Ok(Some(present));
    }
    let version = subscriptions::find_plan(conn, announced.to_plan).await?;
    let moved = version.and_then(|plan| {
        let terms = terms.under(plan.id, &plan.terms)?;
        Some(RenewalBase { terms, plan, unavailable: None, has_pending_changes })
    });
    Ok(Some(moved.unwrap_or(RenewalBase { unavailable: Some(announced.to_plan), ..present })))
}

/// Whether the period that follows the paid one has the announced price.
fn applies_to_next(subscription: &Subscription, announced: &AnnouncedPrice) -> bool {
    subscription.paid_until().is_some_and(|boundary| price_change(announced).applies_from(boundary))
}

/// Terms of the next period with these changes; `None` before the first purchase.
pub async fn next_terms(
    conn: &mut Conn,
    row: &SubscriptionRow,
    pending: &[PendingChange],
) -> StoreResult<Option<ResolvedTerms>> {
    let Some(base) = renewal_base(conn, row).await? else { return Ok(None) };
    resolve(conn, row, base, pending).await.map(Some)
}

/// Terms of the next period with the changes that wait; `None` before the first purchase.
pub(super) async fn upcoming_terms(
    conn: &mut Conn,
    row: &SubscriptionRow,
) -> StoreResult<Option<ResolvedTerms>> {
    let Some(base) = renewal_base(conn, row).await? else { return Ok(None) };
    let pending =
        if base.has_pending_changes { subscriptions::list_pending(conn, row.id).await? } else { Vec::new() };
    resolve(conn, row, base, &pending).await.map(Some)
}

async fn resolve(
    conn: &mut Conn,
    row: &SubscriptionRow,
    base: RenewalBase,
    pending: &[PendingChange],
) -> StoreResult<ResolvedTerms> {
    let wanted = pending_plan(conn, row, pending).await?;
    let version = wanted.as_ref().map(|plan| &plan.terms);
    let next = NextTerms::resolve(base.terms, pending, &base.plan.terms, version);
    let title = wanted
        .filter(|plan| plan.id == next.terms.plan)
        .map_or(base.plan.terms.title, |plan| plan.terms.title);
    Ok(ResolvedTerms { next, title, unavailable: base.unavailable })
}
