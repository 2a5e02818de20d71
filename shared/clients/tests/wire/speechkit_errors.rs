//! SpeechKit's refusals and malformed responses.

use flysk_clients::http::HttpOptions;
use flysk_clients::speechkit::{Config, SpeechKit, SpeechKitError};
use flysk_clients::yandex::YandexCredentials;
use flysk_domain::failure_action::FailureAction;
use serde_json::json;

use crate::server::{Reply, Server, closed_port};
use crate::speechkit::{client, mono_call};

/// The three observed formats of the same error.
fn shapes(http: u16, grpc: u16, message: &str) -> [Reply; 3] {
    [
        json!({"code": grpc, "message": message, "details": []}),
        json!({"error": {"grpcCode": grpc, "httpCode": http, "message": message, "httpStatus": "…"}}),
        json!({"error": {"code": grpc.to_string(), "message": message}}),
    ]
    .map(|body| Reply::json(http, body.to_string()))
}

async fn submit(reply: Reply) -> SpeechKitError {
    let server = Server::always(reply).await;
    client(&server).submit(&mono_call()).await.unwrap_err()
}

async fn result(reply: Reply) -> SpeechKitError {
    let server = Server::always(reply).await;
    client(&server).recognition("f8d").await.unwrap_err()
}

#[tokio::test]
async fn not_ready_is_distinguished_from_deleted() {
    for reply in shapes(404, 5, "operation data is not ready f8d") {
        let error = result(reply).await;
        assert!(matches!(error, SpeechKitError::NotReady), "{error:?}");
        assert_eq!(error.outcome(), FailureAction::WAIT);
    }
    for reply in shapes(404, 5, "operation f8d not found") {
        let error = result(reply).await;
        assert!(matches!(error, SpeechKitError::NotFound(_)), "{error:?}");
        assert_eq!(error.outcome(), FailureAction::GiveUp);
    }
}

#[tokio::test]
async fn an_error_about_an_optional_part_names_the_part() {
    for reply in shapes(400, 3, "Speaker labeling is only for mono-channel audio files") {
        let error = submit(reply).await;
        assert!(matches!(error, SpeechKitError::LabelingNeedsMono(_)), "{error:?}");
    }
    for (http, grpc) in [(400, 3), (403, 7)] {
        for reply in shapes(http, grpc, "access to language models denied for summarization") {
            let error = submit(reply).await;
            assert!(matches!(error, SpeechKitError::SummarizationDenied(_)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn codes_are_classified() {
    for (http, grpc, outcome) in [
        (400, 3, FailureAction::GiveUp),
        (401, 16, FailureAction::GiveUp),
        (403, 7, FailureAction::GiveUp),
        (404, 5, FailureAction::GiveUp),
        (429, 8, FailureAction::WAIT),
        (501, 12, FailureAction::GiveUp),
        (503, 14, FailureAction::RETRY),
    ] {
        for reply in shapes(http, grpc, "in other words") {
            assert_eq!(submit(reply.clone()).await.outcome(), outcome, "{http} {grpc}");
            assert_eq!(result(reply).await.outcome(), outcome, "{http} {grpc}");
        }
    }
    assert_eq!(result(Reply::page(502)).await.outcome(), FailureAction::RETRY);
}

#[tokio::test]
async fn a_submission_without_a_response_may_have_started() {
    let accepted = r#"{"id":"f8dexample","done":false}"#;
    for reply in [
        Reply::nothing(),
        Reply::cut(200, &[], accepted, 10),
        Reply::page(200),
        Reply::json(200, r#"{"done":false}"#),
        Reply::json(504, r#"{"code":4,"message":"deadline exceeded"}"#),
        Reply::json(500, r#"{"code":13,"message":"internal"}"#),
        Reply::page(500),
        Reply::page(502),
        Reply::page(504),
    ] {
        let label = format!("{reply:?}");
        let error = submit(reply.clone()).await;
        assert!(matches!(error, SpeechKitError::SubmitLost(_)), "{label}: {error:?}");
        assert_eq!(error.outcome(), FailureAction::Unknown, "{label}");
        let server = Server::always(reply).await;
        let error = client(&server).operation("f8d").await.unwrap_err();
        assert_eq!(error.outcome(), FailureAction::RETRY, "{label}: {error:?}");
    }
}

#[tokio::test]
async fn an_unsent_submission_may_be_repeated() {
    let port = closed_port().await;
    let base: url::Url = format!("http://{port}/").parse().unwrap();
    let speechkit = SpeechKit::new(Config {
        stt_url: base.clone(),
        operation_url: base,
        credentials: YandexCredentials::with_api_key("key-s3cr3t".into()),
        http: HttpOptions::default(),
        max_result_bytes: 1000,
    })
    .unwrap();
    let error = speechkit.submit(&mono_call()).await.unwrap_err();
    assert!(matches!(error, SpeechKitError::NoAnswer(_)), "{error:?}");
    assert_eq!(error.outcome(), FailureAction::RETRY);
    assert!(!crate::all_words(&error).contains("s3cr3t"));
}

#[tokio::test]
async fn a_truncated_oversized_or_broken_result_is_retried() {
    let event = r#"{"result":{"eouUpdate":{"timeMs":"5"}}}"#;
    let cut_inside = Reply::json(200, format!("{event}{}", &event[..20]));
    let cut_connection = Reply::cut(200, &[], event.repeat(3), event.len());
    let too_long = Reply::json(200, event.repeat(1000));
    for reply in [cut_inside, cut_connection, too_long] {
        assert_eq!(result(reply).await.outcome(), FailureAction::RETRY);
    }
    let broken_off =
        |code: u16| Reply::json(200, format!(r#"{event}{{"error":{{"code":{code},"message":"sorry"}}}}"#));
    let error = result(broken_off(14)).await;
    assert!(matches!(error, SpeechKitError::Unavailable(_)), "{error:?}");
    let error = result(broken_off(8)).await;
    assert!(matches!(error, SpeechKitError::Quota { .. }), "{error:?}");
}
