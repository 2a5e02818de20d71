//! Events on their way to vendors' backends.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::platform::signature;
use flysk_jobs::Handle as _;
use flysk_jobs::lifecycle::DeliverEvent;
use flysk_jobs::replay::{ReplayRefused, Replayed, replay};
use flysk_jobs::runtime::limits::Room;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::stand::ACCOUNT;
use flysk_vault::places;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::MySqlPool;

use super::house::{House, on, trace};

fn status(status: u16) -> Act {
    Act::Answer { status, headers: Vec::new(), body: "the vendor is ill".to_owned() }
}

/// Seconds between the vendor's calls, by the clock everybody shares, rounded.
fn pauses(house: &House) -> Vec<i64> {
    let calls = house.vendor.control.calls_to("POST", "/events");
    calls.windows(2).map(|pair| (pair[1].at - pair[0].at).num_seconds()).collect()
}

async fn pass(house: &House, seconds: i64) {
    for _ in 0..seconds {
        house.run_due_jobs().await;
        house.advance(TimeDelta::seconds(1));
    }
}

/// Only `install`, so that its attempts are told from others'.
async fn only_install(house: &House) {
    let mut conn = house.conn().await;
    let urls = [("install".to_owned(), format!("{}/events", house.vendor.url))].into_iter().collect();
    let changes = Changes { event_url: Some(None), event_urls: Some(Some(urls)), ..Changes::default() };
    let widget = house.widget().await;
    widgets::update(on(&mut conn), widget.id, &changes, house.clock.now()).await.unwrap();
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_failing_backend_is_tried_after_10_60_and_300_seconds(pool: MySqlPool) {
    let house = House::build(pool).await;
    only_install(&house).await;
    house.vendor.control.script(Script::next("/events", status(500)).times(99));
    house.install().await;
    pass(&house, 375).await;
    let pauses = pauses(&house);
    assert_eq!(pauses.len(), 3, "{pauses:?}");
    for (pause, promised) in pauses.iter().zip([10, 60, 300]) {
        assert!((promised..=promised + 2).contains(pause), "{pauses:?}");
    }
    assert_eq!(house.jobs(JobState::Dead).await.len(), 1);
    let (_, page) = house.backend(Method::GET, "/v1/backend/events", None).await;
    let event = &page["events"][0];
    assert_eq!(event["state"], "failed");
    let attempts = format!("/v1/backend/events/{}/attempts", event["id"].as_str().unwrap());
    let (_, attempts) = house.backend(Method::GET, &attempts, None).await;
    assert_eq!(attempts.as_array().unwrap().len(), 4);
    assert_eq!(
        (&attempts[0]["status"], &attempts[0]["answer_head"]),
        (&500.into(), &"the vendor is ill".into())
    );
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_failed_event_can_be_sent_again(pool: MySqlPool) {
    let house = House::build(pool).await;
    only_install(&house).await;
    house.vendor.control.script(Script::next("/events", status(500)).times(4));
    house.install().await;
    pass(&house, 375).await;
    assert!(house.told().is_empty());
    let (_, page) = house.backend(Method::GET, "/v1/backend/events", None).await;
    let id = page["events"][0]["id"].as_str().unwrap().to_owned();
    let replay = format!("/v1/backend/events/{id}/replay");
    assert_eq!(house.backend(Method::POST, &replay, None).await.0, StatusCode::ACCEPTED);
    assert_eq!(house.backend(Method::POST, &replay, None).await.0, StatusCode::CONFLICT);
    house.run_due_jobs().await;
    let received = house.vendor.state.received();
    assert_eq!((received.len(), received[0].body["id"].as_str()), (1, Some(id.as_str())));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_backend_that_is_gone_is_left_in_peace(pool: MySqlPool) {
    let house = House::build(pool).await;
    only_install(&house).await;
    house.vendor.control.script(Script::next("/events", status(410)).times(99));
    house.install().await;
    pass(&house, 90).await;
    assert_eq!(house.vendor.control.calls_to("POST", "/events").len(), 1);
    let (_, page) = house.backend(Method::GET, "/v1/backend/events", None).await;
    assert_eq!(page["events"][0]["state"], "refused");
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_widget_may_have_a_longer_schedule(pool: MySqlPool) {
    let house = House::build(pool).await;
    only_install(&house).await;
    let changes = Changes { delivery_delays: Some(Some(vec![5; 7])), ..Changes::default() };
    let widget = house.widget().await;
    widgets::update(on(&mut house.conn().await), widget.id, &changes, house.clock.now()).await.unwrap();
    house.vendor.control.script(Script::next("/events", status(503)).times(7));
    house.install().await;
    pass(&house, 60).await;
    assert_eq!(house.vendor.control.calls_to("POST", "/events").len(), 8);
    assert_eq!(house.told(), ["install"]);
}

/// Ten failures in a row, and the backend is left alone; what waits loses no attempt and arrives in the end.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_dead_backend_is_left_alone_and_gets_everything_when_it_is_back(pool: MySqlPool) {
    let house = House::build(pool).await;
    let changes = Changes { delivery_delays: Some(Some(vec![1; 20])), ..Changes::default() };
    let widget = house.widget().await;
    widgets::update(on(&mut house.conn().await), widget.id, &changes, house.clock.now()).await.unwrap();
    house.vendor.control.script(Script::next("/events", status(500)).times(10));
    house.install().await;
    pass(&house, 30).await;
    assert_eq!(house.vendor.control.calls_to("POST", "/events").len(), 10, "left alone for a minute");
    assert!(house.told().is_empty());
    pass(&house, 60).await;
    let mut told = house.told();
    told.sort();
    assert_eq!(told, ["activate", "install"]);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_event_carries_token_signature_and_everything_promised(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let calls = house.vendor.control.calls_to("POST", "/events");
    let call = calls.iter().find(|call| call.body.contains("\"install\"")).unwrap();
    assert_eq!(call.header("x-project-token"), Some(house.project_token.as_str()));
    let widget = house.widget().await;
    let sealed = widget.event_secret_sealed.clone().unwrap();
    let secret = house.vault.keyring().open(&sealed, &places::event_secret(widget.id)).unwrap();
    let (id, at) = (call.header("webhook-id").unwrap(), call.header("webhook-timestamp").unwrap());
    let expected = signature::sign(secret.expose_secret(), id, at.parse().unwrap(), &call.body).unwrap();
    assert_eq!(call.header("webhook-signature"), Some(expected.as_str()));
    let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!((body["id"].as_str(), body["type"].as_str()), (Some(id), Some("install")));
    assert_eq!(
        (body["subdomain"].as_str(), body["base_domain"].as_str()),
        (Some("demo"), Some("demo.amocrm.ru"))
    );
    for field in ["account_id", "install_id", "sequence", "number", "time"] {
        assert!(!body[field].is_null(), "{field}");
    }
}

/// An address inside our own network is refused before anything is sent.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_address_of_our_own_network_is_never_called(pool: MySqlPool) {
    let house = House::build(pool).await;
    let changes =
        Changes { event_url: Some(Some("http://127.0.0.1:1/events".to_owned())), ..Changes::default() };
    let widget = house.widget().await;
    widgets::update(on(&mut house.conn().await), widget.id, &changes, house.clock.now()).await.unwrap();
    house.install().await;
    let (_, page) = house.backend(Method::GET, "/v1/backend/events", None).await;
    assert_eq!(page["events"][0]["state"], "failed");
}

/// A backend that hangs holds the places it took at first; whoever comes later does not join those who wait.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn nobody_joins_those_who_wait_for_a_backend_that_hangs(pool: MySqlPool) {
    let house = House::build(pool).await;
    let limits = &house.engine.app().limits;
    let closes_after = Some(Duration::from_millis(200));
    let room =
        Room { name: "events.test".to_owned(), places: 8, kept_for: Duration::from_secs(15), closes_after };
    assert!(limits.enter(&room, "first").await.unwrap());
    assert!(limits.enter(&room, "second").await.unwrap(), "the first may be about to be answered");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!limits.enter(&room, "third").await.unwrap(), "the first hangs");
    assert!(limits.enter(&room, "first").await.unwrap(), "who is inside may say so again");
    limits.leave(&room, "first").await;
    limits.leave(&room, "second").await;
    assert!(limits.enter(&room, "third").await.unwrap());
}

/// The widget has an address for `deactivate` of its own, and retries each second.
async fn deactivate_goes_to(house: &House, path: &str) {
    let urls = [("deactivate".to_owned(), format!("{}{path}", house.vendor.url))].into_iter().collect();
    let changes = Changes {
        event_urls: Some(Some(urls)),
        delivery_delays: Some(Some(vec![1; 20])),
        ..Changes::default()
    };
    let widget = house.widget().await;
    widgets::update(on(&mut house.conn().await), widget.id, &changes, house.clock.now()).await.unwrap();
}

/// The backend switches the widget off and on again; two events.
async fn switch_off_and_on(house: &House) {
    for on in [false, true] {
        house.advance(TimeDelta::milliseconds(10));
        let wanted = json!({ "account_id": ACCOUNT, "on": on });
        assert_eq!(house.backend(Method::PUT, "/v1/backend/switch", Some(wanted)).await.0, StatusCode::OK);
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_dead_address_of_one_event_stops_no_other(pool: MySqlPool) {
    let house = House::installed(pool).await;
    deactivate_goes_to(&house, "/gone-astray").await;
    house.vendor.control.script(Script::next("/gone-astray", status(500)).times(99));
    switch_off_and_on(&house).await;
    pass(&house, 30).await;
    assert_eq!(house.vendor.control.calls_to("POST", "/gone-astray").len(), 10, "left alone for a minute");
    let before = house.told().len();
    switch_off_and_on(&house).await;
    house.run_due_jobs().await;
    assert_eq!(house.told().len(), before + 1, "`activate` goes to an address that works");
}

/// What waits for an address that is left alone comes back when it is tried again, and not all at once.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn those_who_wait_for_a_dead_address_come_back_one_after_the_other(pool: MySqlPool) {
    let house = House::installed(pool).await;
    deactivate_goes_to(&house, "/gone-astray").await;
    house.vendor.control.script(Script::next("/gone-astray", status(500)).times(99));
    switch_off_and_on(&house).await;
    pass(&house, 30).await;
    for _ in 0..8 {
        switch_off_and_on(&house).await;
    }
    house.run_due_jobs().await;
    let waiting = house.jobs(JobState::Queued).await;
    let again = sqlx::query_scalar("SELECT open_until FROM event_endpoints").fetch_one(&house.pool).await;
    let again: chrono::DateTime<chrono::Utc> = again.unwrap();
    assert!(waiting.len() >= 8 && waiting.iter().all(|job| job.run_at >= again), "{again} {waiting:?}");
    let moments: std::collections::BTreeSet<_> = waiting.iter().map(|job| job.run_at).collect();
    assert!(moments.len() > 4, "{moments:?}");
}

/// To say that one wants no events is no failure, and neither is what we do not send.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn refusals_and_addresses_we_do_not_call_are_no_failures_of_a_backend(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.vendor.control.script(Script::next("/events", status(410)).times(12));
    for _ in 0..6 {
        switch_off_and_on(&house).await;
        house.run_due_jobs().await;
    }
    assert_eq!(house.vendor.control.calls_to("POST", "/events").len(), 14, "each was tried");
    let changes = Changes { event_url: Some(Some("http://127.0.0.1:1/".to_owned())), ..Changes::default() };
    let widget = house.widget().await;
    widgets::update(on(&mut house.conn().await), widget.id, &changes, house.clock.now()).await.unwrap();
    switch_off_and_on(&house).await;
    house.run_due_jobs().await;
    let failing: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM event_endpoints").fetch_one(&house.pool).await.unwrap();
    assert_eq!(failing, 0);
}

/// The burial of a job says nothing of an event that was dealt with otherwise.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_late_burial_leaves_a_delivered_event_alone(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let (_, page) = house.backend(Method::GET, "/v1/backend/events", None).await;
    let event_id = page["events"][0]["id"].as_str().unwrap().parse().unwrap();
    let mut unit = house.engine.outbox().begin(trace()).await.unwrap();
    DeliverEvent { event_id }.bury(&mut unit, "late", house.engine.app()).await.unwrap();
    unit.commit().await.unwrap();
    let (_, page) = house.backend(Method::GET, "/v1/backend/events", None).await;
    assert_eq!(page["events"][0]["state"], "delivered");
}

/// An operator replays the job, and the event begins anew.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_operator_sends_a_failed_event_again(pool: MySqlPool) {
    let house = House::build(pool).await;
    only_install(&house).await;
    house.vendor.control.script(Script::next("/events", status(500)).times(4));
    house.install().await;
    pass(&house, 375).await;
    let dead = house.jobs(JobState::Dead).await;
    assert_eq!((dead.len(), house.told().len()), (1, 0));
    let again = async || {
        let mut unit = house.engine.outbox().begin(trace()).await.unwrap();
        let replayed = replay(&mut unit, dead[0].id).await;
        unit.commit().await.unwrap();
        replayed
    };
    assert_eq!(again().await.unwrap(), Replayed::Queued);
    house.run_due_jobs().await;
    assert_eq!(house.told(), ["install"]);
    sqlx::query("UPDATE jobs SET state = 'dead'").execute(&house.pool).await.unwrap();
    assert!(matches!(again().await, Err(ReplayRefused::EventDelivered(_))));
}
