//! Events for vendors' backends: recording, order of delivery, replays.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::Keyring;
use flysk_domain::Clock;
use flysk_domain::id::{EventId, InstallId, InvoiceId};
use flysk_domain::platform::events::EventKind;
use flysk_jobs::platform::lifecycle::{DeliverEvent, ORDER_RECHECK_DELAY};
use flysk_queue::UnitOfWork;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets::EventRules;
use flysk_store::platform::{installs, widgets};
use flysk_store::{JsonText, StoreError, StoreResult};
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use crate::mail::invoice_pay_link;

/// An event to be recorded.
#[derive(Debug, Clone)]
pub struct NewEvent {
    kind: EventKind,
    data: JsonText,
}

impl NewEvent {
    /// An event of this kind. `data` is the kind's struct in [`flysk_domain::platform::events`], a JSON object without
    /// secrets and personal data.
    ///
    /// # Errors
    ///
    /// The data cannot be serialised.
    pub fn new(kind: EventKind, data: &impl Serialize) -> StoreResult<Self> {
        let text = serde_json::to_string(data).and_then(|text| JsonText::parse(&text));
        let invalid = |error: serde_json::Error| StoreError::InvalidRow {
            what: "event data",
            reason: error.to_string(),
        };
        Ok(Self { kind, data: text.map_err(invalid)? })
    }
}

/// The page where the invoice of an event is paid; `None` for an event that asks for no payment.
///
/// The link is a permission. So it is no part of the stored data, which logs and the panel show, but composed whenever the
/// widget's backend gets the event. It works while the invoice is open and not overdue.
pub fn pay_link(event: &Event, public_url: &Url, keyring: &Keyring) -> Option<Url> {
    if !event.kind.asks_for_payment() {
        return None;
    }
    let data = event.data.as_ref()?.to_value().ok()?;
    let invoice = data.get("invoice_id")?.as_str()?.parse::<InvoiceId>().ok()?;
    Some(invoice_pay_link(public_url, keyring, invoice))
}

/// The data of an event as the widget's backend gets it: what is stored, and the link of [`pay_link`] as `pay_url`.
///
/// # Errors
///
/// The stored data is not JSON.
pub fn data_for_backend(event: &Event, pay_link: Option<&Url>) -> Result<Value, serde_json::Error> {
    let stored = event.data.as_ref().map_or_else(|| Ok(Value::Object(Map::new())), JsonText::to_value);
    let mut data = stored?;
    if let (Some(url), Value::Object(fields)) = (pay_link, &mut data) {
        fields.insert("pay_url".to_owned(), Value::from(url.as_str()));
    }
    Ok(data)
}

/// Records events of an install and enqueues their delivery, in the transaction that caused them. Events of kinds that
/// the widget does not receive are left out. Returns the ids of the recorded events.
///
/// Locks the install's row, then the widget's, if the widget receives one of them. A transaction that also locks a purchase or a
/// wallet locks the purchase before and the wallet after the install.
///
/// # Errors
///
/// There is no such install, or the database fails.
pub async fn emit(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    install: InstallId,
    new: &[NewEvent],
    happened_at: DateTime<Utc>,
) -> StoreResult<Vec<EventId>> {
    let widget = widgets::find_of_install(unit, install).await?;
    let widget = widget.ok_or(StoreError::WrongState { what: "install" })?;
    emit_of(unit, clock, (widget.event_rules(), install), new, happened_at).await
}

/// [`emit`] for a caller that has read what decides about the widget's events.
pub(crate) async fn emit_of(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    (rules, install): (EventRules<'_>, InstallId),
    new: &[NewEvent],
    happened_at: DateTime<Utc>,
) -> StoreResult<Vec<EventId>> {
    let new: Vec<&NewEvent> = new.iter().filter(|event| rules.receives(event.kind)).collect();
    if new.is_empty() {
        return Ok(Vec::new());
    }
    // Locks the install's row: what is read after that is the line that the events join.
    let first = installs::reserve_event_sequences(unit, install, new.len() as u64).await?;
    let line = events::find_line(unit, install).await?.ok_or(StoreError::WrongState { what: "install" })?;
    let mut is_first_in_line = !line.is_waiting;
    let mut ids = Vec::with_capacity(new.len());
    for (sequence, event) in (first..).zip(new) {
        let addressed = rules.has_url_of(event.kind);
        let row = Event {
            id: EventId::generate(clock),
            widget_id: rules.widget,
            number: widgets::next_event_number(unit, rules.widget).await?,
            install_id: install,
            sequence,
            kind: event.kind,
            account_id: line.account_id,
            host: line.host.clone(),
            state: if addressed { EventState::Waiting } else { EventState::Unaddressed },
            attempts: 0,
            happened_at,
            data: Some(event.data.clone()),
        };
        events::insert(unit, &row).await?;
        if addressed {
            let delay = if is_first_in_line { TimeDelta::zero() } else { recheck_delay() };
            unit.enqueue_at(&DeliverEvent::new(rules.widget, row.id), unit.now() + delay).await?;
            is_first_in_line = false;
        }
        ids.push(row.id);
    }
    Ok(ids)
}

/// Ends a waiting event without a delivery, and lets the next event of its install go.
///
/// # Errors
///
/// The database fails.
pub async fn end_undelivered(unit: &mut UnitOfWork, event: &Event, state: EventState) -> StoreResult<()> {
    let now = unit.now();
    events::end_waiting(unit, event.id, state, now).await?;
    deliver_next(unit, event).await
}

/// Makes the delivery of the next waiting event of the install due. Called in the transaction that ends `event`.
///
/// # Errors
///
/// The database fails.
pub async fn deliver_next(unit: &mut UnitOfWork, event: &Event) -> StoreResult<()> {
    match events::next_waiting(unit, event.install_id, event.sequence).await? {
        Some(next) => unit.enqueue_or_expedite(&DeliverEvent::new(event.widget_id, next)).await,
        None => Ok(()),
    }
}

/// Delivers an event again, with all its attempts, whatever its state: a waiting one is tried now. If earlier events of
/// the install wait, the first of them is tried now, because this one has to wait for them.
///
/// # Errors
///
/// The database fails.
pub async fn deliver_again(unit: &mut UnitOfWork, event: &Event) -> StoreResult<()> {
    events::start_again(unit, event.id).await?;
    let first = events::next_waiting(unit, event.install_id, 0).await?.unwrap_or(event.id);
    unit.enqueue_or_expedite(&DeliverEvent::new(event.widget_id, first)).await?;
    if first != event.id {
        let at = unit.now() + recheck_delay();
        unit.enqueue_at(&DeliverEvent::new(event.widget_id, event.id), at).await?;
    }
    Ok(())
}

fn recheck_delay() -> TimeDelta {
    TimeDelta::from_std(ORDER_RECHECK_DELAY).unwrap_or_default()
}
