//! Changes that wait for the next period, and the terms that follow from them.

use flysk_domain::TextEnum as _;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::PendingChange;
use flysk_domain::russian::seats;
use flysk_services::subscriptions::{SubscriptionDetails, next_terms};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::{Conn, StoreResult};

/// A change that waits.
#[derive(Debug)]
pub(super) struct PendingRow {
    /// Kind, for the form that withdraws it.
    pub(super) kind: &'static str,
    /// Description of the change: before and after.
    pub(super) text: String,
}

/// Describes the changes that wait.
pub(super) async fn rows(conn: &mut Conn, details: &SubscriptionDetails) -> StoreResult<Vec<PendingRow>> {
    let Some(terms) = details.row.subscription.terms else { return Ok(Vec::new()) };
    let mut rows = Vec::with_capacity(details.pending.len());
    for change in &details.pending {
        let text = match change {
            PendingChange::Plan(plan) => {
                let own = details.plan.as_ref().map_or("", |plan| plan.terms.title.as_str());
                let next = subscriptions::find_plan(conn, *plan).await?;
                let next = next.map(|plan| plan.terms.title).unwrap_or_default();
                format!("Тариф: «{own}» → «{next}»")
            }
            PendingChange::Seats(next) => format!("Места: {} → {}", terms.seats, seats(*next)),
            PendingChange::Length(next) => {
                format!("Срок оплаты: {} → {}", terms.length.label_ru(), next.label_ru())
            }
        };
        rows.push(PendingRow { kind: change.kind().as_str(), text });
    }
    Ok(rows)
}

/// Price of the next period with these changes; `None` before the first purchase.
pub(super) async fn next_total(
    conn: &mut Conn,
    row: &SubscriptionRow,
    pending: &[PendingChange],
) -> StoreResult<Option<Kopecks>> {
    let resolved = next_terms(conn, row, pending).await?;
    Ok(resolved.and_then(|resolved| resolved.next.terms.total().ok()))
}

/// The changes that wait once `change` does: it replaces the one of its kind.
pub(super) fn with(pending: &[PendingChange], change: PendingChange) -> Vec<PendingChange> {
    let others = pending.iter().copied().filter(|other| other.kind() != change.kind());
    others.chain([change]).collect()
}
