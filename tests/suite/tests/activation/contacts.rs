//! Phone numbers: only a number that is provably the sender's own counts.

use flysk_simulators::bot::Person;
use flysk_simulators::telegram::Device;
use flysk_simulators::{max, telegram};
use serde_json::json;
use sqlx::MySqlPool;

use crate::harness::{ANNA, ANNAS_MASKED_PHONE, BORIS, TestApp};

fn boris() -> Person {
    Person { id: BORIS, name: "Борис".to_owned(), phone: "79160000000".to_owned() }
}

const BINDINGS: &str = "SELECT COUNT(*) FROM activation_bindings";

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_forged_contact_binds_in_telegram(pool: MySqlPool) {
    use telegram::Card;
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    let forgeries = [
        (Card::Of(boris()), "номер другого человека"),
        (Card::Stranger("79160000000".to_owned()), "номер другого человека"),
        (Card::ForwardedOwn, "Пересланный контакт"),
    ];
    for (card, why) in forgeries {
        app.telegram.state.send_card(ANNA, &card).unwrap();
        app.run_until_idle().await;
        assert!(app.told(ANNA).last().unwrap().contains(why), "{card:?}: {:?}", app.told(ANNA));
        assert_eq!(app.count(BINDINGS).await, 0, "{card:?}");
    }
    // In a group the bot neither listens nor answers.
    let group = json!({ "message": { "message_id": 1, "date": 1, "chat": { "id": -100, "type": "group" },
        "from": { "id": ANNA, "is_bot": false, "first_name": "Анна" },
        "contact": { "phone_number": "79161234567", "first_name": "Анна", "user_id": ANNA } } });
    app.telegram.state.deliver("message", group);
    app.run_until_idle().await;
    assert_eq!(app.count(BINDINGS).await, 0);
    // The button is shown again and again; a contact that is attached by hand counts as well.
    app.telegram.state.send_card(ANNA, &Card::Own).unwrap();
    app.run_until_idle().await;
    let state = app.activation().await;
    assert_eq!(
        (&state["install_status"], &state["link"]["phone_masked"]),
        (&json!("active"), &json!(ANNAS_MASKED_PHONE))
    );
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn no_forged_contact_binds_in_max(pool: MySqlPool) {
    use max::Card;
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.max.state.open_link(ANNA, &link.max).unwrap();
    app.run_until_idle().await;
    let forgeries = [
        (Card::Shared(boris()), "не кнопкой"),
        (Card::MadeUpHash(boris()), "не кнопкой"),
        (Card::Stolen(boris()), "номер другого человека"),
        (Card::ForwardedOwn, "Пересланный контакт"),
        (Card::ChangedNumber("79160000000".to_owned()), "не кнопкой"),
    ];
    for (card, why) in forgeries {
        app.max.state.send_card(ANNA, &card).unwrap();
        app.run_until_idle().await;
        assert!(app.told_in_max(ANNA).last().unwrap().contains(why), "{card:?}: {:?}", app.told_in_max(ANNA));
        assert_eq!(app.count(BINDINGS).await, 0, "{card:?}");
    }
    app.max.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["install_status"], "active");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_contact_without_an_open_link_binds_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.telegram.state.send_card(ANNA, &telegram::Card::Own).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.count(BINDINGS).await, 0);
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    app.clock.advance(chrono::TimeDelta::minutes(16));
    app.telegram.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.count(BINDINGS).await, 0, "the link has expired meanwhile");
}
