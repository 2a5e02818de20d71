//! Common features of all simulators: log, scripts and clock over HTTP, stopping. Tested with the vendor's
//! backend.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::time::Duration;

use flysk_simulators::{Control, Running, amocrm, recordings, tbank, vendor, yandexgpt};
use serde_json::{Value, json};

async fn backend() -> (Running<vendor::Vendor>, reqwest::Client) {
    let sim = vendor::start(None, Some("a-project-token".into()), Control::default()).await.unwrap();
    (sim, reqwest::Client::builder().no_proxy().build().unwrap())
}

#[tokio::test]
async fn events_are_accepted_with_the_project_token_only() {
    let (sim, http) = backend().await;
    let event = json!({"type": "install", "account_id": 1});
    let post = |token: &str| {
        http.post(format!("{}/events/install", sim.url)).header("x-project-token", token).json(&event)
    };
    assert_eq!(post("wrong").send().await.unwrap().status(), 401);
    assert_eq!(post("a-project-token").send().await.unwrap().status(), 204);
    let received = sim.state.received();
    assert_eq!(
        (received.len(), received[0].path.as_str(), &received[0].body),
        (1, "/events/install", &event)
    );

    let log: Value = http.get(format!("{}/_sim/log", sim.url)).send().await.unwrap().json().await.unwrap();
    let statuses: Vec<_> = log.as_array().unwrap().iter().map(|call| call["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(401), Some(204)]);
}

#[tokio::test]
async fn a_failure_is_scripted_over_http() {
    let (sim, http) = backend().await;
    let script = async |script: Value| {
        let status =
            http.post(format!("{}/_sim/scripts", sim.url)).json(&script).send().await.unwrap().status();
        status.as_u16()
    };
    let answer = json!({"do": "answer", "status": 503, "headers": [["retry-after", "7"]]});
    assert_eq!(script(json!({"path": "/e*", "act": answer})).await, 204);
    assert_eq!(script(json!({"path": "/e*", "act": {"do": "explode"}})).await, 400);
    let post = || {
        http.post(format!("{}/events", sim.url)).header("x-project-token", "a-project-token").json(&json!({}))
    };
    let first = post().send().await.unwrap();
    assert_eq!((first.status().as_u16(), &first.headers()["retry-after"]), (503, &"7".parse().unwrap()));
    assert_eq!(post().send().await.unwrap().status(), 204);

    assert_eq!(script(json!({"path": "/e*", "act": {"do": "cut"}})).await, 204);
    assert!(post().send().await.is_err());
    assert_eq!(sim.state.received().len(), 1);
    assert_eq!(script(json!({"path": "/e*", "act": {"do": "serve_then_hang"}})).await, 204);
    assert!(post().timeout(Duration::from_secs(3)).send().await.unwrap_err().is_timeout());
    assert_eq!(sim.state.received().len(), 2, "it was done, only the answer hangs");
}

#[tokio::test]
async fn the_clock_is_set_over_http() {
    let (sim, http) = backend().await;
    let url = format!("{}/_sim/clock", sim.url);
    let set = http.put(&url).json(&json!({"now": "2030-01-01T00:00:00Z"})).send().await.unwrap();
    assert_eq!(set.status(), 200);
    let time: Value =
        http.put(&url).json(&json!({"advance_ms": 3_600_000})).send().await.unwrap().json().await.unwrap();
    assert!(time["now"].as_str().unwrap().starts_with("2030-01-01T01:00:"));
}

/// What the page of each simulator says can be done.
#[tokio::test]
async fn every_simulator_has_a_page_of_what_it_can_do() {
    let control = Control::default;
    let (backend, http) = backend().await;
    let amocrm = amocrm::start(None, control()).await.unwrap();
    let bank = tbank::start(tbank::Options::default(), control()).await.unwrap();
    let model = yandexgpt::start(yandexgpt::Options { bind: None, credentials: Vec::new() }, control())
        .await
        .unwrap();
    let host = recordings::start(None, std::env::temp_dir(), control()).await.unwrap();
    for url in [&backend.url, &amocrm.url, &bank.url, &model.url, &host.url] {
        let page = http.get(format!("{url}/_sim/")).send().await.unwrap();
        assert_eq!(page.status(), 200, "{url}");
        let page = page.text().await.unwrap();
        let mut known = 0;
        for line in page.lines().filter(|line| line.contains("/_sim/")) {
            let mut words = line.split([' ', ',']).filter(|word| !word.is_empty());
            let Some(method) = words.next().and_then(|word| word.parse::<reqwest::Method>().ok()) else {
                continue;
            };
            for path in words.take_while(|word| word.starts_with("/_sim/")) {
                let answer = http.request(method.clone(), format!("{url}{path}")).send().await.unwrap();
                assert!(
                    ![404, 405].contains(&answer.status().as_u16()),
                    "{method} {path}: {}",
                    answer.status()
                );
                known += 1;
            }
        }
        assert!(known > 4, "{url}: {page}");
    }
}

#[tokio::test]
async fn a_dropped_simulator_stops_listening() {
    let (sim, http) = backend().await;
    let url = sim.url.clone();
    tokio::time::timeout(Duration::from_mins(1), sim.stop())
        .await
        .expect("an open connection does not keep it");
    assert!(http.get(format!("{url}/_sim/clock")).send().await.unwrap_err().is_connect());
}
