//! Streaming of recordings to the player.

use anyhow::Context as _;
use chrono::TimeDelta;
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_simulators::{Act, Script};
use flysk_store::Pool;
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID, Client, Environment, LEAD, RECORDINGS};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::authentication::{OTHER_ACCOUNT, add_other_account};
use crate::harness::TestApp;
use crate::start_env;

const FILE: &str = "sales-mono-8k.mp3";

fn recording() -> anyhow::Result<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS);
    Ok(std::fs::read(folder.join(FILE))?)
}

/// A transcription whose recording is at `link`.
async fn call(env: &Environment, client: &Client, link: String) -> anyhow::Result<String> {
    let note = env.simulators.call_arrives(Some(link), 42)?;
    client.transcribe(note).await
}

async fn play(env: &Environment, client: &Client, id: &str, range: Option<&str>) -> anyhow::Result<Response> {
    let url = format!("{}/v1/flysense/transcriptions/{id}/audio", env.api_url);
    let mut request = reqwest::Client::builder().build()?.get(url).header("X-Auth-Token", client.token()?);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    Ok(request.send().await?)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The whole recording or a part of it, from hosts with and without range support; nothing is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_can_be_played_from_any_position() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let (url, bytes) = (env.simulators.recording_url(FILE), recording()?);
    let id = call(&env, &client, url.clone()).await?;
    let whole = play(&env, &client, &id, None).await?;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!((header(&whole, "content-type"), header(&whole, "accept-ranges")), ("audio/mpeg", "bytes"));
    assert_eq!(header(&whole, "cache-control"), "private, no-store");
    assert!(whole.bytes().await? == bytes, "not the recording");

    let part = play(&env, &client, &id, Some("bytes=1000-1999")).await?;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&part, "content-range"), format!("bytes 1000-1999/{}", bytes.len()));
    assert_eq!(part.bytes().await?, bytes.get(1000..2000).context("long enough")?);
    let beyond = play(&env, &client, &id, Some("bytes=99999999-")).await?;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let id = call(&env, &client, format!("{url}?no_range=true&redirects=2")).await?;
    let plain = play(&env, &client, &id, Some("bytes=1000-1999")).await?;
    assert_eq!(plain.status(), StatusCode::OK, "{}", env.logs());
    assert!(plain.bytes().await? == bytes, "not the recording");
    Ok(())
}

/// Links to local addresses, login pages, hosts that disconnect, other users: each gets a reason, and none gets
/// the file.
#[tokio::test(flavor = "multi_thread")]
async fn invalid_and_foreign_recordings_are_not_played() -> anyhow::Result<()> {
    let env = start_env().await?;
    add_other_account(&env)?;
    let client = env.client()?;
    let url = env.simulators.recording_url(FILE);
    for (link, status, code) in [
        ("http://169.254.169.254/latest/meta-data/".to_owned(), 502, "recording_unavailable"),
        (format!("{url}?redirect_to=http%3A%2F%2F10.0.0.1%2Fcall.mp3"), 502, "recording_unavailable"),
        (format!("{url}?html=true"), 502, "recording_unavailable"),
        (env.simulators.recording_url("no-such-file.mp3"), 404, "not_found"),
    ] {
        let id = call(&env, &client, link.clone()).await?;
        let answer = play(&env, &client, &id, None).await?;
        assert_eq!(answer.status().as_u16(), status, "{link}");
        assert_eq!(answer.json::<Value>().await?["code"], code, "{link}");
    }
    let id = call(&env, &client, format!("{url}?cut_at=20000")).await?;
    let broken = play(&env, &client, &id, None).await?;
    assert!(broken.bytes().await.is_err(), "a truncated recording looks complete");

    let url = format!("{}/v1/flysense/transcriptions/{id}/audio", env.api_url);
    let bare = reqwest::Client::builder().build()?.get(url).send().await?;
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    env.simulators.amocrm.state.install(flysk_suite::environment::CLIENT_ID, OTHER_ACCOUNT, None).await?;
    env.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_state = 'subscribed'", 2).await?;
    let neighbour = client.acting_as(OTHER_ACCOUNT, 901);
    assert_eq!(play(&env, &neighbour, &id, None).await?.status(), StatusCode::NOT_FOUND);
    Ok(())
}

/// Responses labeled `text/html` by a script, gzipped, behind a login, or with handwritten headers: the first
/// bytes identify the recording, even for a range from its middle, and no browser treats it as a page.
#[tokio::test(flavor = "multi_thread")]
async fn every_transcribable_recording_can_be_played() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let (url, bytes) = (env.simulators.recording_url(FILE), recording()?);
    let raw = format!("{}/{FILE}", env.simulators.recordings.state.raw_url());
    for link in [
        format!("{url}?content_type=text%2Fhtml"),
        format!("{url}?content_type=application%2Fjson"),
        format!("{raw}?untyped"),
        format!("{raw}?spaced"),
        format!("{url}?gzip=true&content_type=text%2Fhtml"),
        format!("{url}?cookie=true"),
        format!("{url}?login=crm%3As3cret").replace("http://", "http://crm:s3cret@"),
    ] {
        let id = call(&env, &client, link.clone()).await?;
        let whole = play(&env, &client, &id, None).await?;
        assert_eq!(whole.status(), StatusCode::OK, "{link}");
        assert_eq!(header(&whole, "content-type"), "audio/mpeg", "{link}");
        assert_eq!(header(&whole, "x-content-type-options"), "nosniff", "{link}");
        assert!(whole.bytes().await? == bytes, "{link}: not the recording");
    }
    // The middle is requested first: its type is that of the beginning.
    let id = call(&env, &client, format!("{url}?content_type=text%2Fhtml%3B%20charset%3Dutf-8")).await?;
    let part = play(&env, &client, &id, Some("bytes=1000-1999")).await?;
    assert_eq!((part.status(), header(&part, "content-type")), (StatusCode::PARTIAL_CONTENT, "audio/mpeg"));
    assert_eq!(part.bytes().await?, bytes.get(1000..2000).context("long enough")?);
    // A page remains a page, whichever part of it is requested.
    let id = call(&env, &client, env.simulators.recording_url("bad-html-login.mp3?content_type=text%2Fhtml"))
        .await?;
    for range in [None, Some("bytes=0-99"), Some("bytes=20-99")] {
        let page = play(&env, &client, &id, range).await?;
        assert_eq!(page.status(), StatusCode::BAD_GATEWAY, "{range:?}");
    }
    Ok(())
}

/// amoCRM refuses a token that looks valid. The platform is told, and the note is read with another one for the same listener.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refused_token_is_replaced_while_the_listener_waits(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let note = app.call_without_link();
    let shape = WidgetTokenShape::default();
    let token = || app.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &shape).unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    let url = format!("{}/v1/flysense/transcriptions", app.api_url);
    let body = json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD });
    let asked = http.post(&url).header("X-Auth-Token", token()).json(&body).send().await.unwrap();
    let call: Value = asked.json().await.unwrap();
    let id = call["id"].as_str().unwrap();
    // The token is not among the youngest, which are not renewed.
    app.advance(TimeDelta::minutes(11));
    app.amocrm.control.clear_calls();
    let path = format!("/api/v4/leads/notes/{note}");
    let refused = Act::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
        body: r#"{"title":"Unauthorized","status":401}"#.to_owned(),
    };
    app.amocrm.control.script(Script::next(path.as_str(), refused));
    let played = http.get(format!("{url}/{id}/audio")).header("X-Auth-Token", token()).send().await.unwrap();
    assert_eq!(played.status(), StatusCode::NOT_FOUND, "the note was read: it has no link");
    assert_eq!(app.asked("POST", "/oauth2/access_token"), 1);
    let calls = app.amocrm.control.calls_to("GET", &path);
    let bearers: Vec<Option<&str>> = calls.iter().map(|call| call.header("authorization")).collect();
    assert_eq!(bearers.len(), 2);
    assert_ne!(bearers[0], bearers[1]);
}
