//! Messages of the bots: rate limits, pauses, unknown outcomes.

use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use sqlx::MySqlPool;

use crate::harness::{ANNA, TELEGRAM_TOKEN, TestApp};

fn send_message() -> String {
    format!("/bot{TELEGRAM_TOKEN}/sendMessage")
}

fn answer(status: u16, body: &str) -> Act {
    Act::Answer { status, headers: Vec::new(), body: body.to_owned() }
}

const SENT_MESSAGES: &str = "SELECT COUNT(*) FROM bot_messages WHERE state = 'sent'";

/// Several answers within a second: the limit of a dialogue delays them, and no request is refused.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
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
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
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
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
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
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
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
