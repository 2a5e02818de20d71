//! Notices to people who are bound.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock as _;
use flysk_jobs::flysense::activation::SendNoticesDue;
use flysk_store::jobs::JobState;
use flysk_suite::environment::ACCOUNT;
use sqlx::MySqlPool;

use crate::harness::{ANNA, TestApp};

pub(crate) const BALANCE_LOW: &str = "Баланс FlySense AI";

/// Sets the clock forward to this hour of a later day in Moscow.
pub(crate) fn forward_to(app: &TestApp, hour: u32) -> DateTime<Utc> {
    let moscow = app.clock.now() + TimeDelta::hours(3);
    let day = moscow.date_naive() + TimeDelta::days(1);
    let then = day.and_hms_opt(hour, 0, 0).unwrap().and_utc() - TimeDelta::hours(3);
    app.clock.set(then);
    then
}

/// FlySense has charged this much for a call, in micro-Flycoins.
pub(crate) async fn spend(app: &TestApp, charged_micro: i64) {
    sqlx::query(
        "INSERT INTO flysense_payments (transcription_id, run, account_id, state, seconds, summaries, charged_micro,
                                        created_at, updated_at, paid_at)
         VALUES ('tr_01KC2QHF6N5V4W3X2Y1Z0A9B8C', 1, ?, 'paid', 60, 0, ?, ?, ?, ?)",
    )
    .bind(ACCOUNT)
    .bind(charged_micro)
    .bind(app.clock.now())
    .bind(app.clock.now())
    .bind(app.clock.now())
    .execute(&app.pool)
    .await
    .unwrap();
}

pub(crate) fn notices(app: &TestApp, begin: &str) -> usize {
    app.told(ANNA).iter().filter(|text| text.starts_with(begin)).count()
}

pub(crate) async fn look(app: &TestApp) {
    app.enqueue(&SendNoticesDue {}).await;
    app.run_until_idle().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_low_balance_is_told_once_a_day_and_not_to_those_who_do_not_want_it(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    forward_to(&app, 12);
    look(&app).await;
    assert_eq!(notices(&app, BALANCE_LOW), 0, "nothing is spent");
    // The bonus is 100 Flycoins; at 350 a week it lasts for two days.
    spend(&app, 350_000_000).await;
    look(&app).await;
    look(&app).await;
    assert_eq!(notices(&app, BALANCE_LOW), 1);
    let told = app.told(ANNA).last().unwrap().clone();
    assert!(told.contains("100 Flycoin") && told.contains("на 2 дн."), "{told}");
    app.telegram.state.write(ANNA, "/settings").unwrap();
    app.run_until_idle().await;
    app.telegram.state.press(ANNA, "Выключить: баланс заканчивается").unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA).last().unwrap().contains("баланс заканчивается — выключено"));
    forward_to(&app, 12);
    look(&app).await;
    assert_eq!(notices(&app, BALANCE_LOW), 1);
    app.telegram.state.write(ANNA, "Включить: баланс заканчивается").unwrap();
    app.run_until_idle().await;
    look(&app).await;
    assert_eq!(notices(&app, BALANCE_LOW), 2, "the next day, and wanted again");
}

/// `/settings` is about the dialogue: an account that the person joins later does not switch notices on again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_is_switched_off_stays_off_for_the_next_account(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    app.telegram.state.write(ANNA, "Выключить: баланс заканчивается").unwrap();
    app.run_until_idle().await;
    // So far Anna is bound to a neighbour.
    sqlx::query("UPDATE activation_bindings SET account_id = account_id + 1")
        .execute(&app.pool)
        .await
        .unwrap();
    app.activate_in_telegram().await;
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 2);
    forward_to(&app, 12);
    spend(&app, 350_000_000).await;
    look(&app).await;
    assert_eq!(notices(&app, BALANCE_LOW), 0);
    app.telegram.state.write(ANNA, "/settings").unwrap();
    app.run_until_idle().await;
    let settings = app.told(ANNA).pop().unwrap();
    assert!(settings.contains("баланс заканчивается — выключено"), "{settings}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nobody_is_written_to_at_night(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    assert_eq!(app.count("SELECT COUNT(*) FROM flysense_accounts WHERE utc_offset_minutes = 180").await, 1);
    forward_to(&app, 23);
    spend(&app, 350_000_000).await;
    look(&app).await;
    assert_eq!(notices(&app, BALANCE_LOW), 0);
    let waiting = app.jobs(JobState::Queued).await;
    let sending = waiting.iter().find(|job| job.kind == "telegram.send_message").expect("it waits");
    let morning = forward_to(&app, 9);
    assert_eq!(sending.run_at, morning);
    app.run_until_idle().await;
    assert_eq!(notices(&app, BALANCE_LOW), 1);
}

/// A notice waits for the morning. Meanwhile the person switches its kind off, or ends the binding.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_is_withdrawn_at_night_is_not_told_in_the_morning(pool: MySqlPool) {
    const WITHDRAWN: &str = "SELECT COUNT(*) FROM bot_messages WHERE state = 'unreachable'";
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    spend(&app, 350_000_000).await;
    for (said, withdrawn) in [("Выключить: баланс заканчивается", 1), ("/stop", 2)]
    {
        forward_to(&app, 23);
        look(&app).await;
        app.telegram.state.write(ANNA, said).unwrap();
        app.run_until_idle().await;
        forward_to(&app, 9);
        app.run_until_idle().await;
        assert_eq!((notices(&app, BALANCE_LOW), app.count(WITHDRAWN).await), (0, withdrawn), "{said}");
        app.telegram.state.write(ANNA, "Включить: баланс заканчивается").unwrap();
        app.run_until_idle().await;
    }
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

/// Access is lost: the people who are bound are told where to grant it again, and stay bound.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn lost_access_is_told_with_the_way_back(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    forward_to(&app, 12);
    sqlx::query("UPDATE installs SET lost_at = ?, status = 'reconnect'")
        .bind(app.clock.now())
        .execute(&app.pool)
        .await
        .unwrap();
    app.enqueue(&flysk_jobs::flysense::activation::FollowDeactivation { account_id: ACCOUNT.into() }).await;
    app.run_until_idle().await;
    let told = app.told(ANNA).last().unwrap().clone();
    assert!(
        told.contains("потерял доступ") && told.contains("https://demo.amocrm.ru/settings/widgets/"),
        "{told}"
    );
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 1);
}

/// A person who blocked the bot gets nothing in it, and no letter without a mail server.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn whoever_blocked_the_bot_gets_no_messages(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    spend(&app, 350_000_000).await;
    app.telegram.state.block(ANNA).unwrap();
    app.run_until_idle().await;
    let told = app.told(ANNA).len();
    forward_to(&app, 12);
    look(&app).await;
    assert_eq!(app.told(ANNA).len(), told);
    assert_eq!(app.count("SELECT COUNT(*) FROM bot_messages WHERE state = 'unreachable'").await, 1);
    assert!(app.jobs(JobState::Dead).await.is_empty());
}
