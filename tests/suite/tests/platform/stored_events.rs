//! Events that are written into the database, as those of another account.

use chrono::SubsecRound as _;
use flysk_domain::Clock as _;
use flysk_domain::id::{AccountId, EventId, InstallId, WidgetId};
use flysk_domain::platform::events::EventKind;
use flysk_queue::UnitOfWork;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets;

use super::harness::TestApp;

/// Inserts an event of the widget about an install of its own, without a job.
pub(crate) async fn insert_event(
    app: &TestApp,
    unit: &mut UnitOfWork,
    widget_id: WidgetId,
    state: EventState,
) -> EventId {
    let event = Event {
        id: EventId::generate(&app.clock),
        widget_id,
        number: widgets::next_event_number(unit, widget_id).await.unwrap(),
        install_id: InstallId::generate(&app.clock),
        sequence: 1,
        kind: EventKind::Activate,
        account_id: AccountId(7),
        host: "other.amocrm.ru".to_owned(),
        state,
        attempts: 0,
        happened_at: app.clock.now().trunc_subsecs(6),
        data: None,
    };
    events::insert(unit, &event).await.unwrap();
    event.id
}
