//! A vendor registers a widget, replaces its secrets with an overlap, and sets its addresses.

use flysk_store::platform::vendors;
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::super::harness::value_of;
use super::harness::{Member, Portal, code_in};

const REGISTRATION: [(&str, &str); 6] = [
    ("code", "chamomile"),
    ("name", "Ромашка для сделок"),
    ("platform", "amocrm"),
    ("client_uuid", "aaaaaaaa-2222-4333-8444-555555555555"),
    ("client_secret", "integration-secret-key"),
    ("redirect_uri", "https://flysk.example/oauth/amocrm/callback/chamomile"),
];

async fn status_with(portal: &Portal, token: &str) -> StatusCode {
    let url = format!("{}/v1/backend/installs", portal.panel.app.url);
    portal.panel.app.http.get(url).header("X-Project-Token", token).send().await.unwrap().status()
}

/// Registers a widget; returns the path of its page and its project token.
pub(super) async fn registered(member: &Member<'_>) -> (String, String) {
    let page = member.shown("/portal/widgets/register", &REGISTRATION).await;
    let path = page.split("href=\"/portal/widgets/").nth(1).unwrap().split('"').next().unwrap();
    (format!("/portal/widgets/{path}"), code_in(&page, "fpt_").to_owned())
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_registered_widget_is_the_vendors_own_and_its_secrets_are_shown_once(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    assert!(member.page("/portal").await.contains("Виджетов ещё нет"));
    let (path, token) = registered(&member).await;
    assert_eq!(status_with(&portal, &token).await, StatusCode::OK);
    let page = member.page(&path).await;
    assert!(
        page.contains("chamomile") && !page.contains(&token) && !page.contains("integration-secret"),
        "{page}"
    );
    let id = path.trim_start_matches("/portal/widgets/").parse().unwrap();
    let owner = vendors::find_vendor_of_widget(&mut *portal.panel.app.conn().await, id).await.unwrap();
    assert_eq!(owner.map(|owner| owner.id), Some(vendor));
    assert!(member.refused("/portal/widgets/register", &REGISTRATION, 422).await.contains("уже есть"));
    let changed = REGISTRATION.map(|(name, value)| (name, if name == "code" { "Ч" } else { value }));
    member.refused("/portal/widgets/register", &changed, 422).await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn secrets_are_replaced_with_an_overlap(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let (path, first) = registered(&member).await;
    let rotate = format!("{path}/rotate-token");
    let second = code_in(&member.shown(&rotate, &[("keep_hours", "24")]).await, "fpt_").to_owned();
    for token in [&first, &second] {
        assert_eq!(status_with(&portal, token).await, StatusCode::OK, "both are valid");
    }
    assert!(member.page(&path).await.contains("Прежние токены действуют до"));
    let third = code_in(&member.shown(&rotate, &[("keep_hours", "0")]).await, "fpt_").to_owned();
    assert_eq!(status_with(&portal, &second).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status_with(&portal, &third).await, StatusCode::OK);
    let page = member.shown(&format!("{path}/rotate-event-secret"), &[("keep_hours", "24")]).await;
    assert!(page.contains("whsec_"), "{page}");
    let secret = [("client_secret", "new-integration-key")];
    assert_eq!(member.act(&format!("{path}/client-secret"), &secret).await, path);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn addresses_of_events_are_checked_and_stored(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let (path, _) = registered(&member).await;
    let seen = value_of(&member.page(&path).await, "seen");
    let update = |event_url: &'static str, seen: &str| {
        [
            ("name", "Ромашка".to_owned()),
            ("redirect_uri", REGISTRATION[5].1.to_owned()),
            ("event_url", event_url.to_owned()),
            ("seen", seen.to_owned()),
        ]
    };
    let (good, bad) =
        (update("https://romashka.example/hooks", &seen), update("http://romashka.example", &seen));
    let as_fields = |fields: &[(&'static str, String); 4]| -> Vec<(&'static str, String)> { fields.to_vec() };
    for (fields, status) in [(as_fields(&bad), 422), (as_fields(&good), 303), (as_fields(&good), 409)] {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = member.post(&format!("{path}/update"), &fields).await;
        assert_eq!(answer.status().as_u16(), status, "{fields:?}");
    }
    let page = member.page(&path).await;
    assert!(page.contains("https://romashka.example/hooks"), "{page}");
    let seen = value_of(&page, "seen");
    let events = [
        ("event_urls", "install=https://romashka.example/install"),
        ("event_kinds", "install, activate"),
        ("delivery_delays", "5, 50"),
        ("seen", seen.as_str()),
    ];
    member.act(&format!("{path}/events"), &events).await;
    assert!(member.page(&path).await.contains("5, 50"));
    member.refused(&format!("{path}/events"), &events, 409).await;
    for action in ["widget.update", "widget.update_events"] {
        assert_eq!(portal.panel.record_of(action).await.operator_login, "vera@romashka.example");
    }
    // What is sold and for how long a trial lasts is agreed with the operators.
    assert!(!page.contains("name=\"trial_days\"") && !page.contains("name=\"billing\""), "{page}");
}
