//! The account's pages for a browser: markup, widget files, tokens, sockets, and public addresses on one machine.

use std::time::Duration;

use flysk_simulators::amocrm::{Direction, EntityType, History, NewCall, PageOptions};
use serde_json::{Value, json};

use crate::amo::{ACCOUNT, ADMIN, Amo, CLIENT_ID, MANAGER, answer};

/// Host of the account as a browser on this machine names it.
fn local(amo: &Amo) -> String {
    format!("demo.amocrm.ru.localhost:{}", amo.sim.addr.port())
}

fn widget() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("i18n")).unwrap();
    let manifest = json!({
        "widget": {"name": "widget.name", "description": "widget.description", "version": "1.2.3", "support": {}},
        "locations": ["lcard-0", "settings"],
        "settings": {"flysense": {"name": "settings.flysense", "type": "custom"}},
    });
    std::fs::write(folder.path().join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(folder.path().join("i18n/ru.json"), r#"{"widget":{"name":"FlySense"}}"#).unwrap();
    std::fs::write(folder.path().join("script.js"), "define(['https://app.example.com/v1']);").unwrap();
    folder
}

fn history(count: u32) -> History {
    History {
        account: ACCOUNT,
        entity_type: EntityType::Leads,
        entity_id: 700_001,
        count,
        links: vec![Some("https://pbx.example.com/r/1.mp3".to_owned()), None],
        duration: 63,
        every_s: 600,
    }
}

async fn page(amo: &Amo, path: &str) -> Value {
    let (status, html) = answer(amo.request("GET", &local(amo), path)).await;
    assert_eq!(status, 200, "{html}");
    let html = html.as_str().unwrap().to_owned();
    let data = html.split_once("id=\"page\">").unwrap().1.split_once("</script>").unwrap().0;
    serde_json::from_str(data).unwrap()
}

#[tokio::test]
async fn a_page_knows_its_user_and_the_widgets_of_the_account() {
    let amo = Amo::start().await;
    let folder = widget();
    amo.sim.state.serve_widget("flysense", folder.path().to_owned());
    let shown = page(&amo, "/leads/detail/700001").await;
    assert_eq!((&shown["user"]["id"], &shown["user"]["is_admin"]), (&json!(ADMIN), &json!(true)));
    let known = &shown["widgets"][0];
    assert_eq!((&known["version"], &known["status"]), (&json!("1.2.3"), &json!("install")));
    let shown = page(&amo, &format!("/settings/widgets?user={MANAGER}")).await;
    assert_eq!(shown["user"]["is_admin"], json!(false));
    let (status, _) = answer(amo.request("GET", &local(&amo), "/leads/detail/1?user=9")).await;
    assert_eq!(status, 401, "an unknown user has to log in");
}

#[tokio::test]
async fn a_token_costs_a_request_and_is_refused_while_the_widget_is_not_installed() {
    let amo = Amo::start().await;
    let path = format!("/ajax/v2/integrations/{CLIENT_ID}/disposable_token");
    assert_eq!(answer(amo.request("GET", &local(&amo), &path)).await.0, 403);
    amo.sim.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap();
    let (status, first) = answer(amo.request("GET", &local(&amo), &path)).await;
    let (_, second) = answer(amo.request("GET", &local(&amo), &path)).await;
    assert_eq!(status, 200, "{first}");
    assert_ne!(first["token"], second["token"], "each call gets a token of its own");
}

#[tokio::test]
async fn a_feed_is_loaded_in_pages_from_the_newest_and_names_calls_by_their_events() {
    let amo = Amo::start().await;
    let notes = amo.sim.state.history(&history(120)).unwrap();
    let load = async |before: &str| {
        let path = format!("/ajax/card/leads/700001?before={before}");
        answer(amo.request("GET", &local(&amo), &path)).await.1
    };
    let newest = load("").await;
    let records = newest["records"].as_array().unwrap();
    assert_eq!((records.len(), &newest["has_more"]), (50, &json!(true)));
    let last = records.last().unwrap();
    assert_eq!(last["note_id"], json!(notes.last()));
    let event = amo.sim.state.event_of_note(ACCOUNT, *notes.last().unwrap()).unwrap();
    assert_eq!((last["id"].as_str(), event.len()), (Some(event.as_str()), 26));
    assert_eq!((&records[0]["playable"], &records[1]["playable"]), (&json!(true), &json!(false)));
    let older = load(newest["oldest"].as_str().unwrap()).await;
    let oldest = load(older["oldest"].as_str().unwrap()).await;
    assert_eq!((oldest["records"].as_array().unwrap().len(), &oldest["has_more"]), (20, &json!(false)));
    let options = PageOptions { numeric_ids: true, ..PageOptions::default() };
    amo.sim.state.set_page_options(ACCOUNT, options).unwrap();
    assert_eq!(load("").await["records"][49]["id"], json!(notes.last().unwrap().to_string()));
}

#[tokio::test]
async fn an_event_leads_to_its_note_and_an_unknown_one_is_not_found() {
    let amo = Amo::start().await;
    let (token, _) = amo.connect(ADMIN).await;
    let notes = amo.sim.state.history(&history(1)).unwrap();
    let event = amo.sim.state.event_of_note(ACCOUNT, notes[0]).unwrap();
    let (status, found) = amo.api(&token, "GET", &format!("/events/{event}"), None).await;
    assert_eq!((status, &found["value_after"][0]["note"]["id"]), (200, &json!(notes[0])));
    assert_eq!((&found["entity_type"], &found["entity_id"]), (&json!("lead"), &json!(700_001)));
    assert_eq!(amo.api(&token, "GET", "/events/01drbfj5a8k9zd60bgg907a6w9", None).await.0, 404);
    assert_eq!(answer(amo.request("GET", "demo.amocrm.ru", &format!("/api/v4/events/{event}"))).await.0, 401);
}

#[tokio::test]
async fn an_open_card_is_told_of_a_new_call() {
    let amo = Amo::start().await;
    let mut socket = amo.request("GET", &local(&amo), "/ajax/socket").send().await.unwrap();
    assert_eq!(socket.chunk().await.unwrap().unwrap(), ": open\n\n");
    let note = amo
        .sim
        .state
        .call(NewCall {
            account: ACCOUNT,
            entity_type: EntityType::Leads,
            entity_id: 700_001,
            link: None,
            link_after_ms: None,
            duration: 63,
            duration_as_text: true,
            direction: Direction::Outbound,
            phone: "+70000000000".into(),
            uniq: None,
            source: "example_pbx".into(),
            user: None,
            silently: true,
        })
        .unwrap();
    let told = tokio::time::timeout(Duration::from_mins(2), socket.chunk()).await.unwrap();
    let text = String::from_utf8(told.unwrap().unwrap().to_vec()).unwrap();
    let message: Value = serde_json::from_str(text.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&message["channel"], &message["data"]["type"]), (&json!("leads:card:700001"), &json!("add")));
    let record = &message["data"]["record"];
    assert_eq!(
        (&record["note_id"], &record["incoming"], &record["duration"]),
        (&json!(note), &json!(false), &json!(63))
    );
}

#[tokio::test]
async fn public_addresses_are_reached_under_localhost_with_their_real_origin() {
    let amo = Amo::start().await;
    let folder = widget();
    amo.sim.state.serve_widget("flysense", folder.path().to_owned());
    // The backend is another simulator, which shows what it was sent.
    let backend = Amo::start().await;
    amo.sim.state.route("https://app.example.com", &backend.sim.url);
    let port = amo.sim.addr.port();
    let (_, script) = answer(amo.request("GET", &local(&amo), "/widgets/flysense/script.js?v=1")).await;
    let wanted = format!("define(['http://app.example.com.localhost:{port}/v1']);");
    assert_eq!(script, json!(wanted), "the widget calls its backend by the local name");
    let host = format!("app.example.com.localhost:{port}");
    let origin = format!("http://{}", local(&amo));
    let sent = amo.request("GET", &host, "/somewhere?x=1").header("origin", origin);
    assert_eq!(answer(sent).await.0, 404);
    let call = backend.sim.control.calls().into_iter().next_back().unwrap();
    assert_eq!(call.header("origin"), Some("https://demo.amocrm.ru"));
    assert_eq!(call.header("host"), Some("app.example.com"));
}
