//! Recording links as telephony providers create them.

use std::time::Duration;

use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Slow, late, interrupted and redirected: the recording is fetched nevertheless.
#[tokio::test(flavor = "multi_thread")]
async fn difficult_links_are_followed() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let mut notes = Vec::new();
    for query in [
        "absent_times=1",
        "cut_at=20000",
        // Needs more connections than one attempt makes: the next attempt resumes the download.
        "cut_after=12000",
        "redirects=2",
        "bytes_per_s=60000",
        "content_type=text/plain",
        "no_range=true",
        "cookie=true",
        "raw_location=true",
        "gzip=true",
        "gzip=true&no_range=true&content_type=text%2Fhtml",
        // A host with range support confirms the end of the file; one without leaves it open.
        "excess=1000",
        "excess=1000&no_range=true",
        "login=crm%3Ap%40ss%3A1",
    ] {
        // Credentials are used only by the host that requires them.
        let link = format!("{url}?{query}").replace("http://", "http://crm:p%40ss%3A1@");
        notes.push((query, env.simulators.call_arrives(Some(link), 42)?));
    }
    for (query, note) in notes {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        anyhow::ensure!(call.state == "done", "{query}: {}\n{}", call.raw, env.logs());
        let may_lack_its_end = query == "excess=1000&no_range=true";
        anyhow::ensure!(call.raw["partial"] == may_lack_its_end, "{query}: {}", call.raw);
    }
    let secret = env.log_lines()?.into_iter().find(|line| line.contains("p@ss") || line.contains("p%40ss"));
    anyhow::ensure!(secret.is_none(), "the login is in the log: {secret:?}");
    Ok(())
}

/// Responses that no HTTP library would write, as sent by PBX scripts.
#[tokio::test(flavor = "multi_thread")]
async fn handwritten_responses_are_read() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let url = format!("{}/sales-mono-8k.mp3", env.simulators.recordings.state.raw_url());
    let _hurry = env.hurry("calls.fetch_recording");
    let mut notes = Vec::new();
    for (shape, partial) in
        [("spaced", false), ("untyped", false), ("short_length", true), ("chunked_cut", true)]
    {
        notes.push((shape, partial, env.simulators.call_arrives(Some(format!("{url}?{shape}")), 42)?));
    }
    for (shape, partial, note) in notes {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        anyhow::ensure!(call.state == "done", "{shape}: {}\n{}", call.raw, env.logs());
        anyhow::ensure!(call.raw["partial"] == partial, "{shape}: {}", call.raw);
    }
    Ok(())
}

/// A link to a local address or a login page fails the call with an actionable reason.
#[tokio::test(flavor = "multi_thread")]
async fn dangerous_links_are_rejected() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let cases = [
        (
            format!("{url}?redirect_to=http%3A%2F%2F169.254.169.254%2Flatest%2Fmeta-data%2F"),
            "link_forbidden_address",
        ),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "link_forbidden_address"),
        ("http://10.0.0.1/call.mp3".to_owned(), "link_forbidden_address"),
        ("ftp://example.com/call.mp3".to_owned(), "link_forbidden_address"),
        (format!("{url}?html=true"), "not_audio"),
    ];
    let mut notes = Vec::new();
    for (link, code) in &cases {
        notes.push((link, *code, env.simulators.call_arrives(Some(link.clone()), 42)?));
    }
    for (link, code, note) in notes {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        anyhow::ensure!(call.failure_code.as_deref() == Some(code), "{link}: {}", call.raw);
    }
    Ok(())
}

/// A note waits for its late link; a manual request for a note that the webhook has already started does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_link_is_awaited_and_a_note_is_transcribed_once() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(None, 42)?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'waiting_for_link'", 1).await?;
    let asked = client.transcribe(note).await?;
    let link = env.simulators.recording_url("sales-mono-8k.mp3");
    env.simulators.amocrm.state.set_link(flysk_suite::environment::ACCOUNT, note, Some(&link))?;
    let _hurry = env.hurry("calls.fetch_recording");
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
    assert_eq!((call.state.as_str(), &call.id), ("done", &asked));
    // amoCRM may deliver a hook twice.
    env.simulators.amocrm.state.fire_again(flysk_suite::environment::ACCOUNT, &[note])?;
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.ingest_note' AND state = 'done'", 2).await?;
    assert_eq!(client.transcriptions().await?.len(), 1);
    Ok(())
}
