//! Notices by e-mail to people whom the messenger does not reach, handed over to a simulated mail server.

use flysk_simulators::smtp::{self, Fault, Moment, Smtp};
use flysk_simulators::{Act, Control, Running, Script, SimClock};
use flysk_suite::environment::{ADMIN, PUBLIC_ORIGIN};
use sqlx::MySqlPool;

use crate::harness::{ANNA, TELEGRAM_TOKEN, TestApp};
use crate::notices::{BALANCE_LOW, forward_to, look, notices, spend};

const SUBJECT: &str = "FlySense AI: баланс заканчивается";

/// Anna is bound in Telegram, her balance is low, and letters can be sent.
async fn bound(pool: MySqlPool) -> (TestApp, Running<Smtp>) {
    let clock = SimClock::at_noon();
    let mail = smtp::start(smtp::Options::default(), Control::with_clock(clock.clone())).await.unwrap();
    let variables = [
        ("FLYSK_SMTP_URL", format!("{}?tls=none", mail.url)),
        ("FLYSK_SMTP_FROM", "Flysk <notices@flysk.example>".to_owned()),
    ];
    let app = TestApp::build_with(pool, true, clock, &variables).await;
    app.install().await;
    app.activate_in_telegram().await;
    forward_to(&app, 12);
    spend(&app, 350_000_000).await;
    (app, mail)
}

/// The same; Anna has blocked the bot.
async fn blocked(pool: MySqlPool) -> (TestApp, Running<Smtp>) {
    let (app, mail) = bound(pool).await;
    app.telegram.state.block(ANNA).unwrap();
    app.run_until_idle().await;
    (app, mail)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn whoever_blocked_the_bot_gets_one_letter_a_day_and_nothing_else(pool: MySqlPool) {
    let (app, mail) = blocked(pool).await;
    look(&app).await;
    look(&app).await;
    let letters = mail.state.letters();
    assert_eq!((letters.len(), letters[0].subject().as_str()), (1, SUBJECT));
    assert_eq!(letters[0].recipients, [format!("{ADMIN}@example.test")], "the profile's address in amoCRM");
    let text = letters[0].text();
    assert!(text.contains("100 Flycoin") && !text.contains("/settings —"), "{text}");
    // The bot is allowed again on the same day.
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.run_until_idle().await;
    look(&app).await;
    assert_eq!((notices(&app, BALANCE_LOW), mail.state.letters().len()), (0, 1), "one a day over both ways");
    forward_to(&app, 12);
    look(&app).await;
    assert_eq!((notices(&app, BALANCE_LOW), mail.state.letters().len()), (1, 1), "the bot reaches her");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_notice_that_the_messenger_does_not_deliver_goes_by_e_mail(pool: MySqlPool) {
    let (app, mail) = bound(pool).await;
    let body = r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#;
    let answer = Act::Answer { status: 403, headers: Vec::new(), body: body.to_owned() };
    app.telegram.control.script(Script::next(format!("/bot{TELEGRAM_TOKEN}/sendMessage"), answer));
    look(&app).await;
    assert_eq!(app.activation().await["bindings"][0]["state"], "blocked");
    assert_eq!((notices(&app, BALANCE_LOW), mail.state.letters().len()), (0, 1));
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_notices").await, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_link_of_a_letter_switches_the_kind_off_in_the_bot_as_well(pool: MySqlPool) {
    let (app, mail) = blocked(pool).await;
    look(&app).await;
    let url = mail.state.letters()[0].field("List-Unsubscribe").trim_matches(['<', '>']).to_owned();
    let url = url.replace(PUBLIC_ORIGIN, &app.api_url);
    let shown = app.http.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("Письма включены"), "opening the link changes nothing: {shown}");
    let request = app.http.post(&url).header("Content-Type", "application/x-www-form-urlencoded");
    let done = request.body("List-Unsubscribe=One-Click").send().await.unwrap().text().await.unwrap();
    assert!(done.contains("Письма отключены") && done.contains("баланс заканчивается"), "{done}");
    forward_to(&app, 12);
    look(&app).await;
    assert_eq!(mail.state.letters().len(), 1);
    app.telegram.state.write(ANNA, "/settings").unwrap();
    app.run_until_idle().await;
    let settings = app.told(ANNA).pop().unwrap();
    assert!(settings.contains("баланс заканчивается — выключено"), "{settings}");
    assert!(settings.contains("итоги недели — включено"), "{settings}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nobody_gets_a_letter_at_night(pool: MySqlPool) {
    let (app, mail) = blocked(pool).await;
    forward_to(&app, 23);
    look(&app).await;
    assert_eq!(mail.state.letters().len(), 0);
    forward_to(&app, 9);
    app.run_until_idle().await;
    assert_eq!(mail.state.letters().len(), 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_address_that_does_not_exist_is_forgotten(pool: MySqlPool) {
    let (app, mail) = blocked(pool).await;
    mail.state.fail(Moment::Recipient, Fault::Answer("550 5.1.1 no such user".to_owned()));
    look(&app).await;
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings WHERE email_sealed IS NOT NULL").await, 0);
    assert_eq!(app.count("SELECT COUNT(*) FROM bot_messages WHERE state = 'unreachable'").await, 1);
    forward_to(&app, 12);
    let connections = mail.state.connections();
    look(&app).await;
    assert_eq!((mail.state.letters().len(), mail.state.connections()), (0, connections));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_letter_in_doubt_is_not_sent_again(pool: MySqlPool) {
    let (app, mail) = blocked(pool).await;
    mail.state.fail(Moment::Content, Fault::KeepAndCut);
    look(&app).await;
    assert_eq!(app.count("SELECT COUNT(*) FROM bot_messages WHERE state = 'unknown'").await, 1);
    look(&app).await;
    assert_eq!(mail.state.letters().len(), 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_address_is_sealed_at_rest_and_deleted_with_the_number(pool: MySqlPool) {
    let (app, mail) = bound(pool).await;
    let known = "SELECT COUNT(*) FROM activation_bindings WHERE email_sealed IS NOT NULL";
    assert_eq!(app.count(known).await, 1);
    let readable = "SELECT COUNT(*) FROM activation_bindings WHERE email_sealed LIKE '%@example.test%'";
    assert_eq!(app.count(readable).await, 0);
    app.telegram.state.write(ANNA, "/stop").unwrap();
    app.run_until_idle().await;
    look(&app).await;
    assert_eq!((app.count(known).await, mail.state.letters().len()), (0, 0));
}
