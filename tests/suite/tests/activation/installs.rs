//! From the installation to the active widget, and back.

use chrono::TimeDelta;
use flysk_simulators::telegram::Device;
use flysk_store::jobs::JobState;
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID, USER};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use crate::harness::{ANNA, ANNAS_MASKED_PHONE, TestApp};

const BONUSES: &str = "SELECT COUNT(*) FROM welcome_bonuses";

/// The whole way through Telegram: the button in the settings, the bot, the phone number, the active widget.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_install_waits_for_its_activation_and_then_transcribes_for_everybody(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let before = app.activation().await;
    assert_eq!(before["install_status"], "inactive");
    assert_eq!((&before["link"], &before["bindings"]), (&Value::Null, &json!([])));
    assert_eq!(before["messengers"], json!(["max", "telegram"]));
    assert!(app.amocrm.state.hooks(ACCOUNT).is_empty());
    assert_eq!(app.count(BONUSES).await, 0, "the bonus is for the activation");

    let link = app.link().await;
    let waiting = app.activation().await["link"].clone();
    assert_eq!((&waiting["state"], &waiting["id"]), (&json!("waiting"), &json!(link.id)));
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    let asked = app.told(ANNA);
    assert_eq!(asked.len(), 1, "{asked:?}");
    for part in ["demo.amocrm.ru", "Анна", "соглашаетесь"] {
        assert!(asked[0].contains(part), "{part}: {asked:?}");
    }
    let opened = app.activation().await;
    assert_eq!(
        (&opened["link"]["state"], &opened["link"]["messenger"]),
        (&json!("opened"), &json!("telegram"))
    );
    assert_eq!(opened["link"]["phone_masked"], Value::Null);

    app.telegram.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    let after = app.activation().await;
    assert_eq!((&after["install_status"], &after["link"]["state"]), (&json!("active"), &json!("bound")));
    assert_eq!(
        (&after["link"]["person"], &after["link"]["phone_masked"]),
        (&json!("Анна"), &json!(ANNAS_MASKED_PHONE))
    );
    assert_eq!(after["bindings"][0]["phone_masked"], ANNAS_MASKED_PHONE);
    let told = app.told(ANNA);
    assert!(told.last().unwrap().contains("FlySense AI работает в аккаунте demo.amocrm.ru"), "{told:?}");
    assert_eq!(app.amocrm.state.hooks(ACCOUNT).len(), 1, "FlySense hears of new calls");
    assert_eq!(app.count("SELECT COUNT(*) FROM flysense_accounts WHERE auto").await, 1);
    assert_eq!(app.count(BONUSES).await, 1);
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn max_activates_as_well(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.max.state.open_link(ANNA, &link.max).unwrap();
    app.run_until_idle().await;
    app.max.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    let after = app.activation().await;
    assert_eq!((&after["install_status"], &after["link"]["messenger"]), (&json!("active"), &json!("max")));
    assert_eq!(after["link"]["phone_masked"], ANNAS_MASKED_PHONE);
    assert!(app.told_in_max(ANNA).last().unwrap().contains("FlySense AI работает"));
}

/// A second administrator changes nothing but gets notices too; the bonus is credited once, also after a reinstallation.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repeated_activation_changes_nothing_and_the_bonus_comes_once(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    // The administrator then switches automatic transcription off: a second binding must not switch it on.
    sqlx::query("UPDATE flysense_accounts SET auto = FALSE").execute(&app.pool).await.unwrap();
    let link = app.link().await;
    app.max.state.open_link(ANNA, &link.max).unwrap();
    app.run_until_idle().await;
    app.max.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    assert_eq!(
        app.count("SELECT COUNT(*) FROM flysense_accounts WHERE NOT auto AND status = 'active'").await,
        1
    );
    assert_eq!(app.activation().await["bindings"].as_array().unwrap().len(), 2);
    assert_eq!((app.count(BONUSES).await, app.amocrm.state.hooks(ACCOUNT).len()), (1, 1));
}

/// Uninstalling forgets the people and their numbers; a reinstalled widget works again at once.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn uninstalling_undoes_the_activation_and_reinstalling_restores_the_status(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    app.clock.advance(TimeDelta::minutes(1));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 0, "numbers are deleted");
    assert_eq!(app.count("SELECT COUNT(*) FROM flysense_accounts WHERE status = 'inactive'").await, 1);
    app.install().await;
    assert_eq!(app.activation().await["install_status"], "active", "the switch survives");
    assert_eq!(app.count(BONUSES).await, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_that_needs_no_messenger_is_active_at_once(pool: MySqlPool) {
    let app = TestApp::build(pool, false).await;
    app.install().await;
    assert_eq!(app.activation().await["install_status"], "active");
    assert_eq!((app.count(BONUSES).await, app.amocrm.state.hooks(ACCOUNT).len()), (1, 1));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn installs_that_are_active_stay_active_when_the_setting_is_switched_on(pool: MySqlPool) {
    let app = TestApp::build(pool, false).await;
    app.install().await;
    sqlx::query("UPDATE widgets SET starts_switched_off = TRUE").execute(&app.pool).await.unwrap();
    app.clock.advance(TimeDelta::minutes(1));
    app.install().await;
    assert_eq!(app.activation().await["install_status"], "active");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn only_administrators_create_links_and_see_who_is_bound(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (status, problem) = app.ask(USER, Method::POST, "/v1/flysense/activation").await;
    assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("admin_only")));
    app.activate_in_telegram().await;
    let (status, seen) = app.ask(USER, Method::GET, "/v1/flysense/activation").await;
    assert_eq!((status, &seen["bindings"], &seen["link"]), (StatusCode::OK, &json!([]), &Value::Null));
    let id = app.activation().await["bindings"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/flysense/activation/bindings/{id}");
    assert_eq!(app.ask(USER, Method::DELETE, &path).await.0, StatusCode::FORBIDDEN);
    assert_eq!(app.ask(ADMIN, Method::DELETE, &path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(app.ask(ADMIN, Method::DELETE, &path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(app.activation().await["install_status"], "active");
}

/// An account that loses access between the link and the phone number: the person is told what to do.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_person_is_told_why_the_widget_could_not_be_switched_on(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    sqlx::query("UPDATE installs SET lost_at = NOW(6) + INTERVAL 1 DAY, status = 'reconnect'")
        .execute(&app.pool)
        .await
        .unwrap();
    app.telegram.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    let told = app.told(ANNA);
    assert!(told.last().unwrap().contains("Переподключить"), "{told:?}");
    let state = app.activation().await;
    assert_eq!(
        (&state["link"]["state"], &state["link"]["failure"]),
        (&json!("failed"), &json!("access_lost"))
    );
}
