//! SpeechKit's refusals and broken answers.

use flysk_clients::http::HttpOptions;
use flysk_clients::speechkit::{Config, SpeechKit, SpeechKitError};
use flysk_clients::yandex::Account;
use flysk_domain::platform::outcome::Outcome;
use serde_json::json;

use crate::server::{Reply, Server, closed_port};
use crate::speechkit::{client, mono_call};

/// The three shapes in which the same error is seen.
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
async fn not_ready_is_told_from_gone() {
    for reply in shapes(404, 5, "operation data is not ready f8d") {
        let error = result(reply).await;
        assert!(matches!(error, SpeechKitError::NotReady), "{error:?}");
        assert_eq!(error.outcome(), Outcome::WAIT);
    }
    for reply in shapes(404, 5, "operation f8d not found") {
        let error = result(reply).await;
        assert!(matches!(error, SpeechKitError::NotFound(_)), "{error:?}");
        assert_eq!(error.outcome(), Outcome::GiveUp);
    }
}

#[tokio::test]
async fn a_request_that_would_pass_without_a_part_says_which() {
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
async fn each_code_has_its_meaning() {
    for (http, grpc, outcome) in [
        (400, 3, Outcome::GiveUp),
        (401, 16, Outcome::GiveUp),
        (403, 7, Outcome::GiveUp),
        (404, 5, Outcome::GiveUp),
        (429, 8, Outcome::WAIT),
        (500, 13, Outcome::RETRY),
        (501, 12, Outcome::GiveUp),
        (503, 14, Outcome::RETRY),
    ] {
        for reply in shapes(http, grpc, "in other words") {
            assert_eq!(submit(reply.clone()).await.outcome(), outcome, "{http} {grpc}");
            assert_eq!(result(reply).await.outcome(), outcome, "{http} {grpc}");
        }
    }
    assert_eq!(result(Reply::page(502)).await.outcome(), Outcome::RETRY);
}

#[tokio::test]
async fn a_submit_whose_answer_is_lost_may_run_and_a_question_may_be_repeated() {
    let accepted = r#"{"id":"f8dexample","done":false}"#;
    for reply in [
        Reply::nothing(),
        Reply::cut(200, &[], accepted, 10),
        Reply::page(200),
        Reply::json(200, r#"{"done":false}"#),
        Reply::json(504, r#"{"code":4,"message":"deadline exceeded"}"#),
    ] {
        let label = format!("{reply:?}");
        let error = submit(reply.clone()).await;
        assert!(matches!(error, SpeechKitError::SubmitLost(_)), "{label}: {error:?}");
        assert_eq!(error.outcome(), Outcome::Unknown, "{label}");
        let server = Server::always(reply).await;
        let error = client(&server).operation("f8d").await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::RETRY, "{label}: {error:?}");
    }
}

#[tokio::test]
async fn a_submit_that_never_left_may_be_repeated() {
    let port = closed_port().await;
    let base: url::Url = format!("http://{port}/").parse().unwrap();
    let speechkit = SpeechKit::new(Config {
        stt_url: base.clone(),
        operation_url: base,
        account: Account::with_api_key("key-s3cr3t".into()),
        http: HttpOptions::default(),
        max_result_bytes: 1000,
    })
    .unwrap();
    let error = speechkit.submit(&mono_call()).await.unwrap_err();
    assert!(matches!(error, SpeechKitError::NoAnswer(_)), "{error:?}");
    assert_eq!(error.outcome(), Outcome::RETRY);
    assert!(!crate::all_words(&error).contains("s3cr3t"));
}

#[tokio::test]
async fn a_result_that_is_cut_too_long_or_breaks_off_is_asked_for_again() {
    let event = r#"{"result":{"eouUpdate":{"timeMs":"5"}}}"#;
    let cut_inside = Reply::json(200, format!("{event}{}", &event[..20]));
    let cut_connection = Reply::cut(200, &[], event.repeat(3), event.len());
    let too_long = Reply::json(200, event.repeat(1000));
    for reply in [cut_inside, cut_connection, too_long] {
        assert_eq!(result(reply).await.outcome(), Outcome::RETRY);
    }
    let broken_off =
        |code: u16| Reply::json(200, format!(r#"{event}{{"error":{{"code":{code},"message":"sorry"}}}}"#));
    let error = result(broken_off(14)).await;
    assert!(matches!(error, SpeechKitError::Unavailable(_)), "{error:?}");
    let error = result(broken_off(8)).await;
    assert!(matches!(error, SpeechKitError::Quota { .. }), "{error:?}");
}
