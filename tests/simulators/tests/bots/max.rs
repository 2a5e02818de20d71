//! MAX.

use chrono::TimeDelta;
use flysk_clients::http::HttpOptions;
use flysk_clients::max::Max as Client;
use flysk_clients::messenger::{Bot as _, BotIdentity, Config, RefusalKind};
use flysk_domain::Clock as _;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::activation::message::{Contact, ContactFault, Keyboard, Outgoing, Said};
use flysk_domain::flysense::activation::phone::Phone;
use flysk_simulators::bot::Person;
use flysk_simulators::max::{self, Card, Max, Options};
use flysk_simulators::{Act, Control, Running, Script};
use serde_json::{Value, json};

use crate::hook::{Receiver, next_attempt};

const TOKEN: &str = "simulated-max-token";
const ORIGIN: &str = "https://bots.example.test";
const ANNA: i64 = 777;

async fn simulator() -> Running<Max> {
    let options = Options { bind: None, token: TOKEN.to_owned(), username: "id7700_bot".to_owned() };
    let max = max::start(options, Control::default()).await.unwrap();
    max.state.add_person(person(ANNA, "Анна", "79161234567"));
    max
}

fn person(id: i64, name: &str, phone: &str) -> Person {
    Person { id, name: name.to_owned(), phone: phone.to_owned() }
}

fn client(simulator: &Running<Max>, token: &str) -> Client {
    let http = HttpOptions::default();
    Client::new(&Config { base_url: simulator.url.parse().unwrap(), token: token.into(), http, proxy: None })
        .unwrap()
}

async fn subscribed() -> (Running<Max>, Client, Receiver) {
    let (simulator, receiver) = (simulator().await, Receiver::start().await);
    simulator.state.route(ORIGIN, &receiver.url);
    let client = client(&simulator, TOKEN);
    let url = format!("{ORIGIN}/hooks/max").parse().unwrap();
    assert!(client.ensure_webhook(&url, &"s-e_cret".into(), false).await.unwrap().was_repaired);
    (simulator, client, receiver)
}

fn said(client: &Client, body: &Value) -> Said {
    client.parse_update(body.to_string().as_bytes()).unwrap().message.unwrap().said
}

#[tokio::test]
async fn the_bot_knows_itself_and_a_wrong_token_is_told_without_being_shown() {
    let simulator = simulator().await;
    let me = client(&simulator, TOKEN).who_am_i().await.unwrap();
    assert_eq!(me, BotIdentity { id: 1, username: "id7700_bot".to_owned() });
    let refused = client(&simulator, "WRONG").who_am_i().await.unwrap_err();
    assert_eq!(refused.refusal(), Some(RefusalKind::Unauthorized));
    assert_eq!(refused.to_string(), "MAX: refused with status 401, verify.token");
    assert!(!format!("{refused:?}").contains("WRONG"));
}

#[tokio::test]
async fn a_refusal_in_a_success_is_a_refusal() {
    let simulator = simulator().await;
    let plain = "http://bots.example.test/hooks/max".parse().unwrap();
    let refused =
        client(&simulator, TOKEN).ensure_webhook(&plain, &"s-e_cret".into(), false).await.unwrap_err();
    assert_eq!((refused.refusal(), refused.outcome()), (Some(RefusalKind::Invalid), FailureAction::GiveUp));
}

#[tokio::test]
async fn a_webhook_is_set_once_and_set_again_for_a_new_secret() {
    let (simulator, client, _receiver) = subscribed().await;
    let url = format!("{ORIGIN}/hooks/max").parse().unwrap();
    assert!(!client.ensure_webhook(&url, &"s-e_cret".into(), false).await.unwrap().was_repaired);
    assert!(client.ensure_webhook(&url, &"other".into(), true).await.unwrap().was_repaired);
    assert_eq!(simulator.state.webhook().unwrap().secret.as_deref(), Some("other"));
}

#[tokio::test]
async fn polling_is_empty_while_a_webhook_is_set() {
    let (simulator, _client, receiver) = subscribed().await;
    receiver.answer(500);
    simulator.state.start(ANNA, None).unwrap();
    receiver.wait_for(1).await;
    let poll = async || {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = http.get(format!("{}/updates", simulator.url)).header("authorization", TOKEN);
        answer.send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(poll().await["updates"], json!([]));
    let delete = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/subscriptions?url={ORIGIN}/hooks/max", simulator.url);
    assert!(delete.delete(url).header("authorization", TOKEN).send().await.unwrap().status().is_success());
    assert_eq!(poll().await["updates"][0]["update_type"], "bot_started");
}

#[tokio::test]
async fn a_webhook_that_fails_for_eight_hours_is_unsubscribed() {
    let (simulator, client, receiver) = subscribed().await;
    receiver.answer(500);
    simulator.state.start(ANNA, Some("token")).unwrap();
    let clock = simulator.control.clock();
    let began = clock.now();
    while simulator.state.webhook().is_some() {
        next_attempt(clock, TimeDelta::minutes(30), || simulator.state.deliveries().len()).await;
    }
    assert!(clock.now() - began >= TimeDelta::hours(8), "{}", clock.now() - began);
    let url = format!("{ORIGIN}/hooks/max").parse().unwrap();
    assert!(client.ensure_webhook(&url, &"s-e_cret".into(), false).await.unwrap().was_repaired);
}

#[tokio::test]
async fn a_deep_link_starts_the_bot_with_its_payload_also_again() {
    let (simulator, client, receiver) = subscribed().await;
    for _ in 0..2 {
        simulator.state.open_link(ANNA, "https://max.ru/id7700_bot?start=k3Jd0_x-").unwrap();
    }
    let updates = receiver.wait_for(2).await;
    for update in updates {
        assert_eq!(update.secret.as_deref(), Some("s-e_cret"));
        assert_eq!(said(&client, &update.body), Said::Start(Some("k3Jd0_x-".to_owned())));
    }
}

#[tokio::test]
async fn only_a_signed_contact_of_the_sender_is_own() {
    let (simulator, client, receiver) = subscribed().await;
    simulator.state.start(ANNA, None).unwrap();
    receiver.wait_for(1).await;
    let chat = client.parse_update(receiver.received()[0].body.to_string().as_bytes()).unwrap();
    let chat = chat.message.unwrap().person.chat_id;
    let ask = Outgoing {
        text: "?".to_owned(),
        keyboard: Keyboard::RequestContact("Отправить номер".to_owned()),
    };
    client.send(chat, &ask).await.unwrap();
    simulator.state.share_contact(ANNA).unwrap();
    receiver.wait_for(2).await;
    let boris = person(778, "Борис", "79160000000");
    let forgeries = [
        (Card::Shared(boris.clone()), ContactFault::NoProof),
        (Card::MadeUpHash(boris.clone()), ContactFault::NoProof),
        (Card::Stolen(boris), ContactFault::OtherPerson),
        (Card::ForwardedOwn, ContactFault::Forwarded),
        (Card::ChangedNumber("79160000000".to_owned()), ContactFault::NoProof),
    ];
    for (card, _) in &forgeries {
        simulator.state.send_card(ANNA, card).unwrap();
    }
    let updates = receiver.wait_for(2 + forgeries.len()).await;
    let own = Contact::Own(Phone::parse("79161234567").unwrap());
    assert_eq!(said(&client, &updates[1].body), Said::Contact(own));
    for (update, (card, fault)) in updates[2..].iter().zip(&forgeries) {
        assert_eq!(said(&client, &update.body), Said::Contact(Contact::Unproven(*fault)), "{card:?}");
    }
}

#[tokio::test]
async fn limits_and_stopped_dialogues_are_told_apart_and_sends_are_not_repeated() {
    let (simulator, client, receiver) = subscribed().await;
    simulator.state.start(ANNA, None).unwrap();
    receiver.wait_for(1).await;
    let chat = ANNA + 1_000_000_000;
    simulator.control.clock().freeze();
    client.send(chat, &Outgoing::text("1")).await.unwrap();
    client.send(chat, &Outgoing::text("2")).await.unwrap();
    let hurried = client.send(chat, &Outgoing::text("3")).await.unwrap_err();
    assert_eq!(hurried.outcome(), FailureAction::WAIT);
    simulator.control.script(Script::next(
        "/messages",
        Act::Answer { status: 502, headers: Vec::new(), body: String::new() },
    ));
    let faulty = client.send(chat, &Outgoing::text("4")).await.unwrap_err();
    assert_eq!(faulty.outcome(), FailureAction::Unknown, "the message may have been sent");
    simulator.state.block(ANNA).unwrap();
    let stopped = client.send(chat, &Outgoing::text("5")).await.unwrap_err();
    assert_eq!(
        (stopped.refusal(), stopped.outcome()),
        (Some(RefusalKind::Unreachable), FailureAction::GiveUp)
    );
}
