//! Other people's clients as judges: `frankenstein` for Telegram, `maxoxide` for MAX. What we send must be what they would send,
//! and the updates that the simulators deliver must mean the same to them. They are never part of an executable.

use chrono::TimeDelta;
use flysk_clients::http::HttpOptions;
use flysk_clients::messenger::{Bot, Config};
use flysk_clients::{max as max_client, telegram as telegram_client};
use flysk_domain::flysense::activation::message::{Contact, ContactFault, Keyboard, Outgoing, Said};
use flysk_domain::flysense::activation::phone::Phone;
use flysk_simulators::bot::Person;
use flysk_simulators::{Control, Running, max, telegram};
use frankenstein::methods::{SendMessageParams, SetWebhookParams};
use frankenstein::updates::{Update, UpdateContent};
use maxoxide::types::{
    Attachment, Button, KeyboardPayload, NewMessageBody, SubscribeBody, SubscriptionList, Update as MaxUpdate,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::hook::Receiver;

const ANNA: i64 = 777;
const TELEGRAM_TOKEN: &str = "123456:AAF-simulated_token";
const MAX_TOKEN: &str = "simulated-max-token";
const ORIGIN: &str = "https://bots.example.test";
const SECRET: &str = "s-e_cret";

fn anna() -> Person {
    Person { id: ANNA, name: "Анна".to_owned(), phone: "79161234567".to_owned() }
}

fn config(url: &str, token: &str) -> Config {
    Config { base_url: url.parse().unwrap(), token: token.into(), http: HttpOptions::default(), proxy: None }
}

/// A message with each of our keyboards.
fn messages() -> Vec<Outgoing> {
    let with = |keyboard| Outgoing { text: "Привет <b> & *всем*".to_owned(), keyboard };
    vec![
        with(Keyboard::Unchanged),
        with(Keyboard::Removed),
        with(Keyboard::RequestContact("Отправить номер".to_owned())),
        with(Keyboard::Texts(vec!["Выключить: итоги недели".to_owned(), "Включить: всё".to_owned()])),
        with(Keyboard::Link {
            label: "Оплатить счёт".to_owned(), url: format!("{ORIGIN}/pay/1/2")
        }),
    ]
}

async fn started<B: Bot>(bot: &B, path: &str) {
    let url = format!("{ORIGIN}{path}").parse().unwrap();
    assert!(bot.ensure_webhook(&url, &SECRET.into(), false).await.unwrap().was_repaired);
}

/// Bodies of a call, as the simulator received them.
fn bodies<S>(simulator: &Running<S>, path: &str) -> Vec<Value> {
    let calls = simulator.control.calls_to("POST", path);
    calls.iter().map(|call| serde_json::from_str(&call.body).unwrap()).collect()
}

/// Nothing is lost or changed when the judge reads the body and writes it again.
fn judged<T: DeserializeOwned + Serialize>(body: &Value) -> T {
    let read: T = serde_json::from_value(body.clone()).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(&serde_json::to_value(&read).unwrap(), body);
    read
}

#[tokio::test]
async fn telegrams_judge_sends_and_reads_what_we_do() {
    let options = telegram::Options {
        bind: None,
        token: TELEGRAM_TOKEN.to_owned(),
        username: "flysense_bot".to_owned(),
    };
    let simulator = telegram::start(options, Control::default()).await.unwrap();
    let receiver = Receiver::start().await;
    simulator.state.route(ORIGIN, &receiver.url);
    simulator.state.add_person(anna());
    let client = telegram_client::Telegram::new(&config(&simulator.url, TELEGRAM_TOKEN)).unwrap();
    started(&client, "/hooks/telegram").await;
    let path = |method: &str| format!("/bot{TELEGRAM_TOKEN}/{method}");
    let webhook: SetWebhookParams = judged(&bodies(&simulator, &path("setWebhook"))[0]);
    assert_eq!(webhook.secret_token.as_deref(), Some(SECRET));

    simulator.state.write(ANNA, "/start k3Jd0_x-").unwrap();
    receiver.wait_for(1).await;
    for message in messages() {
        client.send(ANNA, &message).await.unwrap();
        simulator.control.clock().advance(TimeDelta::seconds(1));
    }
    let posted = bodies(&simulator, &path("sendMessage"));
    for (body, message) in posted.iter().zip(messages()) {
        let read: SendMessageParams = judged(body);
        assert_eq!((read.text, read.parse_mode), (message.text, None), "names are never markup");
    }
    assert_eq!(posted.len(), messages().len());

    simulator.state.send_card(ANNA, &telegram::Card::Own).unwrap();
    let updates = receiver.wait_for(2).await;
    let texts: Vec<Update> =
        updates.iter().map(|one| serde_json::from_value(one.body.clone()).unwrap()).collect();
    let [UpdateContent::Message(start), UpdateContent::Message(card)] =
        [&texts[0].content, &texts[1].content]
    else {
        panic!("{texts:?}");
    };
    assert_eq!((start.chat.id, start.text.as_deref()), (ANNA, Some("/start k3Jd0_x-")));
    let contact = card.contact.as_ref().unwrap();
    assert_eq!(contact.user_id, card.from.as_ref().map(|from| from.id));
    let ours = client.parse_update(updates[1].body.to_string().as_bytes()).unwrap().message.unwrap();
    assert_eq!(ours.said, Said::Contact(Contact::Own(Phone::parse(&contact.phone_number).unwrap())));
}

/// MAX with a webhook that our client has set.
async fn subscribed_max() -> (Running<max::Max>, max_client::Max, Receiver) {
    let options = max::Options { bind: None, token: MAX_TOKEN.to_owned(), username: "id7700_bot".to_owned() };
    let simulator = max::start(options, Control::default()).await.unwrap();
    let receiver = Receiver::start().await;
    simulator.state.route(ORIGIN, &receiver.url);
    simulator.state.add_person(anna());
    let client = max_client::Max::new(&config(&simulator.url, MAX_TOKEN)).unwrap();
    started(&client, "/hooks/max").await;
    (simulator, client, receiver)
}

/// What the judge would send for a message.
fn judges_body(message: Outgoing) -> Value {
    let body = NewMessageBody::text(message.text);
    let rows: Vec<Vec<Button>> = match message.keyboard {
        Keyboard::Unchanged | Keyboard::Removed | Keyboard::SealedLink { .. } => Vec::new(),
        Keyboard::RequestContact(label) => vec![vec![Button::request_contact(label)]],
        Keyboard::Texts(labels) => labels.into_iter().map(|label| vec![Button::message(label)]).collect(),
        Keyboard::Link { label, url } => vec![vec![Button::link(label, url)]],
    };
    let body = if rows.is_empty() { body } else { body.with_keyboard(KeyboardPayload { buttons: rows }) };
    serde_json::to_value(body).unwrap()
}

#[tokio::test]
async fn maxs_judge_sends_what_we_do() {
    let (simulator, client, receiver) = subscribed_max().await;
    let theirs = SubscribeBody {
        url: format!("{ORIGIN}/hooks/max"),
        update_types: Some(["bot_started", "message_created", "bot_stopped"].map(str::to_owned).into()),
        version: None,
        secret: Some(SECRET.to_owned()),
    };
    assert_eq!(bodies(&simulator, "/subscriptions"), [serde_json::to_value(theirs).unwrap()]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let listed = http.get(format!("{}/subscriptions", simulator.url)).header("Authorization", MAX_TOKEN);
    let listed: SubscriptionList = listed.send().await.unwrap().json().await.unwrap();
    assert_eq!(listed.subscriptions.len(), 1);

    simulator.state.start(ANNA, Some("k3Jd0_x-")).unwrap();
    let begun = receiver.wait_for(1).await;
    let MaxUpdate::BotStarted { chat_id, user, payload, .. } =
        serde_json::from_value(begun[0].body.clone()).unwrap()
    else {
        panic!("{begun:?}");
    };
    assert_eq!((user.user_id, payload.as_deref()), (ANNA, Some("k3Jd0_x-")));
    for message in messages() {
        client.send(chat_id, &message).await.unwrap();
        simulator.control.clock().advance(TimeDelta::seconds(1));
    }
    let theirs: Vec<Value> = messages().into_iter().map(judges_body).collect();
    assert_eq!(bodies(&simulator, "/messages"), theirs);
}

#[tokio::test]
async fn maxs_judge_agrees_about_the_signature_of_every_contact() {
    let (simulator, client, receiver) = subscribed_max().await;
    simulator.state.start(ANNA, None).unwrap();
    receiver.wait_for(1).await;
    client.send(simulator.state.chat_id(ANNA).unwrap(), &messages()[2]).await.unwrap();
    simulator.state.share_contact(ANNA).unwrap();
    let boris = || Person { id: 778, name: "Борис".to_owned(), phone: "79160000000".to_owned() };
    let cards = [
        max::Card::Shared(boris()),
        max::Card::MadeUpHash(boris()),
        max::Card::ChangedNumber("79990000000".to_owned()),
        max::Card::Stolen(boris()),
    ];
    for card in &cards {
        simulator.state.send_card(ANNA, card).unwrap();
    }
    let updates = receiver.wait_for(2 + cards.len()).await;
    let unproven = || Contact::Unproven(ContactFault::NoProof);
    let expected = [
        (true, Contact::Own(Phone::parse("79161234567").unwrap())),
        (false, unproven()),
        (false, unproven()),
        (false, unproven()),
        // The signature is valid, but it is another person's: only the sender tells.
        (true, Contact::Unproven(ContactFault::OtherPerson)),
    ];
    for (update, (is_signed, contact)) in updates[1..].iter().zip(expected) {
        let MaxUpdate::MessageCreated { message, .. } = serde_json::from_value(update.body.clone()).unwrap()
        else {
            panic!("{update:?}");
        };
        let attachments = message.body.attachments.unwrap();
        let [Attachment::Contact { payload }] = attachments.as_slice() else { panic!("{attachments:?}") };
        assert_eq!(payload.validate_hash(MAX_TOKEN), is_signed, "{payload:?}");
        assert!(!payload.validate_hash("another token"));
        let ours = client.parse_update(update.body.to_string().as_bytes()).unwrap().message.unwrap().said;
        assert_eq!(ours, Said::Contact(contact));
    }
}
