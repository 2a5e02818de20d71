//! Requests at the limits of what can be parsed or stored: each is refused as the caller's error.

use reqwest::StatusCode;
use serde_json::Value;
use sqlx::MySqlPool;

use super::cross_tenant::TargetAccount;
use super::harness::read;
use super::operations::{Operation, operations};

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{}1{}", open.repeat(levels), close.repeat(levels))
}

async fn send(target: &TargetAccount, operation: &Operation, body: String) -> (StatusCode, Value) {
    let (header, key) = target.key_to(operation);
    let request = target.request(operation, (header, &key), &TargetAccount::query_of(operation));
    read(request.header("Content-Type", "application/json").body(body).send().await.unwrap()).await
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn json_that_is_nested_too_deeply_is_refused(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let mut sent = 0;
    for operation in operations().iter().filter(|operation| operation.body.is_some()) {
        let objects = nested("{\"a\":", "}", 10_000);
        for body in [
            nested("[", "]", 200),
            nested("[", "]", 100_000),
            format!(r#"{{"version": 0, "settings": {objects}}}"#),
            objects,
        ] {
            let (status, problem) = send(&target, operation, body).await;
            assert!(status.is_client_error(), "{}: {status} {problem}", operation.name());
            assert_eq!(problem["status"], status.as_u16(), "{}: {problem}", operation.name());
            sent += 1;
        }
    }
    assert!(sent > 50, "{sent}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_time_that_cannot_be_stored_is_refused_by_name(pool: MySqlPool) {
    let target = TargetAccount::install(pool).await;
    let document: Value = serde_json::from_str(&flysk_api::routes::specification()).unwrap();
    let mut sent = 0;
    for operation in operations() {
        let described = &document["paths"][&operation.path][operation.method.as_str().to_lowercase()];
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            let times: &[&str] = match parameter["schema"]["format"].as_str() {
                Some("date-time") => &[
                    "0000-01-01T00:00:00Z",
                    "1969-12-31T23:59:59Z",
                    "9999-12-31T23:59:59Z",
                    "%2B262142-01-01T00:00:00Z",
                ],
                Some("date") => &["0000-01-01", "9999-12-31", "%2B262142-01-01"],
                _ => continue,
            };
            let name = parameter["name"].as_str().unwrap();
            let (header, key) = target.key_to(&operation);
            for time in times {
                let query = [TargetAccount::query_of(&operation), vec![format!("{name}={time}")]].concat();
                let answer = target.request(&operation, (header, &key), &query).send().await.unwrap();
                let (status, problem) = read(answer).await;
                let detail = problem["detail"].as_str().unwrap_or_default();
                assert!(
                    status == StatusCode::BAD_REQUEST && detail.contains(&format!("`{name}`")),
                    "{} {time}: {status} {problem}",
                    operation.name()
                );
                sent += 1;
            }
        }
    }
    assert!(sent >= 10, "{sent}");
}
