//! Recognition results: measured times, correct words, and a stream format that naive parsers fail on.

use std::collections::BTreeMap;

use crate::fixture::{Fixture, fixtures, ms, objects, payloads};
use flysk_simulators::speechkit::{
    Behaviour, FinalIndex, Framing, Refinements, Silence, StreamBreak, Utterances,
};
use flysk_simulators::{Act, Code, Script};
use serde_json::{Value, json};

/// Turns of a fixture: speaker, start, end.
fn turns(name: &str) -> Vec<(String, i64, i64)> {
    let manifest = std::fs::read(fixtures().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let turns = manifest[name]["turns"].as_array().unwrap();
    let number = |value: &Value| value.as_i64().unwrap();
    turns
        .iter()
        .map(|it| {
            (it["speaker"].as_str().unwrap().to_owned(), number(&it["start_ms"]), number(&it["end_ms"]))
        })
        .collect()
}

/// Duration of the overlap between a turn and the finals of a tag, ms.
fn covered(finals: &[(&str, &Value)], tag: &str, start_ms: i64, end_ms: i64) -> i64 {
    finals
        .iter()
        .filter(|(of, _)| *of == tag)
        .map(|(_, payload)| {
            let words = payload["alternatives"][0]["words"].as_array().unwrap();
            let from = ms(&words.first().unwrap()["startTimeMs"]).max(start_ms);
            (ms(&words.last().unwrap()["endTimeMs"]).min(end_ms) - from).max(0)
        })
        .sum()
}

fn texts(events: &[Value], name: &str) -> Vec<String> {
    let path = if name == "final" { "/alternatives/0/text" } else { "/normalizedText/alternatives/0/text" };
    payloads(events, name)
        .iter()
        .map(|(_, it)| it.pointer(path).unwrap().as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn each_turn_is_covered_by_its_own_channel() {
    let fixture = Fixture::fast().await;
    for name in ["support-stereo-pcm.wav", "sales-stereo-44k.mp3"] {
        let events = fixture.events(&fixture.request(name).await).await;
        let finals = payloads(&events, "final");
        for (speaker, start_ms, end_ms) in
            turns(name).into_iter().filter(|(_, start, end)| end - start >= 1_000)
        {
            let (own, other) = if speaker == "operator" { ("0", "1") } else { ("1", "0") };
            let length = end_ms - start_ms;
            let hit = covered(&finals, own, start_ms, end_ms);
            assert!(hit * 100 >= length * 80, "{name} {speaker} {start_ms}: {hit} of {length} ms");
            let miss = covered(&finals, other, start_ms, end_ms);
            assert!(
                miss * 100 <= length * 10,
                "{name} {speaker} {start_ms}: the other side speaks {miss} ms"
            );
        }
        let said = texts(&events, "finalRefinement").join(" ");
        let known = if name.starts_with("sales") {
            "Здравствуйте! Я хотел бы узнать про ваш тариф."
        } else {
            "Я уже третий раз звоню. Когда почините?"
        };
        assert!(said.contains(known), "{said}");
    }
}

#[tokio::test]
async fn labeled_mono_distinguishes_the_speakers() {
    let fixture = Fixture::fast().await;
    for name in ["sales-mono-8k.mp3", "support-mono-opus.ogg"] {
        let mut body = fixture.request(name).await;
        body["speakerLabeling"] = json!({ "speakerLabeling": "SPEAKER_LABELING_ENABLED" });
        let events = fixture.events(&body).await;
        let finals = payloads(&events, "final");
        for (speaker, start_ms, end_ms) in
            turns(name).into_iter().filter(|(_, start, end)| end - start >= 1_000)
        {
            let own = if speaker == "operator" { "0" } else { "1" };
            let hit = covered(&finals, own, start_ms, end_ms);
            assert!(hit * 100 >= (end_ms - start_ms) * 80, "{name} {speaker} {start_ms}: {hit} ms");
        }
        body["speakerLabeling"] = json!({});
        let unlabeled = fixture.events(&body).await;
        assert!(payloads(&unlabeled, "final").iter().all(|(tag, _)| *tag == "0"));
    }
}

#[tokio::test]
async fn an_utterance_has_final_refinement_end_and_classifiers() {
    let fixture = Fixture::fast().await;
    let mut body = fixture.request("support-stereo-pcm.wav").await;
    let names = ["negative", "formal_greeting", "gender"];
    let wanted: Vec<_> = names.map(|name| json!({ "classifier": name, "triggers": ["ON_UTTERANCE"] })).into();
    body["recognitionClassifier"] = json!({ "classifiers": wanted });
    body["speechAnalysis"] = json!({ "enableSpeakerAnalysis": true, "enableConversationAnalysis": true });
    let events = fixture.events(&body).await;
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| {
            let fixed = ["sessionUuid", "audioCursors", "responseWallTimeMs", "channelTag"];
            event["result"]
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .find(|key| !fixed.contains(key))
                .unwrap()
        })
        .collect();
    let one = [
        "final",
        "finalRefinement",
        "eouUpdate",
        "classifierUpdate",
        "classifierUpdate",
        "classifierUpdate",
        "speakerAnalysis",
    ];
    assert_eq!(kinds[..7], one);
    assert_eq!(kinds[kinds.len() - 3..], ["speakerAnalysis", "speakerAnalysis", "conversationAnalysis"]);

    let negative = payloads(&events, "classifierUpdate").into_iter().filter(|(tag, update)| {
        let result = &update["classifierResult"];
        *tag == "1"
            && result["classifier"] == "negative"
            && result["labels"][0]["confidence"].as_f64().unwrap() > 0.5
    });
    assert_eq!(negative.count(), 2, "the client is displeased twice");
    let totals: Vec<_> = payloads(&events, "speakerAnalysis")
        .into_iter()
        .filter(|(_, it)| it["windowType"] == "TOTAL")
        .collect();
    let words: i64 = totals.iter().map(|(_, it)| ms(&it["wordsCount"])).sum();
    let in_finals: usize = texts(&events, "final").iter().map(|text| text.split(' ').count()).sum();
    assert_eq!(words, i64::try_from(in_finals).unwrap());
    assert_eq!(ms(&events[0]["result"]["audioCursors"]["receivedDataMs"]), 42_024);
}

#[tokio::test]
async fn raw_text_is_plain_and_refined_text_is_normalized_as_requested() {
    let fixture = Fixture::fast().await;
    let mut body = fixture.request("support-stereo-pcm.wav").await;
    let events = fixture.events(&body).await;
    assert!(
        texts(&events, "final")
            .iter()
            .all(|text| *text == text.to_lowercase() && !text.contains([',', '.', '?']))
    );
    assert!(texts(&events, "finalRefinement").iter().all(|text| text.chars().next().unwrap().is_uppercase()));
    body["recognitionModel"]["languageRestriction"]["languageCode"] = json!(["auto"]);
    let automatic = fixture.events(&body).await;
    assert!(payloads(&automatic, "finalRefinement").is_empty(), "auto switches normalisation off");
    assert_eq!(
        payloads(&automatic, "final")[0].1["alternatives"][0]["languages"][0]["languageCode"],
        "ru-RU"
    );
}

#[tokio::test]
async fn a_summary_answers_each_instruction_in_its_format() {
    let fixture = Fixture::fast().await;
    let mut body = fixture.request("support-stereo-pcm.wav").await;
    let schema = json!({ "type": "object", "properties": { "sentiment": { "enum": ["negative", "neutral", "positive"] } } });
    body["summarization"] = json!({ "modelUri": "gpt://b1gfolder/yandexgpt/latest", "properties": [
        { "instruction": "Опиши разговор" },
        { "instruction": "Тон разговора", "jsonSchema": { "schema": schema } } ] });
    let events = fixture.events(&body).await;
    let summary = payloads(&events, "summarization");
    assert_eq!((summary.len(), summary[0].0), (1, ""));
    let results = summary[0].1["results"].as_array().unwrap();
    assert!(!results[0]["response"].as_str().unwrap().is_empty());
    let tone: Value = serde_json::from_str(results[1]["response"].as_str().unwrap()).unwrap();
    assert_eq!(tone["sentiment"], "negative");
    assert!(ms(&summary[0].1["contentUsage"]["totalTokens"]) > 0);
}

#[tokio::test]
async fn the_stream_is_pretty_or_compact_and_never_one_object_per_line() {
    let fixture = Fixture::fast().await;
    let id = fixture.accepted(&fixture.request("sales-stereo-44k.mp3").await).await;
    fixture.finished(&id).await;
    let (pretty, compact) = (fixture.result(&id).await.1, fixture.result(&id).await.1);
    assert!(pretty.lines().count() > 100 && compact.lines().count() == 1);
    assert_eq!(objects(&pretty), objects(&compact));
    fixture.speechkit.state.behave(Behaviour { framing: Framing::Compact, ..Behaviour::default() });
    assert_eq!(fixture.result(&id).await.1, compact);
}

#[tokio::test]
async fn stream_variants_and_breaks_are_simulated() {
    let fixture = Fixture::fast().await;
    let id = fixture.accepted(&fixture.request("sales-stereo-44k.mp3").await).await;
    fixture.finished(&id).await;
    let base = Behaviour { pace: 0.0, ..Behaviour::default() };
    let usual = objects(&fixture.result(&id).await.1);

    fixture.speechkit.state.behave(Behaviour { utterances: Utterances::Single, ..base.clone() });
    let single = objects(&fixture.result(&id).await.1);
    assert_eq!(payloads(&single, "final").len(), 2);
    assert_eq!(count_words(&single), count_words(&usual));

    fixture.speechkit.state.behave(Behaviour { refinements: Refinements::Late, ..base.clone() });
    let late = objects(&fixture.result(&id).await.1);
    let first_refinement = late.iter().position(|it| it["result"].get("finalRefinement").is_some()).unwrap();
    assert!(late[first_refinement..].iter().all(|it| it["result"].get("final").is_none()));
    assert_eq!(late.len(), usual.len());

    fixture.speechkit.state.behave(Behaviour { final_index: FinalIndex::Global, ..base.clone() });
    let global = objects(&fixture.result(&id).await.1);
    assert_eq!(
        final_indexes(&global).values().map(Vec::len).max(),
        Some(1),
        "a global index is never used twice"
    );
    assert_eq!(final_indexes(&usual).values().map(Vec::len).max(), Some(2), "each channel counts from 0");

    let broken =
        |code| Behaviour { stream_break: Some(StreamBreak { after_events: 4, code }), ..base.clone() };
    fixture.speechkit.state.behave(broken(Some(Code::Internal)));
    let events = objects(&fixture.result(&id).await.1);
    assert_eq!((events.len(), &events[4]["error"]["grpcCode"]), (5, &json!(13)));
    fixture.speechkit.state.behave(broken(None));
    let path = format!("/stt/v3/getRecognition?operation_id={id}");
    let torn = fixture.call_as("key", "GET", &path, String::new()).await;
    assert!(torn.is_err(), "the connection ends in the middle: {torn:?}");
}

fn count_words(events: &[Value]) -> usize {
    payloads(events, "final")
        .iter()
        .map(|(_, it)| it["alternatives"][0]["words"].as_array().unwrap().len())
        .sum()
}

/// Channels by the final index of their refinements.
fn final_indexes(events: &[Value]) -> BTreeMap<i64, Vec<&str>> {
    let mut channels: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for (tag, refinement) in payloads(events, "finalRefinement") {
        channels.entry(ms(&refinement["finalIndex"])).or_default().push(tag);
    }
    channels
}

#[tokio::test]
async fn silence_is_an_empty_body_or_a_stream_without_finals() {
    let fixture = Fixture::fast().await;
    let body = fixture.request("silence-5s.wav").await;
    let id = fixture.accepted(&body).await;
    fixture.finished(&id).await;
    assert_eq!(fixture.result(&id).await, (200, String::new()));
    fixture.speechkit.state.behave(Behaviour { silence: Silence::NoFinals, ..Behaviour::default() });
    let events = objects(&fixture.result(&id).await.1);
    assert!(!events.is_empty() && payloads(&events, "final").is_empty());
}

#[tokio::test]
async fn answering_machines_and_unknown_speech_are_distinguished() {
    let fixture = Fixture::fast().await;
    let mut body = fixture.request("answerphone-mono-8k.mp3").await;
    body["recognitionClassifier"] =
        json!({ "classifiers": [{ "classifier": "answerphone", "triggers": ["ON_UTTERANCE"] }] });
    let events = fixture.events(&body).await;
    let updates = payloads(&events, "classifierUpdate");
    assert!(!updates.is_empty());
    assert!(
        updates
            .iter()
            .all(|(_, it)| it["classifierResult"]["labels"][0]["confidence"].as_f64().unwrap() > 0.5)
    );

    let cut = fixture.request("bad-truncated.mp3").await;
    let events = fixture.events(&cut).await;
    assert!(count_words(&events) > 5, "an unknown recording gets filler words");
    assert_eq!(texts(&events, "final"), texts(&fixture.events(&cut).await, "final"));
}

#[tokio::test]
async fn audio_is_accepted_inside_the_request_and_headerless() {
    use base64::Engine as _;
    let fixture = Fixture::fast().await;
    let wav = std::fs::read(fixtures().join("support-stereo-pcm.wav")).unwrap();
    let mut body = fixture.request("support-stereo-pcm.wav").await;
    let from_storage = fixture.events(&body).await;
    body.as_object_mut().unwrap().remove("uri");
    body["content"] = json!(base64::engine::general_purpose::STANDARD.encode(&wav));
    let inside = fixture.events(&body).await;
    assert_eq!(texts(&inside, "final"), texts(&from_storage, "final"));
    let rate = u32::from_le_bytes(wav[24..28].try_into().unwrap());
    let data = wav.windows(4).position(|name| name == b"data").unwrap() + 8;
    body["content"] = json!(base64::engine::general_purpose::STANDARD.encode(&wav[data..]));
    body["recognitionModel"]["audioFormat"] = json!({ "rawAudio": {
        "audioEncoding": "LINEAR16_PCM", "sampleRateHertz": rate.to_string(), "audioChannelCount": 2 } });
    assert_eq!(texts(&fixture.events(&body).await, "final"), texts(&inside, "final"));
}

#[tokio::test]
async fn a_response_lost_after_acceptance_leaves_an_operation() {
    let fixture = Fixture::fast().await;
    let body = fixture.request("sales-mono-8k.mp3").await;
    fixture.speechkit.control.script(Script::next("/stt/v3/recognizeFileAsync", Act::ServeThenCut));
    let lost = fixture.call_as("key", "POST", "/stt/v3/recognizeFileAsync", body.to_string()).await;
    assert!(lost.is_err());
    assert_eq!(fixture.speechkit.state.operations().len(), 1);
}
