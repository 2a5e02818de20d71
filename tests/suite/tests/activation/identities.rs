//! Who is who: people are known by number, and nobody is bound without a link of their own.

use flysk_simulators::bot::Person;
use flysk_simulators::telegram::Card;
use serde_json::Value;
use sqlx::MySqlPool;

use crate::harness::{BORIS, TELEGRAM_TOKEN, TestApp};

/// A link waits for its administrator: whoever starts the bot first without it gets nothing of it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_bare_start_takes_no_link_that_waits_for_somebody(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.link().await;
    app.telegram.state.write(BORIS, "/start").unwrap();
    app.telegram.state.send_card(BORIS, &Card::Own).unwrap();
    app.run_until_idle().await;
    assert!(app.told(BORIS).iter().all(|text| text.contains("отправьте сюда код")), "{:?}", app.told(BORIS));
    assert!(!app.told(BORIS).concat().contains("demo.amocrm.ru"), "a stranger learns no account");
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 0);
    assert_eq!(app.activation().await["link"]["state"], "waiting");
}

/// Names may be given to somebody else; ids may not.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn whoever_takes_over_a_name_is_a_stranger(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    let other = Person { id: BORIS, name: "Анна".to_owned(), phone: "79160000000".to_owned() };
    app.telegram.state.add_person(other);
    for text in ["/status", "/stop"] {
        app.telegram.state.write(BORIS, text).unwrap();
    }
    app.run_until_idle().await;
    assert!(!app.told(BORIS).concat().contains("demo.amocrm.ru"), "{:?}", app.told(BORIS));
    assert_eq!(app.activation().await["bindings"].as_array().map(Vec::len), Some(1), "Anna stays bound");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn texts_have_no_markup_and_the_button_is_removed_after_success(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.activate_in_telegram().await;
    let calls = app.telegram.control.calls_to("POST", &format!("/bot{TELEGRAM_TOKEN}/sendMessage"));
    let sent: Vec<Value> = calls.iter().map(|call| serde_json::from_str(&call.body).unwrap()).collect();
    assert!(sent.iter().all(|message| message.get("parse_mode").is_none()), "{sent:?}");
    let keyboards: Vec<&Value> = sent.iter().map(|message| &message["reply_markup"]).collect();
    assert_eq!(keyboards[0]["keyboard"][0][0]["request_contact"], true, "{keyboards:?}");
    assert!(keyboards[1..].iter().all(|keyboard| keyboard["remove_keyboard"] == true), "{keyboards:?}");
    assert_eq!(keyboards.len(), 3, "the question, the number is accepted, FlySense works");
}
