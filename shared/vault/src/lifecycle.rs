//! Writing what happens to installs, and telling the vendor of it in the same transaction.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{EventId, InstallId};
use flysk_domain::platform::lifecycle::{EventKind, Fact, InstallStatus};
use flysk_jobs::Unit;
use flysk_jobs::lifecycle::DeliverEvent;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{accounts, installs, widgets};
use flysk_store::{StoreError, StoreResult};

use crate::flycoins;

/// Takes in a fact about an install and gives the status that follows.
///
/// Takes the install's row lock. A change of status becomes events, and the events become deliveries; the first
/// activation of an account brings the widget's welcome bonus.
pub async fn learn(
    unit: &mut Unit,
    clock: &dyn Clock,
    id: InstallId,
    fact: Fact,
    at: DateTime<Utc>,
) -> StoreResult<InstallStatus> {
    let install = installs::lock(unit, id).await?.ok_or(StoreError::Stale { what: "install" })?;
    learn_locked(unit, clock, &install, fact, at).await
}

/// [`learn`] for a row whose lock the caller holds.
pub async fn learn_locked(
    unit: &mut Unit,
    clock: &dyn Clock,
    install: &Install,
    fact: Fact,
    at: DateTime<Utc>,
) -> StoreResult<InstallStatus> {
    let mut facts = install.facts();
    facts.learn(fact, at);
    if facts == install.facts() {
        return Ok(install.status);
    }
    let now = clock.now();
    installs::write_facts(unit, install.id, &facts, now).await?;
    let (before, after) = (install.status, facts.status());
    let told = EventKind::between(before, after);
    if before != after {
        tracing::info!(
            install.id = %install.id, account.id = %install.account_id, fact = ?fact, from = %before, to = %after,
            "the install changed its status"
        );
    }
    if !told.is_empty() {
        let widget =
            widgets::find(unit, install.widget_id).await?.ok_or(StoreError::Stale { what: "widget" })?;
        if told.contains(&EventKind::Activate) {
            flycoins::welcome(unit, clock, &widget, install, after).await?;
        }
        tell(unit, clock, &widget, install, &told, at).await?;
    }
    Ok(after)
}

async fn tell(
    unit: &mut Unit,
    clock: &dyn Clock,
    widget: &Widget,
    install: &Install,
    kinds: &[EventKind],
    happened_at: DateTime<Utc>,
) -> StoreResult<()> {
    let account = accounts::find(unit, install.crm, install.account_id).await?;
    let host = account.map(|account| account.host).unwrap_or_default();
    let mut sequence = install.event_sequence;
    for kind in kinds {
        sequence += 1;
        let addressed = widget.event_url_of(*kind).is_some();
        let event = Event {
            id: EventId::generate(clock),
            widget_id: widget.id,
            number: widgets::next_event_number(unit, widget.id).await?,
            install_id: install.id,
            sequence,
            kind: *kind,
            account_id: install.account_id,
            host: host.clone(),
            state: if addressed { EventState::Waiting } else { EventState::Unaddressed },
            attempts: 0,
            happened_at,
        };
        events::insert(unit, &event).await?;
        if addressed {
            unit.enqueue(&DeliverEvent { event_id: event.id }).await?;
        }
    }
    installs::write_event_sequence(unit, install.id, sequence).await
}
