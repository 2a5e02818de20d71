//! The simulated amoCRM's API: rights, limits, strict bodies, notes, calls, events.

use crate::amo::{ACCOUNT, ADMIN, Amo, MANAGER, answer};
use chrono::Duration;
use flysk_domain::Clock;
use flysk_simulators::amocrm::{Behaviour, Direction, Entity, EntityType, NewCall};
use serde_json::{Value, json};

fn call(link: Option<&str>) -> NewCall {
    NewCall {
        account: ACCOUNT,
        entity_type: EntityType::Leads,
        entity_id: 700_001,
        link: link.map(str::to_owned),
        link_after_ms: None,
        duration: 63,
        duration_as_text: false,
        direction: Direction::Inbound,
        phone: "+70000000000".into(),
        uniq: None,
        source: "example_pbx".into(),
        user: None,
        silently: false,
    }
}

#[tokio::test]
async fn the_eighth_request_in_a_second_gets_429() {
    let amo = Amo::start().await;
    amo.sim.control.clock().freeze();
    let (token, _) = amo.connect(ADMIN).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(amo.api(&token, "GET", "/account", None).await.0);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 429]);
    amo.next_second();
    assert_eq!(amo.api(&token, "GET", "/account", None).await.0, 200);
}

#[tokio::test]
async fn an_unknown_path_or_method_is_a_problem() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    for (method, path, wanted) in [("GET", "/nothing", 404), ("DELETE", "/account", 405)] {
        let (status, problem) = amo.api(&token, method, path, None).await;
        assert_eq!((status, &problem["status"]), (wanted, &json!(wanted)), "{method} {path}");
        assert_eq!(problem["type"], format!("https://httpstatus.es/{wanted}"));
    }
}

#[tokio::test]
async fn repeated_429_responses_block_the_account_with_an_html_page() {
    let amo = Amo::start().await;
    amo.sim.control.clock().freeze();
    amo.sim.state.set_behaviour(Behaviour {
        requests_per_s: 1,
        violations_until_block: 3,
        ..Behaviour::default()
    });
    let (token, pair) = amo.connect(ADMIN).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(amo.api(&token, "GET", "/account", None).await.0);
    }
    assert_eq!(statuses, [200, 429, 429, 403, 403]);
    let (status, page) = amo.token(&crate::amo::refresh(&pair)).await;
    assert_eq!(status, 403);
    assert!(page.as_str().unwrap().contains("nginx"));
}

#[tokio::test]
async fn an_unpaid_account_can_be_read_for_30_days() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    let now = amo.sim.control.clock().now();
    let lapse = |days| {
        let since = now - Duration::days(days);
        amo.sim.state.change_account(ACCOUNT, |account| account.unpaid_since = Some(since)).unwrap();
    };
    let note = json!([{"note_type": "common", "params": {"text": "x"}}]);
    lapse(29);
    assert_eq!(amo.api(&token, "GET", "/account", None).await.0, 200);
    assert_eq!(amo.api(&token, "POST", "/leads/700001/notes", Some(note)).await.0, 402);
    lapse(31);
    assert_eq!(amo.api(&token, "GET", "/account", None).await.0, 402);
}

#[tokio::test]
async fn a_disabled_user_gets_a_login_page_unless_an_administrator_granted() {
    let amo = Amo::start().await;
    let (managers, _) = amo.connect(MANAGER).await;
    let (admins, _) = amo.connect(ADMIN).await;
    let dismiss = |account: &mut flysk_simulators::amocrm::Account| {
        account.users.iter_mut().for_each(|user| user.is_active = false);
    };
    amo.sim.state.change_account(ACCOUNT, dismiss).unwrap();
    let (status, page) = amo.api(&managers, "GET", "/account", None).await;
    assert_eq!(status, 401);
    assert!(page.as_str().unwrap().contains("<html"));
    assert_eq!(amo.api(&admins, "GET", "/account", None).await.0, 200);
}

#[tokio::test]
async fn an_administrators_token_may_act_for_a_user() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    let get = |user: &str| {
        let request = amo.request("GET", "demo.amocrm.ru", "/api/v4/users").bearer_auth(&token);
        answer(request.header("x-context-user-id", user))
    };
    assert_eq!(get(&ADMIN.to_string()).await.0, 200);
    assert_eq!(get(&MANAGER.to_string()).await.0, 403);
    assert_eq!(get("999").await.0, 401);
}

#[tokio::test]
async fn an_expired_access_token_is_refused() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    amo.sim.control.clock().advance(Duration::hours(24));
    assert_eq!(amo.api(&token, "GET", "/account", None).await.0, 401);
    assert_eq!(amo.api("junk", "GET", "/account", None).await.0, 401);
}

#[tokio::test]
async fn bodies_are_validated_strictly() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    let complaint = async |item: Value| {
        amo.next_second();
        let (status, problem) = amo.api(&token, "POST", "/leads/700001/notes", Some(json!([item]))).await;
        assert_eq!(status, 400, "{problem}");
        assert_eq!(problem["title"], "Bad Request");
        let first = problem["validation-errors"][0].clone();
        let text = |name: &str| first["errors"][0][name].as_str().unwrap().to_owned();
        (first["request_id"].as_str().unwrap().to_owned(), text("code"), text("path"))
    };
    let said = |id: &str, code: &str, path: &str| (id.to_owned(), code.to_owned(), path.to_owned());
    let text = json!({"text": "x"});
    assert_eq!(
        complaint(json!({"note_type": "comon", "params": text, "request_id": "n1"})).await,
        said("n1", "NotSupportedChoice", "note_type")
    );
    assert_eq!(
        complaint(json!({"note_type": "common", "params": text, "parms": {}})).await,
        said("0", "NotSupportedChoice", "parms")
    );
    assert_eq!(
        complaint(json!({"note_type": "common", "params": {"text": 5}})).await,
        said("0", "InvalidType", "params.text")
    );
    assert_eq!(
        complaint(json!({"note_type": "service_message", "params": text})).await,
        said("0", "FieldMissing", "params.service")
    );
    let long = "я".repeat(20_001);
    assert_eq!(
        complaint(json!({"note_type": "common", "params": {"text": long}})).await,
        said("0", "TooLong", "params.text")
    );
    let plain = amo.request("POST", "demo.amocrm.ru", "/api/v4/leads/700001/notes").bearer_auth(&token);
    assert_eq!(answer(plain.header("content-type", "text/plain").body("[]")).await.0, 415);
    assert!(amo.sim.state.notes(ACCOUNT).is_empty());
}

#[tokio::test]
async fn notes_are_listed_filtered_and_paged() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    assert_eq!(amo.api(&token, "GET", "/leads/notes", None).await, (204, json!("")));
    let first = amo.sim.state.call(call(Some("https://pbx.example.com/1.mp3"))).unwrap();
    let second = amo.sim.state.call(call(None)).unwrap();
    let ids = |body: &Value| -> Vec<u64> {
        let notes = body["_embedded"]["notes"].as_array().unwrap();
        notes.iter().map(|note| note["id"].as_u64().unwrap()).collect()
    };
    let get = async |query: &str| {
        amo.next_second();
        amo.api(&token, "GET", query, None).await
    };
    let (_, all) = get("/leads/notes?filter[note_type][]=call_in&order[id]=desc").await;
    assert_eq!(ids(&all), [second, first]);
    let (_, page) = get("/leads/700001/notes?limit=1").await;
    assert_eq!(ids(&page), [first]);
    let next = page["_links"]["next"]["href"].as_str().unwrap();
    let (_, rest) = get(next.strip_prefix("https://demo.amocrm.ru/api/v4").unwrap()).await;
    assert_eq!(ids(&rest), [second]);
    assert!(rest["_links"].get("next").is_none());
    let (_, one) = get(&format!("/leads/notes/{first}")).await;
    assert_eq!(one["params"]["link"], "https://pbx.example.com/1.mp3");
    assert_eq!(get(&format!("/contacts/notes/{first}")).await.0, 404);
    assert_eq!(get(&format!("/leads/notes?filter[id][]={second}&filter[updated_at][from]=1")).await.0, 200);
    assert_eq!(get("/leads/notes?filter[ids][]=1").await.0, 400);
    assert_eq!(get("/leads/notes?limit=251").await.0, 400);
    let (_, events) = get("/events?filter[type][]=incoming_call&filter[entity]=lead&limit=100").await;
    assert_eq!(events["_embedded"]["events"][0]["value_after"][0]["note"]["id"], second);
    assert_eq!(get("/events?limit=101").await.0, 400);
}

#[tokio::test]
async fn note_params_are_replaced_or_merged() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    let id = amo.sim.state.call(call(None)).unwrap();
    let path = format!("/leads/700001/notes/{id}");
    let change = |params: Value| json!({"note_type": "call_in", "params": params});
    let whole = |link: &str| change(json!({"link": link, "duration": 1, "source": "pbx", "phone": "+7000"}));
    let params = || amo.sim.state.notes(ACCOUNT)[0].params.clone();
    amo.sim.state.set_behaviour(Behaviour { patch_merges_params: true, ..Behaviour::default() });
    assert_eq!(amo.api(&token, "PATCH", &path, Some(whole("https://a.example/1"))).await.0, 200);
    assert_eq!((&params()["link"], params().get("uniq").is_some()), (&json!("https://a.example/1"), true));
    amo.sim.state.set_behaviour(Behaviour::default());
    assert_eq!(amo.api(&token, "PATCH", &path, Some(whole("https://a.example/2"))).await.0, 200);
    assert_eq!((&params()["link"], params().get("uniq")), (&json!("https://a.example/2"), None));
    let part = change(json!({"link": "https://a.example/3"}));
    assert_eq!(amo.api(&token, "PATCH", &path, Some(part)).await.0, 400);
    let gone = format!("/leads/700001/notes/{}", id + 1);
    assert_eq!(amo.api(&token, "PATCH", &gone, Some(whole("x"))).await.0, 404);
}

#[tokio::test]
async fn a_link_may_appear_later() {
    let amo = Amo::start().await;
    let late = NewCall { link_after_ms: Some(60_000), ..call(Some("https://pbx.example.com/1.mp3")) };
    amo.sim.state.call(late).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(amo.sim.state.notes(ACCOUNT)[0].params["link"], Value::Null);
    amo.sim.control.clock().advance(Duration::seconds(61));
    for _ in 0..6_000 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if amo.sim.state.notes(ACCOUNT)[0].params["link"] == "https://pbx.example.com/1.mp3" {
            return;
        }
    }
    panic!("the link did not appear");
}

#[tokio::test]
async fn a_call_is_added_to_the_only_active_lead_or_else_to_the_contact() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    let entity = |entity_type, id, phones: &[&str], of: &[u64]| Entity {
        entity_type,
        id,
        phones: phones.iter().map(ToString::to_string).collect(),
        of: of.to_vec(),
        closed: false,
        responsible_user_id: ADMIN,
    };
    let add = |entity| amo.sim.state.add_entity(ACCOUNT, entity).unwrap();
    let tell = async |phone: &str| {
        amo.next_second();
        let item = json!({"direction": "inbound", "duration": 5, "source": "pbx", "phone": phone});
        let (status, body) = amo.api(&token, "POST", "/calls", Some(json!([item]))).await;
        assert_eq!(status, 200, "{body}");
        body["_embedded"]["calls"][0]["entity_type"].as_str().map(str::to_owned)
    };
    add(entity(EntityType::Contacts, 1, &["+7 (000) 111-22-33"], &[]));
    assert_eq!(tell("80001112233").await.as_deref(), Some("contact"));
    add(entity(EntityType::Leads, 2, &[], &[1]));
    assert_eq!(tell("+70001112233").await.as_deref(), Some("lead"));
    add(entity(EntityType::Leads, 3, &[], &[1]));
    assert_eq!(tell("+70001112233").await.as_deref(), Some("contact"));
    assert_eq!(tell("+79990000000").await, None, "strangers are not added");
    let item = json!({"direction": "in", "duration": 5, "source": "pbx", "phone": "1"});
    assert_eq!(amo.api(&token, "POST", "/calls", Some(json!([item]))).await.0, 400);
}
