//! Answers of the API to the widget.

use flysk_suite::environment::{ADMIN, CLIENT_ID};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use crate::harness::TestApp;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_link_has_a_url_a_command_and_a_qr_code_for_each_messenger(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (status, link) = app.ask(ADMIN, Method::POST, "/v1/flysense/activation").await;
    assert_eq!(status, StatusCode::CREATED);
    let code = link["code"].as_str().unwrap().replace('-', "");
    let ways = link["messengers"].as_array().unwrap();
    assert_eq!(ways.len(), 2);
    for way in ways {
        let (url, command) = (way["url"].as_str().unwrap(), way["command"].as_str().unwrap());
        let payload = url.rsplit("?start=").next().unwrap();
        assert_eq!(payload.len(), 43, "32 random bytes");
        assert!(command.ends_with(&code), "{command}");
        assert!(way["qr_svg"].as_str().unwrap().starts_with("<svg"));
    }
    assert_eq!(ways[0]["url"].as_str().unwrap().split("?start=").next(), Some("https://max.ru/id7700_bot"));
    assert_eq!(ways[1]["url"].as_str().unwrap().split("?start=").next(), Some("https://t.me/flysense_bot"));
}

/// A neighbour has another account: neither its links nor its bindings are seen or deleted.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_neighbour_sees_and_deletes_nothing(pool: MySqlPool) {
    const NEIGHBOUR: u64 = 39_999_999;
    const NEIGHBOURS_ADMIN: u64 = 901;
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    let account = flysk_suite::environment::another_account(NEIGHBOUR, "other", NEIGHBOURS_ADMIN);
    app.amocrm.state.add_account(account).unwrap();
    assert_eq!(app.amocrm.state.install(CLIENT_ID, NEIGHBOUR, None).await.unwrap().status, Some(200));
    app.run_until_idle().await;
    let id = app.activation().await["bindings"][0]["id"].as_str().unwrap().to_owned();
    let (status, seen) =
        app.ask_in(NEIGHBOUR, NEIGHBOURS_ADMIN, Method::GET, "/v1/flysense/activation").await;
    assert_eq!((status, &seen["bindings"]), (StatusCode::OK, &json!([])));
    assert_eq!(seen["install_status"], "inactive", "each account activates for itself");
    let path = format!("/v1/flysense/activation/bindings/{id}");
    assert_eq!(app.ask_in(NEIGHBOUR, NEIGHBOURS_ADMIN, Method::DELETE, &path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(app.activation().await["bindings"].as_array().unwrap().len(), 1);
}
