//! YandexGPT: request bodies, responses and errors.

use std::time::Duration;

use flysk_clients::http::HttpOptions;
use flysk_clients::yandex::YandexCredentials;
use flysk_clients::yandexgpt::{
    Completion, CompletionResponse, Config, Ending, Message, Role, YandexGpt, YandexGptError,
};
use flysk_domain::failure_action::FailureAction;
use serde_json::json;

use crate::server::{Reply, Server};

async fn ask(server: &Server) -> Result<CompletionResponse, YandexGptError> {
    let credentials = YandexCredentials {
        folder_id: Some("b1gfolder".into()),
        ..YandexCredentials::with_api_key("key-s3cr3t".into())
    };
    let gpt = YandexGpt::new(Config { base_url: server.base(), credentials, http: HttpOptions::default() })
        .unwrap();
    let message = |role, text: &str| Message { role, text: text.into() };
    gpt.complete(&Completion {
        model_uri: "gpt://b1gfolder/yandexgpt-lite/latest".into(),
        messages: vec![message(Role::System, "Sum up."), message(Role::User, "Operator: hello")],
        temperature: 0.1,
        max_tokens: 1500,
        json_schema: Some(json!({"type": "object"})),
    })
    .await
}

#[tokio::test]
async fn a_completion_is_requested_and_parsed_as_documented() {
    let body = json!({"result": {"alternatives": [{"message": {"role": "assistant", "text": "{\"sentiment\":\"neutral\"}"},
        "status": "ALTERNATIVE_STATUS_FINAL"}], "usage": {"totalTokens": "960"}, "modelVersion": "v5"}});
    let server = Server::always(Reply::json(200, body.to_string())).await;
    let answer = ask(&server).await.unwrap();
    assert_eq!((answer.ending.clone(), answer.usage.total_tokens), (Ending::Complete, 960));
    assert_eq!(answer.json::<serde_json::Value>(), Some(json!({"sentiment": "neutral"})));
    assert!(!format!("{answer:?}").contains("neutral"));
    let request = server.only_request();
    assert_eq!(
        (request.method.as_str(), request.target.as_str()),
        ("POST", "/foundationModels/v1/completion")
    );
    assert_eq!(request.header("authorization"), Some("Api-Key key-s3cr3t"));
    assert_eq!(request.header("x-folder-id"), Some("b1gfolder"));
    assert_eq!(request.header("x-data-logging-enabled"), None);
    assert_eq!(
        request.json(),
        json!({"modelUri": "gpt://b1gfolder/yandexgpt-lite/latest",
            "completionOptions": {"stream": false, "temperature": 0.1, "maxTokens": "1500",
                "reasoningOptions": {"mode": "DISABLED"}},
            "messages": [{"role": "system", "text": "Sum up."}, {"role": "user", "text": "Operator: hello"}],
            "jsonSchema": {"schema": {"type": "object"}}})
    );
}

#[tokio::test]
async fn error_responses_are_classified() {
    let after = Some(Duration::from_secs(9));
    for (reply, outcome) in [
        (Reply::json(400, r#"{"error":{"grpcCode":3,"message":"bad schema"}}"#), FailureAction::GiveUp),
        (Reply::json(401, r#"{"error":{"grpcCode":16,"message":"who"}}"#), FailureAction::GiveUp),
        (Reply::new(429, &[("Retry-After", "9")], "{}"), FailureAction::Wait { after }),
        (Reply::json(504, "{}"), FailureAction::RETRY),
        (Reply::page(503), FailureAction::RETRY),
        (Reply::page(200), FailureAction::RETRY),
        (Reply::nothing(), FailureAction::RETRY),
    ] {
        let label = format!("{reply:?}");
        let server = Server::always(reply).await;
        let error = ask(&server).await.unwrap_err();
        assert_eq!(error.outcome(), outcome, "{label}");
        assert!(!crate::all_words(&error).contains("s3cr3t"), "{label}");
    }
}
