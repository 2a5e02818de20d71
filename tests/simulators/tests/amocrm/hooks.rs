//! The simulated amoCRM's webhooks: subscriptions, deliveries, retries, disabling.

use std::time::Duration;

use crate::amo::{ACCOUNT, ADMIN, Amo, MANAGER};
use flysk_simulators::amocrm::{Behaviour, Direction, EntityType, NewCall, Plan};
use flysk_simulators::{Act, Control, Running, Script, vendor};
use serde_json::{Value, json};

const HOOK: &str = "https://hooks.example.com/amo/v1/i7f3?sig=ab12";

/// amoCRM with a subscription to call notes of leads, and a receiver.
async fn subscribed() -> (Amo, Running<vendor::Vendor>, String) {
    let amo = Amo::start().await;
    let receiver = vendor::start(None, None, Control::default()).await.unwrap();
    amo.sim.state.route("https://hooks.example.com", &receiver.url);
    let (token, _) = amo.connect(ADMIN).await;
    let body = json!({"destination": HOOK, "settings": ["note_lead"], "sort": 10});
    assert_eq!(amo.api(&token, "POST", "/webhooks", Some(body)).await.0, 201);
    (amo, receiver, token)
}

fn answers(receiver: &Running<vendor::Vendor>, status: u16) {
    let act = Act::Answer { status, headers: vec![], body: String::new() };
    receiver.control.script(Script::next("/*", act).times(u32::MAX));
}

fn ring(amo: &Amo) -> u64 {
    let call = NewCall {
        account: ACCOUNT,
        entity_type: EntityType::Leads,
        entity_id: 700_001,
        link: Some("https://pbx.example.com/r/1.mp3".into()),
        link_after_ms: None,
        duration: 63,
        duration_as_text: false,
        direction: Direction::Inbound,
        phone: "+70000000000".into(),
        uniq: Some("call-1".into()),
        source: "example_pbx".into(),
        user: None,
        silently: false,
    };
    amo.sim.state.call(call).unwrap()
}

/// Waits until `count` deliveries have completed; returns their statuses.
async fn delivered(amo: &Amo, count: usize) -> Vec<u16> {
    for _ in 0..12_000 {
        let deliveries = amo.sim.state.deliveries();
        if deliveries.len() >= count {
            return deliveries.iter().map(|delivery| delivery.status).collect();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} deliveries were expected, there are {:?}", amo.sim.state.deliveries());
}

/// Checks that no further delivery happens within a short time.
async fn quiet_at(amo: &Amo, count: usize) {
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(amo.sim.state.deliveries().len(), count);
}

#[tokio::test]
async fn a_subscription_is_updated_with_what_is_given() {
    let (amo, _receiver, token) = subscribed().await;
    for (sort, kept) in [(json!({"sort": 20}), 20), (json!({}), 20)] {
        let mut body = json!({"destination": HOOK, "settings": ["note_contact"]});
        body.as_object_mut().unwrap().extend(sort.as_object().cloned().unwrap());
        let (_, hook) = amo.api(&token, "POST", "/webhooks", Some(body)).await;
        assert_eq!((&hook["sort"], &hook["settings"]), (&json!(kept), &json!(["note_contact"])), "{hook}");
    }
}

#[tokio::test]
async fn a_call_arrives_as_a_php_form_with_encoded_brackets() {
    let (amo, receiver, _) = subscribed().await;
    answers(&receiver, 200);
    let id = ring(&amo);
    assert_eq!(delivered(&amo, 1).await, [200]);
    let call = receiver.control.calls().remove(0);
    assert_eq!((call.method.as_str(), call.query.as_str()), ("POST", "sig=ab12"));
    assert_eq!(call.header("user-agent"), Some("amoCRM-Webhooks/3.0"));
    assert_eq!(call.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(call.header("x-amocrm-requestid").is_some());
    assert!(call.body.contains("account%5Bid%5D=12345678") && !call.body.contains('['));
    let form: std::collections::HashMap<String, String> =
        url::form_urlencoded::parse(call.body.as_bytes()).into_owned().collect();
    let field = |name: &str| form[&format!("leads[note][0][note][{name}]")].as_str();
    assert_eq!(field("id"), id.to_string());
    assert_eq!((field("note_type"), field("element_type"), field("element_id")), ("10", "2", "700001"));
    let text: Value = serde_json::from_str(field("text")).unwrap();
    let known = json!({"UNIQ": "call-1", "LINK": "https://pbx.example.com/r/1.mp3", "PHONE": "+70000000000",
                       "DURATION": 63, "SRC": "example_pbx"});
    assert_eq!(text, known);
}

#[tokio::test]
async fn a_server_error_is_retried_after_5_15_15_and_60_minutes() {
    let (amo, receiver, _) = subscribed().await;
    answers(&receiver, 500);
    ring(&amo);
    delivered(&amo, 1).await;
    for (attempt, minutes) in [(2, 5), (3, 15), (4, 15), (5, 60)] {
        amo.sim.control.clock().advance(chrono::Duration::seconds(minutes * 60 - 30));
        quiet_at(&amo, attempt - 1).await;
        amo.sim.control.clock().advance(chrono::Duration::seconds(30));
        delivered(&amo, attempt).await;
    }
    amo.sim.control.clock().advance(chrono::Duration::hours(3));
    quiet_at(&amo, 5).await;
}

#[tokio::test]
async fn client_errors_and_redirects_are_retried_twice() {
    for status in [404, 302] {
        let (amo, receiver, _) = subscribed().await;
        amo.sim.state.set_behaviour(Behaviour { retry_time_factor: 0.0001, ..Behaviour::default() });
        answers(&receiver, status);
        ring(&amo);
        assert_eq!(delivered(&amo, 3).await, [status; 3]);
        quiet_at(&amo, 3).await;
    }
}

#[tokio::test]
async fn a_delivery_fails_after_two_seconds_without_a_response() {
    let (amo, receiver, _) = subscribed().await;
    amo.sim.state.set_behaviour(Behaviour { hook_timeout_status: 499, ..Behaviour::default() });
    receiver.control.script(Script::next("/*", Act::Hang));
    let began = std::time::Instant::now();
    ring(&amo);
    assert_eq!(delivered(&amo, 1).await, [499]);
    assert!(began.elapsed() >= Duration::from_millis(1_900));
}

#[tokio::test]
async fn more_than_100_invalid_responses_in_two_hours_disable_a_hook() {
    let (amo, receiver, token) = subscribed().await;
    answers(&receiver, 500);
    for _ in 0..100 {
        ring(&amo);
    }
    delivered(&amo, 100).await;
    assert!(!amo.sim.state.hooks(ACCOUNT)[0].disabled);
    ring(&amo);
    delivered(&amo, 101).await;
    let (_, list) = amo
        .api(
            &token,
            "GET",
            "/webhooks?filter[destination]=https%3A%2F%2Fhooks.example.com%2Famo%2Fv1%2Fi7f3%3Fsig%3Dab12",
            None,
        )
        .await;
    assert_eq!(list["_embedded"]["webhooks"][0]["disabled"], true);
    ring(&amo);
    amo.sim.control.clock().advance(chrono::Duration::minutes(6));
    quiet_at(&amo, 101).await;
    amo.sim.state.enable_hook(ACCOUNT, HOOK).unwrap();
    ring(&amo);
    delivered(&amo, 102).await;
}

#[tokio::test]
async fn old_invalid_responses_do_not_count() {
    let (amo, receiver, _) = subscribed().await;
    answers(&receiver, 404);
    amo.sim.state.set_behaviour(Behaviour { retry_time_factor: 1000.0, ..Behaviour::default() });
    for _ in 0..60 {
        ring(&amo);
    }
    delivered(&amo, 60).await;
    amo.sim.control.clock().advance(chrono::Duration::minutes(121));
    for _ in 0..60 {
        ring(&amo);
    }
    delivered(&amo, 120).await;
    assert!(!amo.sim.state.hooks(ACCOUNT)[0].disabled);
}

#[tokio::test]
async fn subscriptions_are_keyed_by_destination_and_for_administrators() {
    let (amo, _receiver, token) = subscribed().await;
    let post = |body: Value| amo.api(&token, "POST", "/webhooks", Some(body));
    let again = json!({"destination": HOOK, "settings": ["note_lead", "note_contact"]});
    assert_eq!(post(again).await.0, 201);
    let hooks = amo.sim.state.hooks(ACCOUNT);
    assert_eq!((hooks.len(), hooks[0].settings.len()), (1, 2));
    let (status, problem) = post(json!({"destination": HOOK, "settings": ["note_leads"]})).await;
    assert_eq!((status, &problem["validation-errors"][0]["errors"][0]["path"]), (400, &json!("settings.0")));
    assert_eq!(post(json!({"destination": HOOK, "settings": ["note_lead"], "setings": []})).await.0, 400);

    amo.next_second();
    let (managers, _) = amo.connect(MANAGER).await;
    assert_eq!(amo.api(&managers, "GET", "/webhooks", None).await.0, 403);
    let gone = json!({"destination": HOOK});
    assert_eq!(amo.api(&token, "DELETE", "/webhooks", Some(gone.clone())).await.0, 204);
    assert_eq!(amo.api(&token, "DELETE", "/webhooks", Some(gone.clone())).await.0, 404);
    amo.sim.state.change_account(ACCOUNT, |account| account.plan = Plan::Basic).unwrap();
    let body = json!({"destination": HOOK, "settings": ["note_lead"]});
    assert_eq!(amo.api(&token, "POST", "/webhooks", Some(body)).await.0, 403);
}

#[tokio::test]
async fn the_101st_hook_is_rejected() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    let mut last = (0, Value::Null);
    for index in 0..101 {
        amo.next_second();
        let destination = format!("https://hooks.example.com/{index}");
        let body = json!({"destination": destination, "settings": ["note_lead"]});
        last = amo.api(&token, "POST", "/webhooks", Some(body)).await;
        assert_eq!(last.0, if index < 100 { 201 } else { 400 }, "hook {index}");
    }
    assert_eq!(last.1["validation-errors"][0]["errors"][0]["path"], "destination");
    assert_eq!(amo.sim.state.hooks(ACCOUNT).len(), 100);
}

#[tokio::test]
async fn several_notes_may_be_sent_in_one_request() {
    let (amo, receiver, _) = subscribed().await;
    answers(&receiver, 204);
    let notes = [ring(&amo), ring(&amo)];
    delivered(&amo, 2).await;
    amo.sim.state.fire_again(ACCOUNT, &notes).unwrap();
    delivered(&amo, 3).await;
    let both = receiver.control.calls().pop().unwrap().body;
    assert!(both.contains("leads%5Bnote%5D%5B0%5D") && both.contains("leads%5Bnote%5D%5B1%5D"));
}

#[tokio::test]
async fn a_lost_webhook_is_noted_and_never_sent() {
    let (amo, receiver, _) = subscribed().await;
    answers(&receiver, 204);
    amo.sim.state.lose_webhooks(1);
    ring(&amo);
    assert_eq!(amo.sim.state.webhook_losses(), 0);
    ring(&amo);
    delivered(&amo, 2).await;
    let told = amo.sim.state.deliveries();
    let told: Vec<_> = told.iter().map(|one| (one.account_id, one.status, one.lost)).collect();
    assert_eq!(told, [(ACCOUNT, 0, true), (ACCOUNT, 204, false)]);
    amo.sim.control.clock().advance(chrono::Duration::hours(3));
    quiet_at(&amo, 2).await;
    assert_eq!(receiver.control.calls().len(), 1, "amoCRM does not repeat what it believes to be sent");
}
