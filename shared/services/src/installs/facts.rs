//! Records facts about installs, and enqueues events to vendors in the same transaction.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::InstallId;
use flysk_domain::platform::events::{EventKind, StatusChanged, caused_by_status_change};
use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_queue::UnitOfWork;
use flysk_store::platform::installs::Install;
use flysk_store::platform::{installs, widgets};
use flysk_store::{StoreError, StoreResult};

use crate::events::{self, NewEvent};
use crate::wallets;

/// Records a fact about an install and returns the resulting status.
///
/// Locks the install's row. A change of status creates events and their deliveries. The first activation in an account
/// grants the widget's welcome bonus.
pub async fn record_fact(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InstallId,
    fact: Fact,
    at: DateTime<Utc>,
) -> StoreResult<InstallStatus> {
    let install = installs::lock(unit, id).await?.ok_or(StoreError::WrongState { what: "install" })?;
    record_fact_locked(unit, clock, &install, fact, at).await
}

/// [`record_fact`] for a row that the caller has locked.
pub async fn record_fact_locked(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    install: &Install,
    fact: Fact,
    at: DateTime<Utc>,
) -> StoreResult<InstallStatus> {
    let mut facts = install.facts();
    facts.record(fact, at);
    if facts == install.facts() {
        return Ok(install.status);
    }
    let now = clock.now();
    installs::write_facts(unit, install.id, &facts, now).await?;
    let (before, after) = (install.status, facts.status());
    let kinds = caused_by_status_change(before, after);
    if before != after {
        tracing::info!(
            install.id = %install.id, account.id = %install.account_id, fact = ?fact, from = %before, to = %after,
            "install status changed"
        );
    }
    if !kinds.is_empty() {
        let widget =
            widgets::find(unit, install.widget_id).await?.ok_or(StoreError::WrongState { what: "widget" })?;
        if kinds.contains(&EventKind::Activate) {
            wallets::grant_welcome_bonus(unit, clock, &widget, install, after).await?;
        }
        let data = StatusChanged { status: after, reason: fact.into() };
        let told = kinds.iter().map(|kind| NewEvent::new(*kind, &data)).collect::<StoreResult<Vec<_>>>()?;
        events::emit_of(unit, clock, (widget.event_rules(), install.id), &told, at).await?;
    }
    Ok(after)
}
