//! What the widget's window shows about a finished call: waveform, labels, documents, tags, statistics.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);
const FILE: &str = "support-stereo-pcm.wav";

fn texts<'a>(items: &'a Value, field: &str) -> Vec<&'a str> {
    items.as_array().into_iter().flatten().filter_map(|item| item[field].as_str()).collect()
}

/// One call through everything that reads or edits it.
#[tokio::test(flavor = "multi_thread")]
async fn a_finished_call_has_a_waveform_labels_documents_and_statistics() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 42)?;
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
    assert_eq!(call.state, "done", "{}", env.logs());
    let path = format!("/v1/flysense/transcriptions/{}", call.id);
    let get = async |rest: &str| client.request(Method::GET, &format!("{path}{rest}"), None).await;
    let edit = async |body: &Value| client.request(Method::PATCH, &path, Some(body)).await;

    let (status, wave) = get("/waveform").await?;
    let peaks: Vec<u64> = wave["peaks"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    assert_eq!(status, StatusCode::OK, "{wave}");
    assert!(
        peaks.len() <= 800 && peaks.iter().any(|peak| *peak > 50) && peaks.iter().all(|peak| *peak <= 100)
    );
    assert_eq!((&wave["bins"], &wave["absence"]), (&json!(peaks.len()), &Value::Null));
    let speakers = texts(&wave["speakers"], "speaker");
    assert!(speakers.contains(&"operator") && speakers.contains(&"client"), "{wave}");
    sqlx::query("DELETE FROM transcription_waveforms").execute(&env.pool).await?;
    let (_, old) = get("/waveform").await?;
    assert_eq!((&old["peaks"], &old["absence"]), (&json!([]), &json!("old_call")));
    assert!(!texts(&old["speakers"], "speaker").is_empty(), "speakers come from the dialogue");

    let labels = texts(&call.raw["labels"], "code");
    let found = *labels.first().context("the recogniser found a label")?;
    let corrected = json!({
        "version": call.raw["version"], "summary": "Другое", "tags": ["Всё ещё"],
        "added_labels": ["insult"], "removed_labels": [found],
    });
    let (status, edited) = edit(&corrected).await?;
    assert_eq!(status, StatusCode::OK, "{edited}");
    let label = |code: &str| edited["labels"].as_array()?.iter().find(|label| label["code"] == code);
    assert_eq!(label(found).context("kept")?["removed"], json!(true));
    assert_eq!(label("insult").context("added")?["source"], json!("added"));
    assert_eq!((&edited["summary_written"], &edited["short"]), (&call.raw["summary"], &json!("Другое")));
    assert_eq!(edit(&corrected).await?.0, StatusCode::CONFLICT, "the version is outdated");

    for (query, own) in [("все еще", 1), ("ВСЕ", 1), ("нет такого", 0)] {
        let (_, tags) =
            client.request(Method::GET, &format!("/v1/flysense/tags?query={query}"), None).await?;
        assert_eq!(texts(&tags["own"], "text").len(), own, "{query}: {tags}");
    }
    let gone = "/v1/flysense/tags?text=%D0%B2%D1%81%D1%91%20%D0%B5%D1%89%D1%91";
    assert_eq!(client.request(Method::DELETE, gone, None).await?.0, StatusCode::NO_CONTENT);
    assert_eq!(client.request(Method::DELETE, gone, None).await?.0, StatusCode::NOT_FOUND);

    let (_, text) = get("/export?format=txt&times=false").await?;
    let text = text.as_str().context("a text")?;
    assert!(
        text.contains("Распознано автоматически") && text.contains("Оскорбление") && text.contains("Всё ещё")
    );
    let (_, subtitles) = get("/export?format=srt").await?;
    assert!(subtitles.as_str().context("a text")?.starts_with("1\n00:00:"), "{subtitles}");
    let docx = download(&client, &env.api_url, &format!("{path}/export?format=docx")).await?;
    assert!(docx.starts_with(b"PK\x03\x04"));

    let (_, statistics) = client.request(Method::GET, "/v1/flysense/statistics?period=week", None).await?;
    assert_eq!((&statistics["totals"]["calls"], &statistics["totals"]["done"]), (&json!(1), &json!(1)));
    assert!(statistics["items"].as_array().is_some_and(|items| items.len() >= 5), "{statistics}");
    Ok(())
}

async fn download(
    client: &flysk_suite::environment::Client,
    api_url: &str,
    path: &str,
) -> anyhow::Result<Vec<u8>> {
    let request = reqwest::Client::builder().build()?.get(format!("{api_url}{path}"));
    let response = request.header("X-Auth-Token", client.token()?).send().await?;
    let name = response.headers().get("content-disposition").context("a name")?.to_str()?.to_owned();
    assert!(name.starts_with("attachment; filename=\"call.docx\"; filename*=UTF-8''"), "{name}");
    Ok(response.bytes().await?.to_vec())
}
