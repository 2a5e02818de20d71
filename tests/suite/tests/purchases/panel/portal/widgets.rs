//! A vendor registers a widget, replaces its secrets with an overlap, and sets its addresses.

use flysk_domain::Clock as _;
use flysk_domain::id::WidgetId;
use flysk_store::platform::widgets::{self, Changes};
use flysk_store::platform::{former_credentials, vendors};
use reqwest::StatusCode;
use serde_json::Value;
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

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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
    let mut conn = portal.panel.app.conn().await;
    let owner = vendors::find_vendor_of_widget(&mut conn, id).await.unwrap();
    assert_eq!(owner.map(|owner| owner.id), Some(vendor));
    // It charges nothing before an operator acts, and its page says so.
    assert!(page.contains("flycoins_not_used") && page.contains("напишите в поддержку"), "{page}");
    let now = portal.panel.app.clock.now();
    for (changes, told) in [
        (Changes { uses_subscriptions: Some(true), ..Changes::default() }, true),
        (Changes { uses_flycoins: Some(true), ..Changes::default() }, false),
    ] {
        widgets::update(&mut conn, id, &changes, now).await.unwrap();
        assert_eq!(member.page(&path).await.contains("flycoins_not_used"), told);
    }
    assert!(member.refused("/portal/widgets/register", &REGISTRATION, 422).await.contains("уже есть"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refused_registration_is_shown_again_with_the_error_at_its_field(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    for (wrong, value, told) in [
        ("code", "Ч", "от 2 до 64 знаков"),
        ("name", "", "Заполните поле «Название»."),
        ("client_uuid", "7", "UUID из настроек интеграции"),
        ("client_secret", "", "Введите секретный ключ"),
        ("redirect_uri", "https://flysk.example/elsewhere", "адрес Flysk с путём"),
    ] {
        let fields = REGISTRATION.map(|(name, usual)| (name, if name == wrong { value } else { usual }));
        let page = member.refused("/portal/widgets/register", &fields, 422).await;
        let form = page.split("data-act=\"register\" open>").nth(1).expect("the form, opened");
        let form = form.split("</details>").next().unwrap();
        let error = form.split(&format!("id=\"wrong-{wrong}\"")).nth(1).expect("an error at the field");
        assert!(error.split("</small>").next().unwrap().contains(told), "{wrong}: {form}");
        for (name, value) in fields {
            let is_text = !matches!(name, "client_secret" | "platform");
            assert!(!is_text || form.contains(&format!("value=\"{value}\"")), "{name}: {form}");
        }
        assert!(
            form.contains("<option value=\"amocrm\" selected>") && !form.contains("secret-key"),
            "{form}"
        );
    }
    assert!(member.page("/portal").await.contains("Виджетов ещё нет"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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

/// Number of replaced event secrets that sign events.
async fn former_secrets(portal: &Portal, widget: WidgetId) -> usize {
    let app = &portal.panel.app;
    let now = app.clock.now();
    former_credentials::list_secrets(&mut *app.conn().await, widget, now).await.unwrap().len()
}

/// Any of them may be the one that leaked.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn zero_hours_end_all_that_were_replaced_before_not_only_the_latest(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let (path, first) = registered(&member).await;
    let widget = path.trim_start_matches("/portal/widgets/").parse().unwrap();
    let rotate = format!("{path}/rotate-token");
    let second = code_in(&member.shown(&rotate, &[("keep_hours", "24")]).await, "fpt_").to_owned();
    assert_eq!(status_with(&portal, &first).await, StatusCode::OK);
    let third = code_in(&member.shown(&rotate, &[("keep_hours", "0")]).await, "fpt_").to_owned();
    for token in [&first, &second] {
        assert_eq!(status_with(&portal, token).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status_with(&portal, &third).await, StatusCode::OK);
    let rotate = format!("{path}/rotate-event-secret");
    for (hours, valid) in [("24", 1), ("24", 2), ("0", 0)] {
        member.shown(&rotate, &[("keep_hours", hours)]).await;
        assert_eq!(former_secrets(&portal, widget).await, valid, "after {hours}");
    }
    let audit = portal.panel.audit().await;
    let states = audit.iter().filter_map(|row| row.state_after.as_deref());
    let says_so = |state: &&str| {
        serde_json::from_str::<Value>(state).is_ok_and(|state| state["all_former_revoked"] == true)
    };
    assert_eq!(states.filter(says_so).count(), 2, "{audit:?}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn replaced_secrets_are_revoked_without_another_rotation(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let (path, first) = registered(&member).await;
    let widget = path.trim_start_matches("/portal/widgets/").parse().unwrap();
    let page = member.shown(&format!("{path}/rotate-token"), &[("keep_hours", "24")]).await;
    let second = code_in(&page, "fpt_").to_owned();
    member.shown(&format!("{path}/rotate-event-secret"), &[("keep_hours", "24")]).await;
    let revoke = format!("{path}/revoke-former");
    member.refused(&revoke, &[("secret", "client_secret")], 422).await;
    assert_eq!(member.act(&revoke, &[("secret", "project_token")]).await, path);
    assert_eq!(status_with(&portal, &first).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status_with(&portal, &second).await, StatusCode::OK);
    assert_eq!(former_secrets(&portal, widget).await, 1, "only the tokens were revoked");
    let row = portal.panel.record_of("widget.revoke_former").await;
    assert!(row.state_after.is_some_and(|state| state.contains("project_token")));
    assert_eq!(member.act(&revoke, &[("secret", "event_secret")]).await, path);
    assert_eq!(former_secrets(&portal, widget).await, 0);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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
