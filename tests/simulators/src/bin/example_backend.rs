//! The Rust backend of `docs/integrate.md`, run by `tests/suite/tests/platform/examples.rs`. The document contains this file
//! without its first lines.
#![expect(
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    reason = "a vendor's program has neither Flysk's configuration nor its clock, and prints what it receives"
)]

use std::collections::HashSet;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, Mac as _};
use poem::http::StatusCode;
use poem::listener::TcpListener;
use poem::web::{Data, Json};
use poem::{EndpointExt as _, Request, Route, Server, handler, post};
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const ATTEMPTS: u32 = 5;

/// An error of Flysk. Match on `code`.
#[derive(Debug, Deserialize)]
struct Problem {
    status: u16,
    code: String,
    detail: String,
}

struct Backend {
    http: reqwest::Client,
    flysk: String,
    project_token: String,
    event_key: Vec<u8>,
    service: String,
    /// Ids of events; a real backend keeps them in its database.
    known: Mutex<HashSet<String>>,
}

impl Backend {
    /// Calls Flysk. After 429, 500, 502, 503 and without an answer, repeats the request with the same key.
    async fn call(&self, path: &str, body: &Value, key: Option<&str>) -> Result<Value, Problem> {
        let mut attempt = 1;
        loop {
            let request = self.http.post(format!("{}{path}", self.flysk));
            let mut request = request.header("X-Project-Token", &self.project_token).json(body);
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            let (problem, pause) = match request.send().await {
                Ok(answer) if answer.status().is_success() => {
                    return answer.json().await.map_err(|error| no_answer(&error));
                }
                Ok(answer) => {
                    let pause =
                        answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                    (read_problem(answer).await, pause)
                }
                Err(error) => (no_answer(&error), None),
            };
            if !matches!(problem.status, 429 | 500 | 502 | 503) || attempt == ATTEMPTS {
                return Err(problem);
            }
            tokio::time::sleep(Duration::from_secs(pause.unwrap_or(2_u64.pow(attempt)))).await;
            attempt += 1;
        }
    }

    /// Whether Flysk sent the event within five minutes. The header holds a signature for each valid secret.
    fn is_signed(&self, request: &Request, body: &[u8]) -> Option<bool> {
        let (id, sent_at) = (request.header("webhook-id")?, request.header("webhook-timestamp")?);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        if now.abs_diff(sent_at.parse().ok()?) > 300 {
            return Some(false);
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.event_key).ok()?;
        mac.update(format!("{id}.{sent_at}.").as_bytes());
        mac.update(body);
        let mut signatures = request.header("webhook-signature")?.split(' ');
        Some(signatures.any(|signature| {
            let signature = signature.strip_prefix("v1,").and_then(|text| BASE64_STANDARD.decode(text).ok());
            signature.is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok())
        }))
    }

    /// Charges one piece of the service, does the work, refunds the charge if it fails.
    async fn count_words(&self, token: &str, work: &Value) -> Result<(u16, Value), Problem> {
        let user = self.call("/v1/pauth", &json!({ "token": token }), None).await?;
        let (account, id) = (&user["account_id"], work["id"].as_str().unwrap_or_default());
        let line = json!({ "service": self.service, "quantity": 1 });
        let charge = json!({ "account_id": account, "lines": [line], "reference": id });
        let key = key_of("charge", account, work);
        let paid = self.call("/v1/backend/flycoins/charges", &charge, Some(&key)).await?;
        // The work failed before and was refunded: it needs another id.
        if paid["refunded_micro"] != 0 {
            return Ok((409, json!({ "error": "work_refunded" })));
        }
        let words = work["text"].as_str().unwrap_or_default().split_whitespace().count();
        if words == 0 {
            let refund =
                json!({ "account_id": account, "transaction_id": paid["transaction_id"], "all": true });
            let key = key_of("refund", account, work);
            self.call("/v1/backend/flycoins/refunds", &refund, Some(&key)).await?;
            return Ok((422, json!({ "error": "no words" })));
        }
        Ok((200, json!({ "words": words, "charged_micro": paid["charged_micro"] })))
    }
}

/// Idempotency key of an act of a work. The page chooses the id: another account, or another text, is another work.
fn key_of(act: &str, account: &Value, work: &Value) -> String {
    let bound = json!([account, work["id"], work["text"]]).to_string();
    format!("{act}-{:x}", Sha256::digest(bound))
}

async fn read_problem(answer: reqwest::Response) -> Problem {
    let status = answer.status().as_u16();
    let unknown =
        |_| Problem { status, code: "unknown".to_owned(), detail: "not an answer of Flysk".to_owned() };
    answer.json().await.unwrap_or_else(unknown)
}

fn no_answer(error: &reqwest::Error) -> Problem {
    Problem { status: 503, code: "no_answer".to_owned(), detail: error.to_string() }
}

#[handler]
fn receive_event(backend: Data<&Arc<Backend>>, request: &Request, body: Vec<u8>) -> StatusCode {
    if backend.is_signed(request, &body) != Some(true) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let id = event["id"].as_str().unwrap_or_default().to_owned();
    if backend.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
        println!(
            "event {} {} {}",
            event["type"].as_str().unwrap_or_default(),
            event["account_id"],
            event["data"]
        );
    }
    StatusCode::NO_CONTENT
}

/// A request of the widget.
#[handler]
async fn answer_words(
    backend: Data<&Arc<Backend>>,
    request: &Request,
    work: Json<Value>,
) -> (StatusCode, Json<Value>) {
    let token = request.header("X-Auth-Token").unwrap_or_default();
    let (status, content) = match backend.count_words(token, &work).await {
        Ok(answer) => answer,
        Err(problem) => {
            println!("refused {} {}: {}", problem.status, problem.code, problem.detail);
            (problem.status, json!({ "error": problem.code }))
        }
    };
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), Json(content))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let secret = env::var("EVENT_SECRET")?;
    let secret = secret.strip_prefix("whsec_").context("the event secret begins with whsec_")?;
    let backend = Arc::new(Backend {
        http: reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?,
        flysk: env::var("FLYSK")?,
        project_token: env::var("PROJECT_TOKEN")?,
        event_key: BASE64_STANDARD.decode(secret)?,
        service: env::var("SERVICE").unwrap_or_else(|_| "my-widget.request".to_owned()),
        known: Mutex::default(),
    });
    let port = env::var("PORT").unwrap_or_else(|_| "8800".to_owned());
    let app =
        Route::new().at("/flysk/events", post(receive_event)).at("/words", post(answer_words)).data(backend);
    Server::new(TcpListener::bind(format!("127.0.0.1:{port}"))).run(app).await?;
    Ok(())
}
