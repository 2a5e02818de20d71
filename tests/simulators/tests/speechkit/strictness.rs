//! Requests that recognition rejects, and the errors.

use crate::fixture::Fixture;
use flysk_simulators::speechkit::{Behaviour, Failure};
use flysk_simulators::{BodyShape, Code};
use serde_json::{Value, json};

/// A request in which every field is set.
async fn full(fixture: &Fixture) -> Value {
    let mut body = fixture.request("sales-mono-8k.mp3").await;
    body["recognitionClassifier"] =
        json!({ "classifiers": [{ "classifier": "negative", "triggers": ["ON_UTTERANCE", 2] }] });
    body["speechAnalysis"] = json!({
        "enableSpeakerAnalysis": true, "enableConversationAnalysis": true,
        "descriptiveStatisticsQuantiles": [0.5, "0.9"],
        "speakerOptions": { "silenceThresholdMs": "100" },
        "converstationOptions": { "simultaneousSilenceThresholdMs": 100, "simultaneousSpeechThresholdMs": "50" },
    });
    body["speakerLabeling"] = json!({ "speakerLabeling": "SPEAKER_LABELING_ENABLED" });
    body["summarization"] = json!({
        "modelUri": "gpt://b1gfolder/yandexgpt-lite/latest",
        "properties": [{ "instruction": "Кратко, в JSON", "jsonObject": true },
                       { "instruction": "Кратко" },
                       { "instruction": "Тон", "jsonSchema": { "schema": { "type": "object" } } }],
    });
    body
}

async fn refused(fixture: &Fixture, path: &str, value: Value) -> Value {
    let mut body = full(fixture).await;
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    match name.parse::<usize>() {
        Ok(index) if parent.is_array() => parent[index] = value,
        _ => parent[name] = value,
    }
    let (status, text) = fixture.submit(&body).await;
    assert_eq!(status, 400, "{path}: {text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer.get("code").or(answer.pointer("/error/grpcCode")), Some(&json!(3)), "{path}: {text}");
    answer
}

#[tokio::test]
async fn a_full_request_is_accepted_in_both_spellings() {
    let fixture = Fixture::fast().await;
    let body = full(&fixture).await;
    fixture.finished(&fixture.accepted(&body).await).await;
    let snake = json!({
        "uri": body["uri"],
        "recognition_model": {
            "model": "deferred-general:rc",
            "audio_format": { "container_audio": { "container_audio_type": 3 } },
            "text_normalization": { "text_normalization": 1, "literature_text": true,
                                    "profanity_filter": null, "phone_formatting_mode": 1 },
            "audio_processing_type": "FULL_DATA",
        },
        "speech_analysis": { "converstation_options": {} },
    });
    fixture.accepted(&snake).await;
}

#[tokio::test]
async fn unknown_misspelled_and_contradicting_fields_are_rejected() {
    let fixture = Fixture::fast().await;
    let wrong = [
        ("/callbackUrl", json!("https://example.com")),
        ("/recognitionModel/modle", json!("general")),
        ("/recognitionModel/model", json!("general:latest")),
        ("/recognitionModel/audioFormat/containerAudio/containerAudioType", json!("M4A")),
        ("/recognitionModel/audioFormat/containerAudio/containerAudioType", json!("mp3")),
        ("/recognitionModel/audioFormat/containerAudio/containerAudioType", json!(4)),
        ("/recognitionModel/audioFormat/rawAudio", json!({ "audioEncoding": "LINEAR16_PCM" })),
        ("/recognitionModel/textNormalization/textNormalization", json!("ENABLED")),
        ("/recognitionModel/textNormalization/literatureText", json!("true")),
        ("/recognitionModel/audioProcessingType", json!("REAL_TIME")),
        ("/recognitionModel/languageRestriction/languageCode", json!(["русский"])),
        ("/recognitionModel", json!(null)),
        ("/content", json!("AAAA")),
        ("/recognitionClassifier/classifiers/0/classifier", json!("anger")),
        ("/recognitionClassifier/classifiers/0/triggers", json!([])),
        ("/speechAnalysis/conversationOptions", json!({})),
        ("/speechAnalysis/descriptiveStatisticsQuantiles", json!([1.0])),
        ("/speechAnalysis/speakerOptions/silenceThresholdMs", json!("1.5")),
        ("/summarization/modelUri", json!("yandexgpt-lite")),
        ("/summarization/properties", json!([])),
        ("/summarization/properties", json!(vec![json!({ "instruction": "x" }); 17])),
        ("/summarization/properties/0/jsonSchema", json!({ "schema": {} })),
        ("/summarization/properties/2/jsonSchema/schema", json!("{}")),
    ];
    for (path, value) in wrong {
        refused(&fixture, path, value).await;
    }
    assert!(fixture.speechkit.state.operations().is_empty());
}

#[tokio::test]
async fn only_stored_audio_of_the_declared_type_is_accepted() {
    let fixture = Fixture::fast().await;
    let there = fixture.upload("sales-mono-8k.mp3").await;
    for uri in ["https://example.com/calls/a.mp3", "ftp://x/y/z", &there.replace(".mp3", "-gone.mp3")] {
        refused(&fixture, "/uri", json!(uri)).await;
    }
    let signed = format!("{there}?X-Amz-Signature=whatever");
    let mut body = fixture.request("sales-mono-8k.mp3").await;
    body["uri"] = json!(signed);
    fixture.accepted(&body).await;
    for (name, declared) in [
        ("support-stereo-mulaw.wav", "WAV"),
        ("support-stereo-vorbis.ogg", "OGG_OPUS"),
        ("support-stereo-pcm.wav", "MP3"),
        ("bad-html-login.mp3", "MP3"),
        ("bad-empty.mp3", "MP3"),
    ] {
        let mut body = fixture.request(name).await;
        body["recognitionModel"]["audioFormat"]["containerAudio"]["containerAudioType"] = json!(declared);
        assert_eq!(fixture.submit(&body).await.0, 400, "{name}");
    }
}

#[tokio::test]
async fn labeling_is_accepted_for_mono_only() {
    let fixture = Fixture::fast().await;
    let mut body = fixture.request("sales-stereo-44k.mp3").await;
    body["speakerLabeling"] = json!({ "speakerLabeling": "SPEAKER_LABELING_ENABLED" });
    let (status, text) = fixture.submit(&body).await;
    assert_eq!(status, 400);
    assert!(text.contains("speaker labeling is only for mono-channel audio files"), "{text}");
}

#[tokio::test]
async fn credentials_scopes_and_language_models_are_checked() {
    let fixture = Fixture::fast().await;
    let body = full(&fixture).await.to_string();
    let path = "/stt/v3/recognizeFileAsync";
    let status = async |key: &str| fixture.call_as(key, "POST", path, body.clone()).await.unwrap();
    assert_eq!(status("nobody").await.0, 401);
    assert_eq!(status("deaf").await.0, 403);
    let (code, text) = status("no-llm").await;
    assert_eq!(code, 403);
    assert!(text.contains("access to language models denied for summarization"), "{text}");
    for path in ["/operations/x", "/operations/x:cancel", "/stt/v3/getRecognition"] {
        assert_eq!(fixture.call_as("nobody", "GET", path, String::new()).await.unwrap().0, 401, "{path}");
    }
}

#[tokio::test]
async fn exceeded_quotas_get_429() {
    let slow = Behaviour { extra_ms: 3_600_000, pace: 0.0, ..Behaviour::default() };
    let fixture = Fixture::with(slow, 5).await;
    fixture.speechkit.control.clock().freeze();
    let body = full(&fixture).await;
    let first = fixture.accepted(&body).await;
    fixture.accepted(&body).await;
    assert_eq!(fixture.submit(&body).await.0, 429, "two at once with a summary");
    let mut plain = body.clone();
    plain["summarization"] = Value::Null;
    for _ in 3..500 {
        let bad = json!({ "uri": "nowhere" });
        assert_eq!(fixture.submit(&bad).await.0, 400);
    }
    assert_eq!(fixture.submit(&plain).await.0, 429, "500 in an hour");
    fixture.speechkit.control.clock().advance(chrono::Duration::minutes(61));
    fixture.accepted(&plain).await;

    let mut checks = Vec::new();
    for _ in 0..6 {
        checks.push(fixture.get(&format!("/operations/{first}")).await.0);
    }
    assert_eq!(checks, [200, 200, 200, 200, 200, 429]);
}

#[tokio::test]
async fn results_become_available_and_expire() {
    let slow = Behaviour { error_shape: BodyShape::Plain, result_lag_ms: 60_000, ..Behaviour::default() };
    let fixture = Fixture::with(slow, 1_000).await;
    let clock = fixture.speechkit.control.clock().clone();
    let id = fixture.accepted(&fixture.request("sales-mono-8k.mp3").await).await;
    let not_ready =
        json!({ "code": 5, "message": format!("operation data is not ready {id}"), "details": [] });
    let read = async || -> (u16, Value) {
        let (status, text) = fixture.result(&id).await;
        (status, crate::fixture::objects(&text)[0].clone())
    };
    assert_eq!(read().await, (404, not_ready.clone()));
    // 42 s of audio take 7 s of recognition.
    clock.advance(chrono::Duration::seconds(5));
    assert_eq!(fixture.operation(&id).await["done"], false);
    clock.advance(chrono::Duration::seconds(3));
    fixture.finished(&id).await;
    assert_eq!(read().await, (404, not_ready), "done, and still not ready");
    clock.advance(chrono::Duration::minutes(1));
    assert_eq!(read().await.0, 200);
    assert_eq!(fixture.get(&format!("/stt/v3/getRecognition?operationId={id}")).await.0, 200);
    clock.advance(chrono::Duration::days(3));
    let (status, body) = read().await;
    assert_eq!(status, 404);
    assert!(!body["message"].as_str().unwrap().contains("not ready"));
}

#[tokio::test]
async fn a_result_is_deleted_once_and_unknown_operations_are_404() {
    let fixture = Fixture::fast().await;
    let id = fixture.accepted(&fixture.request("sales-mono-8k.mp3").await).await;
    fixture.finished(&id).await;
    let path = format!("/stt/v3/deleteRecognition?operation_id={id}");
    let delete = async || fixture.call_as("key", "DELETE", &path, String::new()).await.unwrap();
    assert_eq!(delete().await, (200, "{}".to_owned()));
    assert_eq!(delete().await.0, 404);
    assert_eq!(fixture.result(&id).await.0, 404);
    assert_eq!(fixture.get("/operations/f8dunknown").await.0, 404);
    assert_eq!(fixture.get(&format!("/operations/{}", "x".repeat(51))).await.0, 400);
    assert_eq!(fixture.get("/stt/v3/getRecognition").await.0, 400);
}

#[tokio::test]
async fn operations_fail_and_are_cancelled() {
    let failure = Failure { code: Code::Internal, message: "recognition failed".into(), before_done: true };
    let slow = Behaviour { failure: Some(failure), extra_ms: 60_000, ..Behaviour::default() };
    let fixture = Fixture::with(slow, 1_000).await;
    let body = fixture.request("sales-mono-8k.mp3").await;
    let id = fixture.accepted(&body).await;
    let early = fixture.operation(&id).await;
    assert_eq!((&early["done"], &early["error"]["code"]), (&json!(false), &json!(13)));

    fixture.speechkit.state.behave(Behaviour { extra_ms: 60_000, ..Behaviour::default() });
    let id = fixture.accepted(&body).await;
    assert_eq!(fixture.get(&format!("/operations/{id}:cancel")).await.0, 200);
    let cancelled = fixture.operation(&id).await;
    assert_eq!((&cancelled["done"], &cancelled["error"]["code"]), (&json!(true), &json!(1)));
}
