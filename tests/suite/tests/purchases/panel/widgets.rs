//! Widgets: settings of events, schemas of settings, test events.

use flysk_domain::Clock as _;
use flysk_store::platform::events::{self, EventState};
use flysk_store::platform::{former_credentials, initial_switch, widget_schemas};
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{Panel, value_of};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn settings_of_events_are_checked_and_stored(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let id = panel.app.widget().await.id;
    let (path, update) = (format!("/widgets/{id}"), format!("/widgets/{id}/events"));
    let seen = value_of(&signed.page(&path).await, "seen");
    let fields = [
        ("event_urls", "install=https://vendor.example/install\r\n\r\nactivate=https://vendor.example/on"),
        ("event_kinds", "install, activate, flycoins.purchased"),
        ("delivery_delays", "5, 50"),
        ("events_carry_token", ""),
        ("starts_switched_off", "yes"),
        ("seen", seen.as_str()),
        ("reason", "Переехали"),
    ];
    for (name, value, told) in [
        ("event_urls", "install", "нет знака"),
        ("event_urls", "nothing=https://vendor.example", "Вида событий «nothing» нет"),
        ("event_urls", "install=http://vendor.example", "нужен https"),
        ("event_kinds", "test", "получают все"),
        ("event_kinds", "nothing", "Вида событий «nothing» нет"),
        ("delivery_delays", "0", "от 1 секунды"),
        ("delivery_delays", "скоро", "целые секунды"),
    ] {
        let wrong = fields.map(|(field, kept)| (field, if field == name { value } else { kept }));
        let page = signed.refused(&update, &wrong, 422).await;
        assert!(page.contains(told) && page.contains("Переехали"), "{name}={value}: {page}");
    }
    panel.sign_in("boris", "billing").await.refused(&update, &fields, 403).await;
    signed.act(&update, &fields).await;
    let after = panel.app.widget().await;
    assert_eq!(after.delivery_delays.map(|delays| delays.0), Some(vec![5, 50]));
    assert_eq!(after.event_kinds.map(|kinds| kinds.0.len()), Some(3));
    assert_eq!(after.event_urls.map(|urls| urls.0.len()), Some(2));
    assert!(!after.events_carry_token);
    assert!(initial_switch::starts_switched_off(&mut *panel.app.conn().await, id).await.unwrap());
    signed.refused(&update, &fields, 409).await;
    panel.record_of("widget.update_events").await;
    let page = signed.page(&path).await;
    assert!(page.contains("flycoins.purchased") && page.contains("5, 50"), "{page}");
    let seen = value_of(&page, "seen");
    let usual = fields.map(|(field, kept)| match field {
        "event_urls" => (field, ""),
        "event_kinds" | "delivery_delays" => (field, "usual"),
        "seen" => (field, seen.as_str()),
        field => (field, kept),
    });
    signed.act(&update, &usual).await;
    let after = panel.app.widget().await;
    assert!(after.delivery_delays.is_none() && after.event_kinds.is_none() && after.event_urls.is_none());
}

fn schema_form<'a>(version: &'a str, schema: &'a str, seen: &'a str) -> [(&'static str, &'a str); 4] {
    [("widget_version", version), ("schema", schema), ("seen", seen), ("reason", "Новые настройки")]
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_schema_is_set_for_all_versions_or_for_one(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let id = panel.app.widget().await.id;
    let (path, update) = (format!("/widgets/{id}"), format!("/widgets/{id}/schema"));
    let seen = value_of(&signed.page(&path).await, "seen");
    let schema = r#"{"type": "object", "properties": {"notify": {"type": "boolean"}}}"#;
    for (version, schema) in [("", "{"), ("", r#"{"typo": "object"}"#), ("1/4", r#"{"type": "object"}"#)] {
        signed.refused(&update, &schema_form(version, schema, &seen), 422).await;
    }
    signed.refused(&update, &schema_form("1.4.0", "", &seen), 409).await;
    signed.act(&update, &schema_form("1.4.0", schema, &seen)).await;
    let own = widget_schemas::find(&mut *panel.app.conn().await, id, "1.4.0").await.unwrap();
    assert!(own.is_some() && panel.app.widget().await.settings_schema.is_none());
    signed.act(&update, &schema_form("", schema, &seen)).await;
    assert!(panel.app.widget().await.settings_schema.is_some());
    signed.refused(&update, &schema_form("", "", &seen), 409).await;
    let page = signed.page(&path).await;
    assert!(page.contains("Схема настроек версии 1.4.0"), "{page}");
    let seen = value_of(&page, "seen");
    signed.act(&update, &schema_form("", "", &seen)).await;
    assert!(panel.app.widget().await.settings_schema.is_none());
    let changes = panel.audit().await.into_iter().filter(|row| row.action == "widget.change_schema").count();
    assert_eq!(changes, 3);
}

/// Numbers of replaced project tokens and event secrets that are valid.
async fn former_of(panel: &Panel) -> (usize, usize) {
    let (widget, now) = (panel.app.widget().await.id, panel.app.clock.now());
    let mut conn = panel.app.conn().await;
    let tokens = former_credentials::list_tokens(&mut conn, widget, now).await.unwrap();
    (tokens.len(), former_credentials::list_secrets(&mut conn, widget, now).await.unwrap().len())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_owner_ends_all_replaced_secrets_by_zero_hours_or_without_a_rotation(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let owner = panel.sign_in("olga", "owner").await;
    let path = format!("/widgets/{}", panel.app.widget().await.id);
    for (act, hours, valid) in [
        ("rotate-token", "24", (1, 0)),
        ("rotate-event-secret", "24", (1, 1)),
        ("rotate-token", "0", (0, 1)),
        ("rotate-event-secret", "0", (0, 0)),
        ("rotate-token", "24", (1, 0)),
        ("rotate-event-secret", "24", (1, 1)),
    ] {
        let fields = [("keep_hours", hours), ("reason", "Утечка")];
        let answer = owner.post(&format!("{path}/{act}"), &fields).await;
        assert_eq!(answer.status(), StatusCode::OK, "{act} {hours}");
        assert_eq!(former_of(&panel).await, valid, "{act} {hours}");
    }
    let revoke = format!("{path}/revoke-former");
    let fields = |secret| [("secret", secret), ("reason", "Утечка")];
    panel.sign_in("anna", "operator").await.refused(&revoke, &fields("event_secret"), 403).await;
    owner.act(&revoke, &fields("event_secret")).await;
    assert_eq!(former_of(&panel).await, (1, 0));
    let row = panel.record_of("widget.revoke_former").await;
    assert!(row.state_before.is_some_and(|state| state.contains("former_valid_until")));
    owner.act(&revoke, &fields("project_token")).await;
    assert_eq!(former_of(&panel).await, (0, 0));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_test_event_is_sent_to_an_account(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let id = panel.app.widget().await.id;
    let send = format!("/widgets/{id}/test-event");
    signed.refused(&send, &[("account", "99"), ("reason", "Проверка")], 422).await;
    panel.sign_in("sonya", "support").await.refused(&send, &[("reason", "Проверка")], 403).await;
    let path = signed.act(&send, &[("account", ""), ("reason", "Проверка адреса")]).await;
    let event = path.strip_prefix("/events/").unwrap().parse().unwrap();
    let event = events::find(&mut *panel.app.conn().await, event).await.unwrap().unwrap();
    assert_eq!((event.install_id, event.state), (panel.app.install().await.id, EventState::Unaddressed));
    assert!(signed.page(&path).await.contains("проверочное событие"));
    assert_eq!(panel.record_of("widget.test_event").await.subject_id, id.to_string());
}
