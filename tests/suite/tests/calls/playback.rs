//! Audio for the player: whatever the format and the host, browsers can play and seek it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use flysk_suite::environment::{Client, Environment, PUBLIC_ORIGIN, RECORDINGS};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

async fn call(env: &Environment, client: &Client, link: String) -> anyhow::Result<String> {
    let note = env.simulators.call_arrives(Some(link), 42)?;
    client.transcribe(note).await
}

async fn ask(client: &Client, id: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/flysense/transcriptions/{id}/audio-link");
    let (status, link) = client.request(Method::POST, &path, None).await?;
    anyhow::ensure!(status == StatusCode::OK, "{status}: {link}");
    Ok(link)
}

/// Asks until the link is not being prepared any more.
async fn settled(env: &Environment, client: &Client, id: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    loop {
        let link = ask(client, id).await?;
        if link["state"] != "preparing" {
            return Ok(link);
        }
        if Instant::now() > deadline {
            bail!("still preparing\n{}", env.logs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Requests the audio as `<audio>` does: without any header of ours.
async fn play(env: &Environment, link: &Value, range: Option<&str>) -> anyhow::Result<Response> {
    let url = link["url"].as_str().context("no url")?.replacen(PUBLIC_ORIGIN, &env.api_url, 1);
    let mut request = reqwest::Client::builder().build()?.get(url);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    Ok(request.send().await?)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn copies(env: &Environment) -> anyhow::Result<i64> {
    let jobs = "SELECT COUNT(*) FROM jobs WHERE kind = 'calls.prepare_playback'";
    Ok(sqlx::query_scalar(jobs).fetch_one(&env.pool).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_recording_is_played_and_sought_and_converted_once_if_need_be() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS);

    // A format and a host that browsers are content with: no copy.
    let mp3 = env.simulators.recording_url("sales-mono-8k.mp3");
    let id = call(&env, &client, mp3.clone()).await?;
    let link = ask(&client, &id).await?;
    assert_eq!((&link["state"], copies(&env).await?), (&json!("ready"), 0), "{link}");
    let part = play(&env, &link, Some("bytes=1000-1999")).await?;
    assert_eq!((part.status(), header(&part, "content-type")), (StatusCode::PARTIAL_CONTENT, "audio/mpeg"));

    // A host without ranges: the same bytes, now with ranges.
    let id = call(&env, &client, format!("{mp3}?no_range=true")).await?;
    assert_eq!(ask(&client, &id).await?["state"], "preparing");
    let link = settled(&env, &client, &id).await?;
    assert_eq!(link["state"], "ready", "{link}\n{}", env.logs());
    let bytes = std::fs::read(fixtures.join("sales-mono-8k.mp3"))?;
    let part = play(&env, &link, Some("bytes=1000-1999")).await?;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&part, "content-range"), format!("bytes 1000-1999/{}", bytes.len()));
    assert_eq!(part.bytes().await?, bytes.get(1000..2000).context("long enough")?);
    let beyond = play(&env, &link, Some("bytes=99999999-")).await?;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    // A format that no browser plays: PCM in WAV.
    let id = call(&env, &client, env.simulators.recording_url("support-mono-gsm.wav")).await?;
    let link = settled(&env, &client, &id).await?;
    assert_eq!(link["state"], "ready", "{link}\n{}", env.logs());
    let whole = play(&env, &link, None).await?;
    assert_eq!((whole.status(), header(&whole, "accept-ranges")), (StatusCode::OK, "bytes"));
    assert_eq!(header(&whole, "content-type"), "audio/wav");
    let wav = whole.bytes().await?;
    assert!(flysk_domain::flysense::playability::plays_in_browsers(&wav), "not playable");
    let before = copies(&env).await?;
    assert_eq!(ask(&client, &id).await?["state"], "ready");
    assert_eq!(copies(&env).await?, before, "the copy is made once");

    // The copy goes when its time is over.
    let late = "UPDATE flysense_playback_copies SET expires_at = '2020-01-01'";
    sqlx::query(late).execute(&env.pool).await?;
    assert_eq!(ask(&client, &id).await?["state"], "preparing", "an expired copy is made again");
    assert_eq!(settled(&env, &client, &id).await?["state"], "ready");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_cannot_be_had_has_a_reason_and_a_made_up_address_plays_nothing()
-> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    for (link, state, reason) in [
        (env.simulators.recording_url("no-such-file.mp3"), "deleted", "recording_unavailable"),
        (format!("{url}?html=true"), "unavailable", "not_audio"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "unavailable", "link_forbidden_address"),
    ] {
        let id = call(&env, &client, link.clone()).await?;
        let told = settled(&env, &client, &id).await?;
        assert_eq!((&told["state"], &told["reason"]), (&json!(state), &json!(reason)), "{link}: {told}");
        assert!(
            told["reason_label"].as_str().is_some_and(|label| !label.is_empty()) && told["url"].is_null()
        );
    }
    let id = call(&env, &client, url).await?;
    let link = ask(&client, &id).await?;
    let broken = json!({ "url": link["url"].as_str().context("no url")?.replace("ticket=", "ticket=A") });
    assert_eq!(play(&env, &broken, None).await?.status(), StatusCode::UNAUTHORIZED);
    Ok(())
}
