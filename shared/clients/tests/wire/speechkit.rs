//! Requests to SpeechKit and its successful responses.

use flysk_clients::http::HttpOptions;
use flysk_clients::speechkit::{
    AudioFormat, Channels, Classifier, Config, LlmAnswer, LlmPrompt, OperationState, RecognitionOptions,
    RecognizeFile, SpeechKit, Summarization,
};
use flysk_clients::yandex::{Auth, YandexCredentials};
use flysk_domain::flysense::audio::AudioContainer;
use flysk_domain::flysense::stream::EventPayload;
use serde_json::json;

use crate::server::{Reply, Server};

pub(crate) fn client(server: &Server) -> SpeechKit {
    SpeechKit::new(Config {
        stt_url: server.base(),
        operation_url: server.base(),
        credentials: YandexCredentials::with_api_key("key-s3cr3t".into()),
        http: HttpOptions::default(),
        max_result_bytes: 10_000,
    })
    .unwrap()
}

const LINK: &str = "https://storage.yandexcloud.net/calls/c1.mp3";

pub(crate) fn mono_call() -> RecognizeFile {
    let prompt = |instruction: &str, answer| LlmPrompt { instruction: instruction.into(), answer };
    let options = RecognitionOptions {
        classifiers: vec![Classifier::Negative, Classifier::FormalGreeting],
        summarization: Some(Summarization {
            model_uri: "gpt://b1gfolder/yandexgpt-lite/latest".into(),
            properties: vec![
                prompt("Sum up.", None),
                prompt("Answer in JSON.", Some(LlmAnswer::JsonObject(true))),
                prompt("Judge.", Some(LlmAnswer::JsonSchema { schema: json!({"type": "object"}) })),
            ],
        }),
        ..RecognitionOptions::default()
    };
    RecognizeFile::call(LINK, AudioFormat::Container(AudioContainer::Mp3), Channels::Mono, options)
}

/// Parses the body with the published protocol buffers; unknown fields are an error.
#[tokio::test]
async fn a_mono_call_is_submitted_with_all_options() {
    let server =
        Server::always(Reply::json(200, r#"{"id":"f8dexample","done":false,"metadata":null}"#)).await;
    let operation = client(&server).submit(&mono_call()).await.unwrap();
    assert_eq!((operation.id.as_str(), operation.state), ("f8dexample", OperationState::Running));
    let request = server.only_request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/stt/v3/recognizeFileAsync"));
    assert_eq!(request.header("authorization"), Some("Api-Key key-s3cr3t"));
    assert_eq!((request.header("x-folder-id"), request.header("x-data-logging-enabled")), (None, None));
    assert_eq!(
        request.json(),
        json!({
            "uri": LINK,
            "recognitionModel": {
                "model": "general",
                "audioFormat": {"containerAudio": {"containerAudioType": "MP3"}},
                "textNormalization": {"textNormalization": "TEXT_NORMALIZATION_ENABLED", "literatureText": true,
                    "profanityFilter": false},
                "languageRestriction": {"restrictionType": "WHITELIST", "languageCode": ["ru-RU"]},
                "audioProcessingType": "FULL_DATA"},
            "recognitionClassifier": {"classifiers": [
                {"classifier": "negative", "triggers": ["ON_UTTERANCE"]},
                {"classifier": "formal_greeting", "triggers": ["ON_UTTERANCE"]}]},
            "speechAnalysis": {"enableSpeakerAnalysis": true, "enableConversationAnalysis": true,
                "descriptiveStatisticsQuantiles": [0.5, 0.9]},
            "speakerLabeling": {"speakerLabeling": "SPEAKER_LABELING_ENABLED"},
            "summarization": {"modelUri": "gpt://b1gfolder/yandexgpt-lite/latest", "properties": [
                {"instruction": "Sum up."},
                {"instruction": "Answer in JSON.", "jsonObject": true},
                {"instruction": "Judge.", "jsonSchema": {"schema": {"type": "object"}}}]}})
    );
}

#[test]
fn unused_options_are_not_sent() {
    let format = AudioFormat::RawPcm { sample_rate_hz: 8000, channels: 2 };
    let options = RecognitionOptions { speech_analysis: false, ..RecognitionOptions::default() };
    let body = serde_json::to_value(RecognizeFile::call(LINK, format, Channels::Separate, options)).unwrap();
    for absent in ["recognitionClassifier", "speechAnalysis", "speakerLabeling", "summarization"] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!(
        body["recognitionModel"]["audioFormat"],
        json!({"rawAudio": {"audioEncoding": "LINEAR16_PCM", "sampleRateHertz": "8000", "audioChannelCount": "2"}})
    );
    let reduced = serde_json::to_value(mono_call().without_labeling().without_summarization()).unwrap();
    assert_eq!((reduced.get("speakerLabeling"), reduced.get("summarization")), (None, None));
    assert!(mono_call().has_summarization() && !mono_call().without_summarization().has_summarization());
}

#[tokio::test]
async fn an_operation_runs_ends_or_fails() {
    let state = |body: &'static str| async move {
        let server = Server::always(Reply::json(200, body)).await;
        let operation = client(&server).operation("f8d/../x?y").await.unwrap();
        assert_eq!(server.only_request().target, "/operations/f8d%2F..%2Fx%3Fy");
        operation.state
    };
    assert_eq!(state(r#"{"id":"a","done":false}"#).await, OperationState::Running);
    assert_eq!(state(r#"{"id":"a","done":true}"#).await, OperationState::Done);
    assert_eq!(state(r#"{"id":"a","done":true,"error":null,"response":{}}"#).await, OperationState::Done);
    let failed = state(r#"{"id":"a","done":false,"error":{"code":3,"message":"audio is damaged"}}"#).await;
    let OperationState::Failed(failure) = failed else { panic!("{failed:?}") };
    assert_eq!((failure.0.grpc, failure.0.message.as_str()), (Some(3), "audio is damaged"));
}

#[tokio::test]
async fn a_result_is_stored_raw_and_parsed_as_a_stream() {
    let body = "{\"result\":{\"channelTag\":\"0\",\"final\":{\"alternatives\":[{\"text\":\"алло\"}]}}}\n{\n \"result\": {\n\
        \"channelTag\": \"0\", \"eouUpdate\": {\"timeMs\": \"900\"}}}{\"result\":{\"moodUpdate\":{}}}";
    let server = Server::always(Reply::json(200, body)).await;
    let result = client(&server).recognition("f8d example").await.unwrap();
    assert_eq!(result.raw, body);
    assert!(matches!(result.events[0].payload, EventPayload::Final(_)));
    assert!(matches!(result.events[1].payload, EventPayload::EouUpdate(_)));
    assert!(!format!("{result:?}").contains("алло"));
    assert_eq!(server.only_request().target, "/stt/v3/getRecognition?operation_id=f8d+example");
}

#[tokio::test]
async fn silence_is_an_empty_result() {
    let server = Server::always(Reply::json(200, "")).await;
    assert!(client(&server).recognition("f8d").await.unwrap().events.is_empty());
}

#[tokio::test]
async fn deleting_twice_succeeds() {
    for reply in [Reply::json(200, "{}"), Reply::json(404, r#"{"code":5,"message":"not found"}"#)] {
        let server = Server::always(reply).await;
        client(&server).delete_recognition("f8d").await.unwrap();
        let request = server.only_request();
        assert_eq!(request.method, "DELETE");
        assert_eq!(request.target, "/stt/v3/deleteRecognition?operation_id=f8d");
    }
}

#[tokio::test]
async fn credentials_are_sent_and_absent_from_debug() {
    let server = Server::always(Reply::json(200, r#"{"id":"a"}"#)).await;
    let credentials = YandexCredentials {
        auth: Auth::IamToken("iam-s3cr3t".into()),
        folder_id: Some("b1gfolder".into()),
        data_logging: true,
    };
    let config = Config {
        stt_url: server.base(),
        operation_url: server.base(),
        credentials,
        http: HttpOptions::default(),
        max_result_bytes: 1000,
    };
    assert!(!format!("{config:?}").contains("s3cr3t"));
    let speechkit = SpeechKit::new(config).unwrap();
    assert!(!format!("{speechkit:?}").contains("s3cr3t"));
    speechkit.operation("a").await.unwrap();
    let request = server.only_request();
    assert_eq!(request.header("authorization"), Some("Bearer iam-s3cr3t"));
    assert_eq!(request.header("x-folder-id"), Some("b1gfolder"));
    assert_eq!(request.header("x-data-logging-enabled"), Some("true"));
}
