//! Messages of the bots: rate limits, pauses, unknown outcomes.

use std::time::{Duration, Instant};

use flysk_jobs::flysense::activation::SendTelegramMessage;
use flysk_queue::Job as _;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_suite::due_jobs::run_due_jobs;
use flysk_suite::environment::ACCOUNT;
use sqlx::{Connection as _, MySqlConnection, MySqlPool};

use crate::harness::{ANNA, TELEGRAM_TOKEN, TestApp};

/// Rows changed by a transaction, so that the deadlock detection rolls back the other one.
const HEAVY_ROWS: u32 = 200;

fn send_message() -> String {
    format!("/bot{TELEGRAM_TOKEN}/sendMessage")
}

fn answer(status: u16, body: &str) -> Act {
    Act::Answer { status, headers: Vec::new(), body: body.to_owned() }
}

const SENT_MESSAGES: &str = "SELECT COUNT(*) FROM bot_messages WHERE state = 'sent'";

/// Several answers within a second: the limit of a dialogue delays them, and no request is refused.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn answers_keep_to_the_limit_of_a_dialogue(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for _ in 0..3 {
        app.telegram.state.write(ANNA, "/help").unwrap();
    }
    app.run_until_idle().await;
    assert_eq!((app.told(ANNA).len(), app.count(SENT_MESSAGES).await), (3, 3));
    let refused = app.telegram.control.calls().iter().filter(|call| call.status == Some(429)).count();
    assert_eq!(refused, 0);
}

/// A refusal with `retry_after` pauses the whole bot and loses nothing.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn too_many_requests_pause_the_bot_and_the_message_is_sent_once(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 1","parameters":{"retry_after":1}}"#;
    app.telegram.control.script(Script::next(send_message(), answer(429, body)));
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.run_until_idle().await;
    assert_eq!((app.told(ANNA).len(), app.count(SENT_MESSAGES).await), (1, 1));
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

/// The messenger may have taken a message whose answer was lost: it is not sent again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_message_that_may_have_been_sent_is_not_sent_again(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.telegram.control.script(Script::next(send_message(), Act::ServeThenCut));
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.run_until_idle().await;
    assert_eq!(app.told(ANNA).len(), 1, "it was sent");
    assert_eq!(app.count("SELECT COUNT(*) FROM bot_messages WHERE state = 'unknown'").await, 1);
    app.max.control.script(Script::next("/messages", answer(502, "")));
    app.max.state.start(ANNA, None).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.max.control.calls_to("POST", "/messages").len(), 1);
    assert_eq!(app.count("SELECT COUNT(*) FROM bot_messages WHERE state = 'unknown'").await, 2);
}

/// A person who blocked the bot is not written to again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_blocked_bot_stops_the_channel(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    let blocked = r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#;
    app.telegram.control.script(Script::next(send_message(), answer(403, blocked)));
    app.telegram.state.write(ANNA, "/help").unwrap();
    app.run_until_idle().await;
    assert_eq!(app.count("SELECT COUNT(*) FROM bot_messages WHERE state = 'unreachable'").await, 1);
    assert_eq!(app.activation().await["bindings"][0]["state"], "blocked");
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

/// A heavy transaction that locks what the worker writes second: the bindings of a person who cannot be reached.
async fn hold_bindings(conn: &mut MySqlConnection) {
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await.unwrap();
    for tag in 0..HEAVY_ROWS {
        let heavy = "INSERT INTO flysense_tags (account_id, tag_key, text, uses, used_at) VALUES (?, ?, 'x', 1, NOW(6))";
        sqlx::query(heavy).bind(ACCOUNT).bind(tag.to_string()).execute(&mut *conn).await.unwrap();
    }
    sqlx::query("SELECT id FROM activation_bindings FOR UPDATE").fetch_all(conn).await.unwrap();
}

/// Waits until the worker has written that a message was refused, without committing; returns its id.
async fn refused_message(pool: &MySqlPool) -> String {
    let deadline = Instant::now() + Duration::from_mins(5);
    loop {
        let sending: Option<String> =
            sqlx::query_scalar("SELECT id FROM bot_messages WHERE state = 'sending'")
                .fetch_optional(pool)
                .await
                .unwrap();
        if let Some(id) = sending {
            let free: Option<String> =
                sqlx::query_scalar("SELECT id FROM bot_messages WHERE id = ? FOR UPDATE SKIP LOCKED")
                    .bind(&id)
                    .fetch_optional(pool)
                    .await
                    .unwrap();
            if free.is_none() {
                return id;
            }
        }
        assert!(Instant::now() < deadline, "the worker did not come to the message");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A handler that is repeated does not know the answer any more: what follows it is written in a transaction that is repeated.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refusal_is_recorded_also_after_a_lost_race(pool: MySqlPool) {
    let app = TestApp::installed(pool.clone()).await;
    app.activate_in_telegram().await;
    let blocked = r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#;
    app.telegram.control.script(Script::next(send_message(), answer(403, blocked)));
    app.telegram.state.write(ANNA, "/help").unwrap();
    app.wait_for_deliveries().await;
    let others = async || {
        let due = app.due().await;
        due.into_iter().filter(|job| job.kind != SendTelegramMessage::KIND).collect::<Vec<_>>()
    };
    run_due_jobs(&app.executor, others).await.unwrap();

    let mut other = MySqlConnection::connect_with(&pool.connect_options()).await.unwrap();
    hold_bindings(&mut other).await;
    let deadlock = async {
        let message = refused_message(&pool).await;
        let wanted = "UPDATE bot_messages SET updated_at = updated_at WHERE id = ?";
        sqlx::query(wanted).bind(message).execute(&mut other).await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    };
    tokio::join!(app.run_until_idle(), deadlock);
    assert_eq!(app.count("SELECT COUNT(*) FROM bot_messages WHERE state = 'unreachable'").await, 1);
    assert_eq!(app.activation().await["bindings"][0]["state"], "blocked");
    assert!(app.jobs(JobState::Dead).await.is_empty());
}
