//! Links and short codes: lost payloads, expiry, single use, strangers.

use chrono::TimeDelta;
use flysk_simulators::telegram::Device;
use serde_json::json;
use sqlx::MySqlPool;

use crate::harness::{ANNA, BORIS, TestApp};

/// Telegram Desktop drops the payload for whoever started the bot before: the short code helps.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_payload_is_replaced_by_the_short_code(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA)[0].contains("код из 8 знаков"), "a bare start leads on");
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Desktop).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["link"]["state"], "waiting", "nothing arrived");
    app.telegram.state.write(ANNA, &format!("/start {}", link.code.to_lowercase())).unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA).last().unwrap().contains("demo.amocrm.ru"));
    app.telegram.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["install_status"], "active");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_code_may_be_typed_without_a_command_in_max(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.max.state.start(ANNA, None).unwrap();
    let link = app.link().await;
    app.max.state.write(ANNA, &link.code).unwrap();
    app.run_until_idle().await;
    assert!(app.told_in_max(ANNA).last().unwrap().contains("demo.amocrm.ru"));
    assert_eq!(app.activation().await["link"]["messenger"], "max");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn five_wrong_codes_close_the_dialogue_for_an_hour(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for number in 0..5 {
        app.telegram.state.write(ANNA, &format!("0000-000{number}")).unwrap();
        app.run_until_idle().await;
    }
    let told = app.told(ANNA);
    assert!(told[0].contains("Осталось попыток: 4") && told[4].contains("через час"), "{told:?}");
    let link = app.link().await;
    app.telegram.state.write(ANNA, &link.code).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["link"]["state"], "waiting", "the right code comes too late");
    app.clock.advance(TimeDelta::minutes(61));
    let link = app.link().await;
    app.telegram.state.write(ANNA, &link.code).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["link"]["state"], "opened");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn links_and_codes_expire_and_newer_ones_replace_older_ones(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let old = app.link().await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &old.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA)[0].contains("вместо неё создана новая"));
    app.clock.advance(TimeDelta::minutes(11));
    app.telegram.state.write(ANNA, &link.code).unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA)[1].contains("Срок действия истёк"), "a code lives ten minutes");
    app.clock.advance(TimeDelta::minutes(5));
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA)[2].contains("Срок действия истёк"), "a link lives fifteen");
    assert_eq!(app.activation().await["link"]["state"], "expired");
    app.telegram
        .state
        .open_link(ANNA, "https://t.me/flysense_bot?start=there-never-was-one", Device::Phone)
        .unwrap();
    app.run_until_idle().await;
    assert!(app.told(ANNA)[3].contains("Такой ссылки нет"));
}

/// A stolen or forwarded link: the second presenter gets nothing, whichever messenger, and the first is warned.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_link_belongs_to_whoever_opens_it_first_and_strangers_bind_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    app.telegram.state.open_link(BORIS, &link.telegram, Device::Phone).unwrap();
    app.telegram.state.write(BORIS, &link.code).unwrap();
    app.max.state.open_link(BORIS, &link.max).unwrap();
    app.run_until_idle().await;
    assert!(
        app.told(BORIS).iter().all(|text| text.contains("уже открыли в Telegram")),
        "{:?}",
        app.told(BORIS)
    );
    assert!(app.told_in_max(BORIS)[0].contains("уже открыли в Telegram"));
    assert!(app.telegram.state.share_contact(BORIS).is_err(), "he is never asked for his number");
    let warned = app.told(ANNA).iter().filter(|text| text.contains("пытался открыть вашу ссылку")).count();
    assert_eq!(warned, 3);
    app.telegram.state.send_card(BORIS, &flysk_simulators::telegram::Card::Own).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 0);
    app.telegram.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    let state = app.activation().await;
    assert_eq!((&state["install_status"], &state["link"]["person"]), (&json!("active"), &json!("Анна")));
    // A used link is of no use to anybody.
    app.telegram.state.open_link(BORIS, &link.telegram, Device::Phone).unwrap();
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.run_until_idle().await;
    assert!(app.told(BORIS).last().unwrap().contains("уже открыли"));
    // Her answer and another warning about Boris are the last two messages, in either order.
    let told = app.told(ANNA);
    let last = &told[told.len() - 2..];
    for part in ["Вы уже подтвердили номер", "пытался открыть вашу ссылку"]
    {
        assert_eq!(last.iter().filter(|text| text.contains(part)).count(), 1, "{part}: {told:?}");
    }
    assert_eq!(app.count("SELECT COUNT(*) FROM activation_bindings").await, 1);
}

/// Both bots get the link at the same moment: one of them has it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn two_messengers_at_once_give_one_owner(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.max.state.open_link(ANNA, &link.max).unwrap();
    app.wait_for_deliveries().await;
    let updates: Vec<_> =
        app.due().await.into_iter().filter(|job| job.kind == "activation.handle_update").collect();
    assert_eq!(updates.len(), 2);
    let other = app.another_executor().await;
    let (first, second) = tokio::join!(app.executor.execute(updates[0].id), other.execute(updates[1].id));
    first.unwrap();
    second.unwrap();
    app.run_until_idle().await;
    let texts = [app.told(ANNA), app.told_in_max(ANNA)].concat();
    assert_eq!(texts.iter().filter(|text| text.contains("Включить FlySense AI")).count(), 1, "{texts:?}");
    assert_eq!(texts.iter().filter(|text| text.contains("уже открыли")).count(), 1, "{texts:?}");
}

/// Neither token nor code is readable in the database.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn secrets_of_links_and_phone_numbers_are_not_readable_at_rest(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.wait_for_deliveries().await;
    let token = link.telegram.rsplit('=').next().unwrap();
    let dump = async || {
        let mut all = String::new();
        for query in [
            "SELECT CONCAT_WS(' ', token_hash, code_hash) FROM activation_links",
            "SELECT CONCAT_WS(' ', update_key, body_sealed) FROM bot_updates",
            "SELECT CAST(body AS CHAR) FROM bot_messages",
            "SELECT CONCAT_WS(' ', person, phone_sealed, phone_masked) FROM activation_bindings",
            "SELECT CAST(payload AS CHAR) FROM jobs",
        ] {
            let rows: Vec<String> = sqlx::query_scalar(query).fetch_all(&app.pool).await.unwrap();
            all.extend(rows);
        }
        all
    };
    assert!(!dump().await.contains(token), "the update is stored before it is handled");
    app.run_until_idle().await;
    app.telegram.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    let all = dump().await;
    for secret in [token, &link.code, &link.code.replace('-', ""), crate::harness::ANNAS_PHONE] {
        assert!(!all.contains(secret), "{secret} is readable");
    }
    assert!(all.contains("Анна"), "the rows were read");
}
