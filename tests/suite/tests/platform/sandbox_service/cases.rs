//! Cases of `docs/sandbox.md`, "How to reach a case", that no other test reaches.

use std::io::Write as _;

use anyhow::Context as _;
use flysk_suite::environment::{ACCOUNT, ADMIN, Options, SandboxProcess};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{START, entries, post, start};

/// Types of the events of an account in an answer, in order.
fn events_of(answer: &Value, account: &Value) -> Vec<String> {
    let items = answer["items"].as_array().into_iter().flatten();
    let own = items.filter(|item| item["type"] == "event" && item["account_id"] == *account);
    own.map(|item| item["event_type"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A sandbox with another widget; the file must live until it runs.
fn start_with(widget: &Value) -> anyhow::Result<SandboxProcess> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(widget.to_string().as_bytes())?;
    let path = file.path().to_str().context("a path")?;
    SandboxProcess::start(&Options::with_fixtures(0.0)?, &["--starts-at", START, "--widget", path])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_no_coins_a_trial_ends_and_a_subscription_lapses() -> anyhow::Result<()> {
    let sandbox = start_with(&json!({ "billing": {} }))?;
    let charge =
        json!({ "account_id": ACCOUNT, "lines": [{ "service": "my-widget.request", "quantity": 1 }] });
    let headers = [("X-Project-Token", sandbox.text("/project_token")), ("Idempotency-Key", "charge-1")];
    let path = "/v1/backend/flycoins/charges";
    let (status, problem) = sandbox.api(Method::POST, path, &headers, Some(&charge)).await?;
    let seen = (status, problem["code"].as_str());
    assert_eq!(seen, (StatusCode::PAYMENT_REQUIRED, Some("insufficient_balance")), "{problem}");

    let trying = post(&sandbox, "/accounts", json!({ "subdomain": "trying" })).await?;
    let card = post(&sandbox, "/cards", json!({ "charges": ["lost"] })).await?;
    sandbox.subscribe(ACCOUNT, ADMIN, card["number"].as_str().context("a card")?).await?;
    let moved = post(&sandbox, "/clock/advance", json!({ "by": "2mo" })).await?;
    let lapsed = events_of(&moved, &json!(ACCOUNT));
    for event in ["payment_failed", "past_due", "expired"] {
        assert!(lapsed.contains(&format!("subscription.{event}")), "{event}: {lapsed:?}");
    }
    let tried = events_of(&moved, &trying["account"]["id"]);
    for event in ["trial_ending", "trial_ended"] {
        assert!(tried.contains(&format!("subscription.{event}")), "{event}: {tried:?}");
    }
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_do_on_the_form_what_was_chosen() -> anyhow::Result<()> {
    let sandbox = start()?;
    let pay = async |form: &str| {
        let card = post(&sandbox, "/cards", json!({ "form": form })).await?;
        let purchase = sandbox.order_coins(ACCOUNT, ADMIN, form).await?;
        let path = format!("/payments/{purchase}/pay");
        post(&sandbox, &path, json!({ "card": card["number"] })).await
    };
    for declines in ["declined", "insufficient_funds", "three_d_secure", "expired", "lost", "fraud"] {
        let told = pay(declines).await?;
        assert_eq!(entries(&told, "payment", &["outcome"]), [[&json!(declines)]], "{told}");
    }
    let told = pay("late_success").await?;
    assert_eq!(entries(&told, "payment", &["outcome"]), [[&json!("declined")]], "{told}");
    let moved = post(&sandbox, "/clock/advance", json!({ "by": "2min" })).await?;
    assert_eq!(entries(&moved, "payment", &["outcome"]), [[&json!("paid")]], "{moved}");
    assert_eq!(entries(&moved, "flycoins", &["available_micro"]), [[&json!(500_000_000)]], "{moved}");
    let told = pay("unknown").await?;
    let seen = (&told["payment"]["outcome"], entries(&told, "payment", &["outcome"]).len());
    assert_eq!(seen, (&json!("pending"), 0), "{told}");
    sandbox.stop()
}
