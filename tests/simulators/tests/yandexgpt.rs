//! Text generation: rejected requests, and answers in the requested format.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use flysk_simulators::yandexgpt::{self, Behaviour, Options, Outcome, YandexGpt};
use flysk_simulators::{Control, Credential, Running};
use serde_json::{Value, json};

const PATH: &str = "/foundationModels/v1/completion";

async fn model() -> Running<YandexGpt> {
    let deaf = Credential { language_models: false, ..Credential::api_key("speech-only") };
    let credentials = vec![Credential::api_key("key"), deaf];
    yandexgpt::start(Options { bind: None, credentials }, Control::default()).await.unwrap()
}

fn request() -> Value {
    json!({
        "modelUri": "gpt://b1gfolder/yandexgpt-lite/latest",
        "completionOptions": { "stream": false, "temperature": 0.1, "maxTokens": "1500",
                               "reasoningOptions": { "mode": "DISABLED" } },
        "messages": [
            { "role": "system", "text": "Кратко опиши разговор, ответ дай в JSON." },
            { "role": "user", "text": "Оператор: Слушаю вас.\nКлиент: У меня третий раз не работает виджет." },
        ],
        "jsonSchema": { "schema": { "type": "object", "properties": {
            "sentiment": { "type": "string", "enum": ["negative", "neutral", "positive"] },
            "summary": { "type": "string" } }, "required": ["sentiment", "summary"] } },
    })
}

async fn post_as(model: &Running<YandexGpt>, key: &str, body: &Value) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent =
        client.post(format!("{}{PATH}", model.url)).header("Authorization", key).body(body.to_string());
    let response = sent.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn post(model: &Running<YandexGpt>, body: &Value) -> (u16, String) {
    post_as(model, "Api-Key key", body).await
}

async fn alternative(model: &Running<YandexGpt>, body: &Value) -> (String, String) {
    let (status, text) = post(model, body).await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let alternative = &answer["result"]["alternatives"][0];
    assert!(answer["result"]["usage"]["totalTokens"].is_string());
    let part = |value: &Value| value.as_str().unwrap().to_owned();
    (part(&alternative["status"]), part(&alternative["message"]["text"]))
}

#[tokio::test]
async fn the_answer_follows_the_schema_and_the_dialogue() {
    let model = model().await;
    let (status, text) = alternative(&model, &request()).await;
    assert_eq!(status, "ALTERNATIVE_STATUS_FINAL");
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["sentiment"], "negative");
    assert!(found["summary"].as_str().unwrap().contains("не работает виджет"));
    assert_eq!(alternative(&model, &request()).await.1, text, "the same dialogue, the same answer");
}

#[tokio::test]
async fn requests_are_parsed_strictly() {
    let model = model().await;
    let wrong = [
        ("/modelURI", json!("gpt://b1gfolder/yandexgpt/latest")),
        ("/modelUri", json!("gpt://b1gfolder/gpt-oss-20b/latest")),
        ("/jsonObject", json!(true)),
        ("/messages", json!([])),
        ("/messages/0/role", json!("developer")),
        ("/messages/0/content", json!("x")),
        ("/completionOptions/temperature", json!(1.5)),
        ("/completionOptions/maxTokens", json!("many")),
        ("/completionOptions/maxTokens", json!(0)),
        ("/completionOptions/reasoningOptions/mode", json!("OFF")),
        ("/jsonSchema/schema", json!("{}")),
    ];
    for (path, value) in wrong {
        let mut body = request();
        let (parent, name) = path.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value.clone();
        let (status, text) = post(&model, &body).await;
        assert_eq!(status, 400, "{path} = {value}: {text}");
    }
    let mut loose = json!({ "model_uri": "gpt://f/yandexgpt", "completion_options": { "max_tokens": 9 } });
    loose["messages"] = json!([{ "role": "user", "text": "Привет" }]);
    assert_eq!(post(&model, &loose).await.0, 200, "snake_case and numbers are fine");
}

#[tokio::test]
async fn unknown_keys_and_keys_without_the_scope_are_rejected() {
    let model = model().await;
    assert_eq!(post_as(&model, "Api-Key nobody", &request()).await.0, 401);
    assert_eq!(post_as(&model, "Api-Key speech-only", &request()).await.0, 403);
}

#[tokio::test]
async fn every_failure_can_be_simulated() {
    let model = model().await;
    let end_with = |outcome| model.state.behave(Behaviour { outcome, ..Behaviour::default() });
    end_with(Outcome::ContentFilter);
    let (status, text) = alternative(&model, &request()).await;
    assert_eq!(status, "ALTERNATIVE_STATUS_CONTENT_FILTER");
    assert!(serde_json::from_str::<Value>(&text).is_err());
    end_with(Outcome::Truncated);
    let (status, text) = alternative(&model, &request()).await;
    assert_eq!(status, "ALTERNATIVE_STATUS_TRUNCATED_FINAL");
    assert!(serde_json::from_str::<Value>(&text).is_err());
    end_with(Outcome::Fenced);
    let (_, text) = alternative(&model, &request()).await;
    assert!(text.starts_with("```json\n") && text.ends_with("\n```"));
    end_with(Outcome::Failure);
    assert_eq!(post(&model, &request()).await.0, 500);
    end_with(Outcome::Answer);
    let mut short = request();
    short["completionOptions"]["maxTokens"] = json!(5);
    assert_eq!(alternative(&model, &short).await.0, "ALTERNATIVE_STATUS_TRUNCATED_FINAL");
    let mut blank = json!({ "modelUri": "gpt://f/yandexgpt", "jsonObject": true });
    blank["messages"] = json!([{ "role": "user", "text": "Клиент: Алло." }]);
    assert_eq!(alternative(&model, &blank).await.1.trim(), "", "the prompt does not mention JSON");
}

#[tokio::test]
async fn a_stream_is_several_objects_that_grow() {
    let model = model().await;
    let mut body = request();
    body["completionOptions"]["stream"] = json!(true);
    let (_, text) = post(&model, &body).await;
    let parts: Vec<Value> =
        serde_json::Deserializer::from_str(&text).into_iter().collect::<Result<_, _>>().unwrap();
    let statuses: Vec<_> =
        parts.iter().map(|part| part["result"]["alternatives"][0]["status"].clone()).collect();
    assert_eq!(statuses.first().unwrap(), "ALTERNATIVE_STATUS_PARTIAL");
    assert_eq!(statuses.last().unwrap(), "ALTERNATIVE_STATUS_FINAL");
}

#[tokio::test]
async fn at_most_ten_generations_run_concurrently() {
    let model = model().await;
    model.state.behave(Behaviour { answer_ms: 3_000, ..Behaviour::default() });
    let body = request();
    let answers = futures::future::join_all((0..12).map(|_| post(&model, &body))).await;
    let refused = answers.iter().filter(|(status, _)| *status == 429).count();
    assert_eq!((answers.len() - refused, refused), (yandexgpt::MAX_CONCURRENT_REQUESTS, 2));
    assert_eq!(post(&model, &body).await.0, 200, "slots are given back");
}
