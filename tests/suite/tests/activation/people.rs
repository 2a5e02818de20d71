//! People who are bound: commands, blocking, unbinding.

use flysk_simulators::telegram::Device;
use sqlx::MySqlPool;

use crate::harness::{ANNA, ANNAS_MASKED_PHONE, TestApp};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn stop_ends_the_binding_and_deletes_the_number_and_the_widget_goes_on(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    app.telegram.state.write(ANNA, "/status").unwrap();
    app.run_until_idle().await;
    let status = app.told(ANNA).last().unwrap().clone();
    assert!(status.contains("demo.amocrm.ru") && status.contains(ANNAS_MASKED_PHONE), "{status}");
    app.telegram.state.write(ANNA, "/stop").unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA).last().unwrap().contains("номер удалён"));
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 0);
    let state = app.activation().await;
    assert_eq!(
        (state["install_status"].as_str(), state["bindings"].as_array().map(Vec::len)),
        (Some("active"), Some(0))
    );
    app.telegram.state.write(ANNA, "/help").unwrap();
    app.telegram.state.write(ANNA, "что дальше?").unwrap();
    app.run_until_idle().await;
    let told = app.told(ANNA);
    let answers = told[told.len() - 2..].concat();
    assert!(answers.contains("эта справка") && answers.contains("Активировать"), "{told:?}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_blocked_bot_marks_the_binding_until_the_person_writes_again(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    app.telegram.state.block(ANNA).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["bindings"][0]["state"], "blocked");
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["bindings"][0]["state"], "active");
}

/// The bot asks again whoever does something else than press the button.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn whoever_writes_something_else_is_led_on(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    app.telegram.state.write(ANNA, "+79161234567").unwrap();
    app.run_until_idle().await;
    let told = app.told(ANNA);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], told[1], "a typed number proves nothing: the question is repeated");
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 0);
}
