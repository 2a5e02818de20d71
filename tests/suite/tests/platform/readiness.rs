//! `GET /readyz`: without a Redis that takes writes the API stays ready, without a database that reads tables it does not.

use std::time::{Duration, Instant};

use flysk_suite::chaos::directory::own_directory;
use flysk_suite::chaos::redis::find_redis;
use flysk_suite::ports::quiet_port;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::MySqlPool;
use tempfile::TempDir;
use xtask::services::{Redis, Server};

use super::harness::TestApp;

/// A connection notices within a few seconds that its server is another one, or takes writes again.
const RECOVERY_TIMEOUT: Duration = Duration::from_mins(1);

/// A server of this test. Killed on drop.
struct OwnRedis {
    server: Server,
    _dir: TempDir,
}

impl OwnRedis {
    fn start() -> Self {
        let dir = own_directory().unwrap();
        let server = find_redis().unwrap().start(dir.path(), Some(quiet_port().unwrap())).unwrap();
        Self { server, _dir: dir }
    }

    /// Makes it the replica of this server.
    async fn follow(&self, host: &str, port: &str) {
        let client = redis::Client::open(Redis::url(&self.server)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let command = redis::cmd("REPLICAOF").arg(host).arg(port).to_owned();
        command.query_async::<()>(&mut connection).await.unwrap();
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.server.kill();
    }
}

async fn readiness(app: &TestApp, url: &str) -> (StatusCode, Value) {
    let answer = app.http.get(format!("{url}/readyz")).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_redis_that_takes_no_writes_is_down_and_the_api_is_ready(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let own = OwnRedis::start();
    let api = app.api_in(|env| env.with("REDIS_URL", &Redis::url(&own.server))).await;
    let up = (StatusCode::OK, json!({ "mysql": "up", "redis": "up" }));
    let without_redis = (StatusCode::OK, json!({ "mysql": "up", "redis": "down" }));
    assert_eq!(readiness(&app, &api).await, up);
    own.follow("127.0.0.1", "1").await;
    assert_eq!(readiness(&app, &api).await, without_redis);

    own.follow("NO", "ONE").await;
    let began = Instant::now();
    while readiness(&app, &api).await != up {
        assert!(began.elapsed() < RECOVERY_TIMEOUT, "Redis takes writes again, and is down");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    own.server.kill();
    assert_eq!(readiness(&app, &api).await, without_redis);
}

/// As on a node of a cluster that has lost the others: it executes statements that touch no table.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_database_that_reads_no_table_is_down_and_the_api_is_not_ready(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    assert_eq!(readiness(&app, &app.api_url).await.0, StatusCode::OK);
    sqlx::raw_sql("RENAME TABLE _sqlx_migrations TO moved_migrations").execute(&app.pool).await.unwrap();
    let down = (StatusCode::SERVICE_UNAVAILABLE, json!({ "mysql": "down", "redis": "up" }));
    assert_eq!(readiness(&app, &app.api_url).await, down);
}
