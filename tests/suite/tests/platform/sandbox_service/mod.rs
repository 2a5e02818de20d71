//! `flysk-sandbox` as vendors use it: the executable, over HTTP only.

mod acts;
mod amocrm;
mod cases;
mod clients;
mod compose;
mod database;
mod guide;
mod in_order;
mod late_rows;
mod losses;
mod own_failures;
mod refusals;
mod running_clock;
mod slow_backend;
mod vendor_ci;

use flysk_suite::environment::{ACCOUNT, Options, SandboxProcess};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Time at the start.
const START: &str = "2027-01-31T09:00:00Z";

/// A sandbox that accepts events itself.
fn start() -> anyhow::Result<SandboxProcess> {
    SandboxProcess::start(&Options::with_fixtures(0.0)?, &["--starts-at", START])
}

async fn post(sandbox: &SandboxProcess, path: &str, body: Value) -> anyhow::Result<Value> {
    sandbox.control(Method::POST, path, Some(&body)).await
}

/// The answer to the widget's backend that asks for access to the account.
async fn ask_for_access(sandbox: &SandboxProcess) -> anyhow::Result<(StatusCode, Value)> {
    let token = [("X-Project-Token", sandbox.text("/project_token"))];
    sandbox.api(Method::POST, "/v1/pauth", &token, Some(&json!({ "account_id": ACCOUNT }))).await
}

/// Fields of the entries of a type.
fn entries<'a>(answer: &'a Value, kind: &str, fields: &[&str]) -> Vec<Vec<&'a Value>> {
    let items = answer["items"].as_array().unwrap_or_else(|| panic!("no items: {answer}"));
    let of_kind = items.iter().filter(|item| item["type"] == kind);
    of_kind.map(|item| fields.iter().map(|field| &item[field]).collect()).collect()
}
