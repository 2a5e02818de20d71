//! Recordings passed on to a player.

use anyhow::Context as _;
use flysk_suite::stand::{Client, RECORDINGS, Stand};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::doors::{NEIGHBOUR, move_neighbour_in};
use crate::stand;

const FILE: &str = "sales-mono-8k.mp3";

fn recording() -> anyhow::Result<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS);
    Ok(std::fs::read(folder.join(FILE))?)
}

/// A transcription whose recording is at `link`.
async fn call(stand: &Stand, client: &Client, link: String) -> anyhow::Result<String> {
    let note = stand.outside.call_arrives(Some(link), 42)?;
    client.transcribe(note).await
}

async fn play(stand: &Stand, client: &Client, id: &str, range: Option<&str>) -> anyhow::Result<Response> {
    let url = format!("{}/v1/flysense/transcriptions/{id}/audio", stand.api_url);
    let mut request = reqwest::Client::builder().build()?.get(url).header("X-Auth-Token", client.token()?);
    if let Some(range) = range {
        request = request.header("Range", range);
    }
    Ok(request.send().await?)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The whole recording or a part of it, from hosts that know ranges and hosts that do not; kept nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_listened_to_from_anywhere_in_it() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let (url, bytes) = (stand.outside.recording_url(FILE), recording()?);
    let id = call(&stand, &client, url.clone()).await?;
    let whole = play(&stand, &client, &id, None).await?;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!((header(&whole, "content-type"), header(&whole, "accept-ranges")), ("audio/mpeg", "bytes"));
    assert_eq!(header(&whole, "cache-control"), "private, no-store");
    assert!(whole.bytes().await? == bytes, "not the recording");

    let part = play(&stand, &client, &id, Some("bytes=1000-1999")).await?;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&part, "content-range"), format!("bytes 1000-1999/{}", bytes.len()));
    assert_eq!(part.bytes().await?, bytes.get(1000..2000).context("long enough")?);
    let beyond = play(&stand, &client, &id, Some("bytes=99999999-")).await?;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let id = call(&stand, &client, format!("{url}?no_range=true&redirects=2")).await?;
    let plain = play(&stand, &client, &id, Some("bytes=1000-1999")).await?;
    assert_eq!(plain.status(), StatusCode::OK, "{}", stand.logs());
    assert!(plain.bytes().await? == bytes, "not the recording");
    Ok(())
}

/// Links that lead home, login pages, hosts that break off, strangers: each gets a reason, none the file.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_recording_or_not_yours_is_not_played() -> anyhow::Result<()> {
    let stand = stand().await?;
    move_neighbour_in(&stand)?;
    let client = stand.client()?;
    let url = stand.outside.recording_url(FILE);
    for (link, status, code) in [
        ("http://169.254.169.254/latest/meta-data/".to_owned(), 502, "recording_unavailable"),
        (format!("{url}?redirect_to=http%3A%2F%2F10.0.0.1%2Fcall.mp3"), 502, "recording_unavailable"),
        (format!("{url}?html=true"), 502, "recording_unavailable"),
        (stand.outside.recording_url("no-such-file.mp3"), 404, "not_found"),
    ] {
        let id = call(&stand, &client, link.clone()).await?;
        let answer = play(&stand, &client, &id, None).await?;
        assert_eq!(answer.status().as_u16(), status, "{link}");
        assert_eq!(answer.json::<Value>().await?["code"], code, "{link}");
    }
    let id = call(&stand, &client, format!("{url}?cut_at=20000")).await?;
    let broken = play(&stand, &client, &id, None).await?;
    assert!(broken.bytes().await.is_err(), "a recording that broke off looks whole");

    let url = format!("{}/v1/flysense/transcriptions/{id}/audio", stand.api_url);
    let bare = reqwest::Client::builder().build()?.get(url).send().await?;
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    stand.outside.amocrm.state.install(flysk_suite::stand::CLIENT_ID, NEIGHBOUR, None).await?;
    stand.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_state = 'subscribed'", 2).await?;
    let neighbour = client.acting_as(NEIGHBOUR, 901);
    assert_eq!(play(&stand, &neighbour, &id, None).await?.status(), StatusCode::NOT_FOUND);
    Ok(())
}

/// What a script calls `text/html`, what comes gzipped, behind a login, or with headers written by hand: the first bytes tell
/// that it is a recording, also when its middle is asked for, and no browser takes it for a page.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_transcribed_can_be_listened_to() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let (url, bytes) = (stand.outside.recording_url(FILE), recording()?);
    let raw = format!("{}/{FILE}", stand.outside.recordings.state.raw_url());
    for link in [
        format!("{url}?content_type=text%2Fhtml"),
        format!("{url}?content_type=application%2Fjson"),
        format!("{raw}?untyped"),
        format!("{raw}?spaced"),
        format!("{url}?gzip=true&content_type=text%2Fhtml"),
        format!("{url}?cookie=true"),
        format!("{url}?login=crm%3As3cret").replace("http://", "http://crm:s3cret@"),
    ] {
        let id = call(&stand, &client, link.clone()).await?;
        let whole = play(&stand, &client, &id, None).await?;
        assert_eq!(whole.status(), StatusCode::OK, "{link}");
        assert_eq!(header(&whole, "content-type"), "audio/mpeg", "{link}");
        assert_eq!(header(&whole, "x-content-type-options"), "nosniff", "{link}");
        assert!(whole.bytes().await? == bytes, "{link}: not the recording");
    }
    // Its middle comes first: the type is that of its beginning.
    let id = call(&stand, &client, format!("{url}?content_type=text%2Fhtml%3B%20charset%3Dutf-8")).await?;
    let part = play(&stand, &client, &id, Some("bytes=1000-1999")).await?;
    assert_eq!((part.status(), header(&part, "content-type")), (StatusCode::PARTIAL_CONTENT, "audio/mpeg"));
    assert_eq!(part.bytes().await?, bytes.get(1000..2000).context("long enough")?);
    // A page stays a page, whatever part of it is asked for.
    let id =
        call(&stand, &client, stand.outside.recording_url("bad-html-login.mp3?content_type=text%2Fhtml"))
            .await?;
    for range in [None, Some("bytes=0-99"), Some("bytes=20-99")] {
        let page = play(&stand, &client, &id, range).await?;
        assert_eq!(page.status(), StatusCode::BAD_GATEWAY, "{range:?}");
    }
    Ok(())
}
