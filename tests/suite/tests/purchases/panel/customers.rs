//! Acts on widgets, installs and events.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::HookId;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_services::subscriptions::start_trial;
use flysk_store::flysense::hooks::{self, NewHook};
use flysk_store::platform::events::EventState;
use flysk_store::platform::handshake_periods::{self, SeenHandshakes};
use flysk_store::platform::subscriptions;
use flysk_store::platform::widgets::{self, Changes};
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::MySqlPool;

use super::bought;
use super::harness::{Panel, value_of};
use crate::harness::trace;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_is_switched_off_and_on_in_an_account_and_its_timeline_tells_so(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let id = panel.app.install().await.id;
    let path = format!("/installs/{id}");
    signed.act(&format!("{path}/switch-off"), &[("reason", "Просьба клиента")]).await;
    assert_eq!(panel.app.install().await.status, InstallStatus::Inactive);
    signed.act(&format!("{path}/switch-on"), &[("reason", "Разобрались")]).await;
    assert_eq!(panel.app.install().await.status, InstallStatus::Active);
    let off = panel.record_of("install.switch_off").await;
    assert_eq!(off.state_before.as_deref(), Some(r#"{"status":"active"}"#));
    assert_eq!(off.state_after.as_deref(), Some(r#"{"status":"inactive"}"#));
    let timeline = signed.page(&format!("{path}/timeline")).await;
    for told in ["виджет выключен", "виджет включён", "Доступ выдан", "выключение виджета", "Просьба клиента"]
    {
        assert!(timeline.contains(told), "{told} is missing in {timeline}");
    }
    let acts = signed.page(&format!("{path}/timeline?kind=act")).await;
    assert!(acts.contains("включение виджета") && !acts.contains("Доступ выдан"), "{acts}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_timeline_tells_of_the_subscription_its_payments_and_the_jobs(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let (_, payment) = bought::paid(&panel, &signed, "1").await;
    let (subscription, path) =
        (bought::path(&panel).await, format!("/installs/{}/timeline", panel.app.install().await.id));
    let account = panel.app.install().await.account_id;
    let tenant = "UPDATE jobs SET tenant = ? ORDER BY id LIMIT 1";
    sqlx::query(tenant).bind(account.to_string()).execute(&panel.app.pool).await.unwrap();
    let whole = signed.page(&path).await;
    let (payment, job) = (format!("/payments/{payment}"), "href=\"/jobs/job_");
    assert!(whole.contains(&payment) && whole.contains(&subscription), "{whole}");
    assert!(!whole.contains(job), "a call has many jobs, which are shown by themselves: {whole}");
    let payments = signed.page(&format!("{path}?kind=payment")).await;
    assert!(payments.contains(&payment) && !payments.contains(&subscription), "{payments}");
    let log = signed.page(&format!("{path}?kind=subscription")).await;
    assert!(log.contains(&subscription) && !log.contains(&payment), "{log}");
    let jobs = signed.page(&format!("{path}?kind=job")).await;
    assert!(jobs.contains(job) && jobs.contains("Причина: <a href=\"/jobs?correlation="), "{jobs}");
    // All kinds in one list, and it says which one is shown.
    assert!(whole.contains(&format!("{path}?whole=yes\">Всё с заданиями и вебхуками")), "{whole}");
    let all = signed.page(&format!("{path}?whole=yes")).await;
    assert!(all.contains(&payment) && all.contains(&subscription) && all.contains(job), "{all}");
    assert!(all.contains("?whole=yes\" aria-current=\"true\""), "{all}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_timeline_tells_of_handshakes_and_webhooks_and_links_what_caused_them(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let (install, clock) = (panel.app.install().await, &panel.app.clock);
    let mut conn = panel.app.conn().await;
    let now = clock.now();
    for days in [20, 9] {
        let at = now - TimeDelta::days(days);
        let seen = SeenHandshakes { install_id: install.id, first_at: at, last_at: at, handshakes: 3 };
        handshake_periods::add(&mut conn, &[seen]).await.unwrap();
    }
    sqlx::query(
        "INSERT INTO flysense_accounts (account_id, install_id, host, status, left_channel, auto, hooks_state, hooks_checked_at,
                                        created_at, updated_at)
         VALUES (?, ?, 'demo.amocrm.ru', 'active', 'operator', TRUE, 'unsubscribed', ?, NOW(6), NOW(6))",
    )
    .bind(install.account_id.0)
    .bind(install.id.to_string())
    .bind(now - TimeDelta::hours(1))
    .execute(&panel.app.pool)
    .await
    .unwrap();
    let (id, account_id) = (HookId::generate(clock), install.account_id);
    let hook = NewHook { id, account_id, body: b"note", correlation_id: "request <17>" };
    hooks::insert_all(&mut conn, &[hook], now).await.unwrap();
    let audited = "INSERT INTO token_audit (install_id, reader, purpose, correlation_id, read_at)
         VALUES (?, 'reader', 'background', 'request-18', NOW(6))";
    sqlx::query(audited).bind(install.id.to_string()).execute(&panel.app.pool).await.unwrap();

    let path = format!("/installs/{}/timeline", install.id);
    let whole = signed.page(&path).await;
    let parts = [
        "Рукопожатия прекратились",
        "Рукопожатия возобновились",
        "после перерыва в 11 дн.",
        "/jobs?correlation=request-18",
    ];
    for part in parts {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    assert!(
        !whole.contains(&id.to_string()),
        "notes have many webhooks, which are shown by themselves: {whole}"
    );
    let received = signed.page(&format!("{path}?kind=hook")).await;
    for part in
        [id.to_string().as_str(), "ждёт обработки", "не подписан", "/jobs?correlation=request+%3C17%3E"]
    {
        assert!(received.contains(part), "{part}: {received}");
    }
    assert!(
        !received.contains("Рукопожатия возобновились") && !received.contains("request <17>"),
        "{received}"
    );
    let seen = signed.page(&format!("{path}?kind=handshake")).await;
    assert!(seen.contains("Первое известное рукопожатие") && !seen.contains("Токен прочитан"), "{seen}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_timeline_leads_back_to_its_oldest_entries(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let id = panel.app.install().await.id;
    for number in 0..150 {
        sqlx::query(
            "INSERT INTO token_audit (install_id, reader, purpose, correlation_id, read_at)
             VALUES (?, ?, 'background', 'test', '2026-01-01' + INTERVAL ? SECOND)",
        )
        .bind(id.to_string())
        .bind(format!("reader-{number:03}"))
        .bind(number)
        .execute(&panel.app.pool)
        .await
        .unwrap();
    }
    let newest = signed.page(&format!("/installs/{id}/timeline?kind=token")).await;
    assert!(newest.contains("reader-149") && !newest.contains("reader-000"), "{newest}");
    let older = newest.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let oldest = signed.page(&older.replace("&amp;", "&").replace("&#38;", "&")).await;
    assert!(oldest.contains("reader-000") && !oldest.contains("reader-149"), "{oldest}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_reconnect_link_leads_to_amocrm_for_this_account(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let path = format!("/installs/{}/reconnect", panel.app.install().await.id);
    let page = signed.post(&path, &[("reason", "Токен отозван")]).await.text().await.unwrap();
    let link = page.split("<code>http").nth(1).unwrap().split('<').next().unwrap();
    let link: url::Url = format!("http{link}").parse().unwrap();
    let local = format!("{}{}?{}", panel.app.url, link.path(), link.query().unwrap());
    let answer = panel.app.http.get(local).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND, "{link}");
    let row = panel.record_of("install.reconnect_link").await;
    assert_eq!((row.state_before, row.state_after), (None, None), "the link is a secret");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_operators_do_not_overwrite_each_others_changes_of_a_widget(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let widget = panel.app.widget().await;
    let path = format!("/widgets/{}", widget.id);
    let seen = value_of(&signed.page(&path).await, "seen");
    let fields = [
        ("name", "FlySense 2"),
        ("redirect_uri", widget.redirect_uri.as_str()),
        ("event_url", "https://vendor.example/events"),
        ("trial_days", "14"),
        ("uses_flycoins", "yes"),
        ("billing", ""),
        ("seen", seen.as_str()),
        ("reason", "Переименование"),
    ];
    panel.app.clock.advance(chrono::Duration::seconds(1));
    signed.act(&format!("{path}/update"), &fields).await;
    signed.refused(&format!("{path}/update"), &fields, 409).await;
    let after = panel.app.widget().await;
    assert_eq!((after.name.as_str(), after.trial_days, after.uses_flycoins), ("FlySense 2", 14, true));
    let row = panel.record_of("widget.update").await;
    let before: Value = serde_json::from_str(row.state_before.as_deref().unwrap()).unwrap();
    assert_eq!(before["name"], "FlySense");
    let seen = value_of(&signed.page(&path).await, "seen");
    for (name, value) in [
        ("event_url", "http://vendor.example/events"),
        ("event_url", "ftp://x"),
        ("billing", "{"),
        ("billing", "{\"flycoins\": 7}"),
        ("redirect_uri", "x"),
        ("trial_days", "-1"),
    ] {
        let wrong = fields.map(|(field, kept)| match field {
            field if field == name => (field, value),
            "seen" => ("seen", seen.as_str()),
            field => (field, kept),
        });
        signed.refused(&format!("{path}/update"), &wrong, 422).await;
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_registered_widget_shows_its_secrets_once_and_the_log_has_none(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let fields = [
        ("code", "other"),
        ("name", "Другой"),
        ("platform", "amocrm"),
        ("client_uuid", "22222222-2222-4333-8444-555555555555"),
        ("client_secret", "very-secret-key"),
        ("redirect_uri", "https://api.example/oauth/amocrm/callback/other"),
        ("reason", "Новый разработчик"),
    ];
    let answer = signed.post("/widgets/register", &fields).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = answer.text().await.unwrap();
    let token = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let other = widgets::find_by_code(&mut *panel.app.conn().await, "other").await.unwrap().unwrap();
    assert!(!signed.page(&format!("/widgets/{}", other.id)).await.contains(&token));
    let row = panel.record_of("widget.register").await;
    let told = format!("{row:?}");
    assert!(!told.contains(&token) && !told.contains("very-secret-key"), "{told}");
    // A form that was sent twice: the answer to the first one may not have been seen.
    let again = signed.refused("/widgets/register", &fields, 422).await;
    assert!(again.contains("уже есть") && again.contains("выпустите новые"), "{again}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn secrets_are_replaced_by_owners_and_shown_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let before = panel.app.widget().await;
    let path = format!("/widgets/{}", before.id);
    let fields = [("keep_hours", "0"), ("reason", "Сотрудник ушёл")];
    let operator = panel.sign_in("anna", "operator").await;
    operator.refused(&format!("{path}/rotate-token"), &fields, 403).await;
    let owner = panel.sign_in("olga", "owner").await;
    for (act, action) in [
        ("rotate-token", "widget.rotate_project_token"),
        ("rotate-event-secret", "widget.rotate_event_secret"),
    ] {
        let answer = owner.post(&format!("{path}/{act}"), &fields).await;
        assert_eq!(answer.status(), StatusCode::OK, "{act}");
        let page = answer.text().await.unwrap();
        let secret = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        assert!(!owner.page(&path).await.contains(&secret), "{act}");
        assert!(!format!("{:?}", panel.record_of(action).await).contains(&secret), "{act}");
    }
    let after = panel.app.widget().await;
    assert_ne!(before.event_secret_sealed, after.event_secret_sealed);
    let fields = [("client_secret", "fresh-secret-key"), ("reason", "Выпустили заново")];
    operator.act(&format!("{path}/client-secret"), &fields).await;
    let row = panel.record_of("widget.change_client_secret").await;
    assert!(!format!("{row:?}").contains("fresh-secret-key"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn settings_are_changed_and_restored(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let path = format!("/installs/{}", panel.app.install().await.id);
    let version = value_of(&signed.page(&path).await, "version");
    let fields =
        |settings| [("version", version.as_str()), ("settings", settings), ("reason", "Просьба клиента")];
    signed.refused(&format!("{path}/settings"), &fields("[1]"), 422).await;
    signed.refused(&format!("{path}/settings"), &fields("{"), 422).await;
    signed.act(&format!("{path}/settings"), &fields(r#"{"notify": false}"#)).await;
    signed.refused(&format!("{path}/settings"), &fields(r#"{"notify": true}"#), 409).await;
    let row = panel.record_of("install.change_settings").await;
    assert!(row.state_after.unwrap().contains("notify"));
    let newest = value_of(&signed.page(&path).await, "version");
    let restore = [("version", newest.as_str()), ("to", "0"), ("reason", "Ошиблись")];
    signed.act(&format!("{path}/restore-settings"), &restore).await;
    let install = panel.app.install().await;
    assert_eq!(install.settings.as_str(), "{}");
    panel.record_of("install.restore_settings").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_event_is_delivered_again(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let id: String =
        sqlx::query_scalar("SELECT MIN(id) FROM lifecycle_events").fetch_one(&panel.app.pool).await.unwrap();
    let path = format!("/events/{id}");
    assert!(signed.page(&path).await.contains("нет адреса"));
    signed.act(&format!("{path}/replay"), &[("reason", "Бэкенд починили")]).await;
    let found = flysk_store::platform::events::find(&mut *panel.app.conn().await, id.parse().unwrap()).await;
    assert_eq!(found.unwrap().unwrap().state, EventState::Waiting);
    panel.record_of("event.replay").await;
    signed.act(&format!("{path}/replay"), &[("reason", "Сразу")]).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn subscriptions_are_switched_on_only_by_naming_the_accounts_that_lose_access(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let widget = panel.app.widget().await;
    let path = format!("/widgets/{}", widget.id);
    let seen = value_of(&signed.page(&path).await, "seen");
    let fields = |losing: &'static str| {
        [
            ("name", "FlySense"),
            ("redirect_uri", widget.redirect_uri.as_str()),
            ("trial_days", "0"),
            ("uses_flycoins", "yes"),
            ("uses_subscriptions", "yes"),
            ("losing", losing),
            ("seen", seen.as_str()),
            ("reason", "Начинаем продавать"),
        ]
    };
    for losing in ["", "2"] {
        let page = signed.refused(&format!("{path}/update"), &fields(losing), 422).await;
        assert!(page.contains("1 аккаунтов потеряют доступ"), "{page}");
    }
    assert!(!panel.app.widget().await.uses_subscriptions);
    signed.act(&format!("{path}/update"), &fields("1")).await;
    let install = panel.app.install().await.id;
    let mut conn = panel.app.conn().await;
    let started = subscriptions::find_subscription_of_install(&mut conn, install).await;
    assert!(panel.app.widget().await.uses_subscriptions && started.unwrap().is_some());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn switching_subscriptions_on_again_makes_due_what_has_waited(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let (widget, now) = (panel.app.widget().await, panel.app.clock.now());
    let mut conn = panel.app.conn().await;
    let sells =
        |sells| Changes { uses_subscriptions: Some(sells), trial_days: Some(0), ..Changes::default() };
    widgets::update(&mut conn, widget.id, &sells(true), now).await.unwrap();
    let install = panel.app.install().await;
    let mut unit = panel.app.executor.outbox().begin(trace()).await.unwrap();
    let selling = panel.app.widget().await;
    let row = start_trial(&mut unit, &panel.app.clock, &selling, &install).await.unwrap().unwrap();
    unit.commit().await.unwrap();
    widgets::update(&mut conn, widget.id, &sells(false), now).await.unwrap();
    // As the scheduler leaves it that finds an ended trial while nothing is sold.
    let waits =
        "UPDATE subscriptions SET state = 'trialing', trial_from = '2020-01-01', trial_until = '2020-01-02',
                     next_due_at = ? WHERE id = ?";
    let tomorrow = now + chrono::Duration::days(1);
    sqlx::query(waits).bind(tomorrow).bind(row.id.to_string()).execute(&panel.app.pool).await.unwrap();
    let path = format!("/widgets/{}", widget.id);
    let seen = value_of(&signed.page(&path).await, "seen");
    let fields = [
        ("name", "FlySense"),
        ("redirect_uri", widget.redirect_uri.as_str()),
        ("trial_days", "0"),
        ("uses_flycoins", "yes"),
        ("uses_subscriptions", "yes"),
        ("losing", "1"),
        ("seen", seen.as_str()),
        ("reason", "Продаём снова"),
    ];
    signed.act(&format!("{path}/update"), &fields).await;
    let due = subscriptions::find_subscription(&mut conn, row.id).await.unwrap().unwrap().next_due_at;
    assert!(due.is_some_and(|due| due <= panel.app.clock.now()), "{due:?}");
}
