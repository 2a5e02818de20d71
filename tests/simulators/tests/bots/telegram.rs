//! Telegram.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::TimeDelta;
use flysk_clients::http::HttpOptions;
use flysk_clients::messenger::{Bot as _, BotIdentity, Config, MessengerError, RefusalKind};
use flysk_clients::telegram::Telegram as Client;
use flysk_domain::Clock as _;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::activation::message::{Contact, ContactFault, Keyboard, Outgoing, Said};
use flysk_domain::flysense::activation::phone::Phone;
use flysk_simulators::bot::Person;
use flysk_simulators::telegram::{self, Card, Device, Options, Telegram};
use flysk_simulators::{Act, Control, Running, Script};
use serde_json::{Value, json};

use crate::hook::{Receiver, next_attempt};

const TOKEN: &str = "123456:AAF-simulated_token";
const ORIGIN: &str = "https://bots.example.test";
const ANNA: i64 = 555;

async fn simulator() -> Running<Telegram> {
    let options = Options { bind: None, token: TOKEN.to_owned(), username: "flysense_bot".to_owned() };
    let telegram = telegram::start(options, Control::default()).await.unwrap();
    telegram.state.add_person(person(ANNA, "Анна", "79161234567"));
    telegram
}

fn person(id: i64, name: &str, phone: &str) -> Person {
    Person { id, name: name.to_owned(), phone: phone.to_owned() }
}

fn client(simulator: &Running<Telegram>, token: &str) -> Client {
    Client::new(&Config {
        base_url: simulator.url.parse().unwrap(),
        token: token.into(),
        http: HttpOptions::default(),
        proxy: None,
    })
    .unwrap()
}

async fn subscribed() -> (Running<Telegram>, Client, Receiver) {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    simulator.state.route(ORIGIN, &receiver.url);
    let client = client(&simulator, TOKEN);
    let url = format!("{ORIGIN}/hooks/telegram").parse().unwrap();
    assert!(client.ensure_webhook(&url, &"s-e_cret".into(), false).await.unwrap().was_repaired);
    (simulator, client, receiver)
}

fn words(error: &MessengerError) -> String {
    let mut words = format!("{error:?} {error}");
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        write!(words, " {error} {error:?}").unwrap();
        next = error.source();
    }
    words
}

#[tokio::test]
async fn the_bot_knows_itself_and_a_wrong_token_is_told_without_being_shown() {
    let simulator = simulator().await;
    let me = client(&simulator, TOKEN).who_am_i().await.unwrap();
    assert_eq!(me, BotIdentity { id: 123_456, username: "flysense_bot".to_owned() });
    let refused = client(&simulator, "123456:WRONG").who_am_i().await.unwrap_err();
    assert_eq!(refused.refusal(), Some(RefusalKind::Unauthorized));
    assert!(!words(&refused).contains("WRONG"), "{}", words(&refused));
}

#[tokio::test]
async fn a_broken_connection_shows_no_token_and_leaves_the_outcome_open() {
    let simulator = simulator().await;
    simulator.control.script(Script::next(format!("/bot{TOKEN}/sendMessage"), Act::Cut));
    let error = client(&simulator, TOKEN).send(ANNA, &Outgoing::text("x")).await.unwrap_err();
    assert_eq!(error.outcome(), FailureAction::Unknown);
    assert!(!words(&error).contains("simulated_token"), "{}", words(&error));
    simulator.control.script(Script::next(format!("/bot{TOKEN}/getMe"), Act::Cut));
    assert_eq!(client(&simulator, TOKEN).who_am_i().await.unwrap_err().outcome(), FailureAction::RETRY);
}

#[tokio::test]
async fn a_webhook_is_set_once_repaired_when_lost_and_forced_for_a_new_secret() {
    let (simulator, client, _receiver) = subscribed().await;
    let url = format!("{ORIGIN}/hooks/telegram").parse().unwrap();
    let again = client.ensure_webhook(&url, &"s-e_cret".into(), false).await.unwrap();
    assert!(!again.was_repaired && again.pending == Some(0));
    simulator.state.drop_webhook();
    assert!(client.ensure_webhook(&url, &"s-e_cret".into(), false).await.unwrap().was_repaired);
    assert!(client.ensure_webhook(&url, &"new".into(), true).await.unwrap().was_repaired);
    assert_eq!(simulator.state.webhook().unwrap().secret.as_deref(), Some("new"));
}

#[tokio::test]
async fn polling_is_refused_while_a_webhook_is_set() {
    let (simulator, _client, _receiver) = subscribed().await;
    let poll = async || {
        let url = format!("{}/bot{TOKEN}/getUpdates", simulator.url);
        reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(url)
            .json(&json!({}))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(poll().await.status(), 409);
    simulator.state.drop_webhook();
    simulator.state.write(ANNA, "привет").unwrap();
    let polled: Value = poll().await.json().await.unwrap();
    assert_eq!(polled["result"][0]["message"]["text"], "привет");
}

#[tokio::test]
async fn updates_arrive_in_order_with_the_secret_and_again_after_failures() {
    let (simulator, _client, receiver) = subscribed().await;
    receiver.answer(500);
    simulator.state.open_link(ANNA, "https://t.me/flysense_bot?start=k3Jd0_x-", Device::Phone).unwrap();
    simulator.state.write(ANNA, "второе").unwrap();
    receiver.wait_for(1).await;
    receiver.answer(200);
    simulator.control.clock().advance(chrono::Duration::seconds(2));
    let updates = receiver.wait_for(3).await;
    let texts: Vec<&str> =
        updates.iter().map(|update| update.body["message"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["/start k3Jd0_x-", "/start k3Jd0_x-", "второе"]);
    assert_eq!(updates[0].body["update_id"], updates[1].body["update_id"], "the same update again");
    assert!(updates.iter().all(|update| update.secret.as_deref() == Some("s-e_cret")));
}

#[tokio::test]
async fn a_webhook_that_says_gone_for_a_day_is_dropped() {
    let (simulator, _client, receiver) = subscribed().await;
    receiver.answer(410);
    simulator.state.write(ANNA, "кто-нибудь?").unwrap();
    let clock = simulator.control.clock();
    let began = clock.now();
    while simulator.state.webhook().is_some() {
        next_attempt(clock, TimeDelta::minutes(30), || simulator.state.deliveries().len()).await;
    }
    assert!(clock.now() - began >= TimeDelta::hours(23), "{}", clock.now() - began);
}

#[tokio::test]
async fn the_desktop_app_drops_the_payload_for_old_acquaintances() {
    let (simulator, _client, receiver) = subscribed().await;
    let open = |payload: &str, device| {
        let link = format!("https://t.me/flysense_bot?start={payload}");
        simulator.state.open_link(ANNA, &link, device).unwrap();
    };
    open("first", Device::Desktop);
    receiver.wait_for(1).await;
    open("lost", Device::Desktop);
    open("third", Device::Phone);
    let updates = receiver.wait_for(2).await;
    let texts: Vec<&str> =
        updates.iter().map(|update| update.body["message"]["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["/start first", "/start third"]);
}

#[tokio::test]
async fn only_a_contact_of_the_sender_is_own() {
    let (simulator, client, receiver) = subscribed().await;
    simulator.state.write(ANNA, "/start").unwrap();
    assert!(simulator.state.share_contact(ANNA).is_err(), "there is no button yet");
    let ask = Outgoing {
        text: "?".to_owned(),
        keyboard: Keyboard::RequestContact("Отправить номер".to_owned()),
    };
    client.send(ANNA, &ask).await.unwrap();
    simulator.state.share_contact(ANNA).unwrap();
    let boris = person(556, "Борис", "79160000000");
    for card in [Card::Of(boris), Card::Stranger("79160000000".to_owned()), Card::ForwardedOwn, Card::Own] {
        simulator.state.send_card(ANNA, &card).unwrap();
    }
    let updates = receiver.wait_for(6).await;
    let said: Vec<Said> = updates[1..]
        .iter()
        .map(|update| client.parse_update(update.body.to_string().as_bytes()).unwrap().message.unwrap().said)
        .collect();
    let own = || Said::Contact(Contact::Own(Phone::parse("79161234567").unwrap()));
    let unproven = |fault| Said::Contact(Contact::Unproven(fault));
    let (other, forwarded) = (ContactFault::OtherPerson, ContactFault::Forwarded);
    assert_eq!(said, [own(), unproven(other), unproven(other), unproven(forwarded), own()]);
}

#[tokio::test]
async fn limits_and_blocks_are_told_apart() {
    let simulator = simulator().await;
    simulator.control.clock().freeze();
    let client = client(&simulator, TOKEN);
    let never_started = client.send(ANNA, &Outgoing::text("x")).await.unwrap_err();
    assert_eq!(never_started.refusal(), Some(RefusalKind::Unreachable));
    simulator.state.write(ANNA, "/start").unwrap();
    client.send(ANNA, &Outgoing::text("1")).await.unwrap();
    let hurried = client.send(ANNA, &Outgoing::text("2")).await.unwrap_err();
    assert_eq!(hurried.outcome(), FailureAction::Wait { after: Some(Duration::from_secs(1)) });
    simulator.state.block(ANNA).unwrap();
    let blocked = client.send(ANNA, &Outgoing::text("3")).await.unwrap_err();
    assert_eq!(
        (blocked.refusal(), blocked.outcome()),
        (Some(RefusalKind::Unreachable), FailureAction::GiveUp)
    );
    let lines = simulator.state.chat(ANNA).unwrap();
    assert_eq!(lines.iter().filter(|line| line.from_bot).count(), 1);
}
