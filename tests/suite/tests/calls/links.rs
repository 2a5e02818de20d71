//! Recording links as telephonies really give them.

use std::time::Duration;

use crate::stand;

const PATIENCE: Duration = Duration::from_secs(90);

/// Slow, late, cut off, redirected: the recording comes all the same.
#[tokio::test(flavor = "multi_thread")]
async fn difficult_links_are_followed() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
    let mut notes = Vec::new();
    for query in [
        "absent_times=1",
        "cut_at=20000",
        // More connections than one attempt makes: the next one goes on where it ended.
        "cut_after=12000",
        "redirects=2",
        "bytes_per_s=60000",
        "content_type=text/plain",
        "no_range=true",
        "cookie=true",
        "raw_location=true",
        "gzip=true",
        "gzip=true&no_range=true&content_type=text%2Fhtml",
        // A host that knows ranges says where the file ends; one that does not leaves that open.
        "excess=1000",
        "excess=1000&no_range=true",
        "login=crm%3Ap%40ss%3A1",
    ] {
        // Only the host that asks for the login uses it.
        let link = format!("{url}?{query}").replace("http://", "http://crm:p%40ss%3A1@");
        notes.push((query, stand.outside.call_arrives(Some(link), 42)?));
    }
    for (query, note) in notes {
        let call = client.wait_for_end(note, PATIENCE).await?;
        anyhow::ensure!(call.state == "done", "{query}: {}\n{}", call.raw, stand.logs());
        let may_lack_its_end = query == "excess=1000&no_range=true";
        anyhow::ensure!(call.raw["partial"] == may_lack_its_end, "{query}: {}", call.raw);
    }
    let secret = stand.log_lines()?.into_iter().find(|line| line.contains("p@ss") || line.contains("p%40ss"));
    anyhow::ensure!(secret.is_none(), "the login is in the log: {secret:?}");
    Ok(())
}

/// Answers that no HTTP library would write, as scripts of PBXs write them.
#[tokio::test(flavor = "multi_thread")]
async fn answers_written_by_hand_are_read() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let url = format!("{}/sales-mono-8k.mp3", stand.outside.recordings.state.raw_url());
    let mut notes = Vec::new();
    for (shape, partial) in
        [("spaced", false), ("untyped", false), ("short_length", true), ("chunked_cut", true)]
    {
        notes.push((shape, partial, stand.outside.call_arrives(Some(format!("{url}?{shape}")), 42)?));
    }
    for (shape, partial, note) in notes {
        let call = client.wait_for_end(note, PATIENCE).await?;
        anyhow::ensure!(call.state == "done", "{shape}: {}\n{}", call.raw, stand.logs());
        anyhow::ensure!(call.raw["partial"] == partial, "{shape}: {}", call.raw);
    }
    Ok(())
}

/// A link that leads home, or to a login page, ends the call with a reason a person can act on.
#[tokio::test(flavor = "multi_thread")]
async fn dangerous_links_are_refused() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
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
        notes.push((link, *code, stand.outside.call_arrives(Some(link.clone()), 42)?));
    }
    for (link, code, note) in notes {
        let call = client.wait_for_end(note, PATIENCE).await?;
        anyhow::ensure!(call.failure_code.as_deref() == Some(code), "{link}: {}", call.raw);
    }
    Ok(())
}

/// A note whose link comes later waits for it; asking by hand for what a hook brought starts nothing twice.
#[tokio::test(flavor = "multi_thread")]
async fn late_link_is_waited_for_and_a_note_is_transcribed_once() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let note = stand.outside.call_arrives(None, 42)?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'waiting_for_link'", 1).await?;
    let asked = client.transcribe(note).await?;
    let link = stand.outside.recording_url("sales-mono-8k.mp3");
    stand.outside.amocrm.state.set_link(flysk_suite::stand::ACCOUNT, note, Some(&link))?;
    let call = client.wait_for_end(note, PATIENCE).await?;
    assert_eq!((call.state.as_str(), &call.id), ("done", &asked));
    // amoCRM may deliver a hook twice.
    stand.outside.amocrm.state.fire_again(flysk_suite::stand::ACCOUNT, &[note])?;
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.ingest_note' AND state = 'done'", 2)
        .await?;
    assert_eq!(client.transcriptions().await?.len(), 1);
    Ok(())
}
