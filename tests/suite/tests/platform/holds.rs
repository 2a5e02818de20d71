//! Holds over HTTP: placed, captured, released, expired.

use chrono::TimeDelta;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::flycoins::ExpireHolds;
use flysk_store::jobs::JobState;
use flysk_suite::environment::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::charging::{BONUS, FLYCOINS, WalletClient, seconds_of};
use super::harness::trace;

/// Body of a hold for a minute of recognition, valid for an hour.
fn a_minute() -> Value {
    let mut body = seconds_of(60);
    body["expires_in_s"] = json!(3_600);
    body["reference"] = json!("Звонок 12:41");
    body
}

async fn hold(client: &WalletClient) -> String {
    let held = client.write("/holds", a_minute()).await;
    assert_eq!(held.status, StatusCode::CREATED, "{held:?}");
    held.text("hold_id")
}

async fn state(client: &WalletClient, hold: &str) -> Value {
    let (status, body) = client.app.backend(Method::GET, &format!("{FLYCOINS}/holds/{hold}"), None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_hold_reduces_the_available_amount_and_is_idempotent(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let first = client.write_as("hold-1", "/holds", a_minute()).await;
    assert_eq!((first.status, first.micro("amount_micro")), (StatusCode::CREATED, 2_500_000), "{first:?}");
    assert_eq!((first.micro("available_micro"), first.micro("held_micro")), (BONUS - 2_500_000, 2_500_000));
    assert_eq!(first.body["receipt"][0]["amount_micro"], 2_500_000);
    let again = client.write_as("hold-1", "/holds", a_minute()).await;
    assert_eq!((again.status, again.replayed, &again.body), (first.status, true, &first.body));
    assert_eq!(client.balance().await, (BONUS - 2_500_000, 2_500_000));
    let told = state(&client, &first.text("hold_id")).await;
    assert_eq!(
        (&told["state"], &told["account_id"], &told["expires_at"]),
        (&json!("open"), &json!(ACCOUNT), &first.body["expires_at"])
    );
    let amount = json!({ "account_id": ACCOUNT, "amount_micro": 7, "expires_in_s": 60 });
    let by_amount = client.write("/holds", amount).await;
    assert_eq!((by_amount.micro("amount_micro"), &by_amount.body["receipt"]), (7, &json!([])));
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invalid_hold_has_a_reason(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let with = |name: &str, value: Value| {
        let mut body = a_minute();
        body[name] = value;
        body
    };
    for (body, problem) in [
        (with("expires_in_s", json!(59)), (400, "invalid_request")),
        (with("expires_in_s", json!(604_801)), (400, "invalid_request")),
        (with("amount_micro", json!(1)), (400, "invalid_request")),
        (with("lines", Value::Null), (400, "invalid_request")),
        (with("account_id", json!(404)), (404, "install_not_found")),
        (with("reference", json!("x".repeat(201))), (400, "invalid_request")),
        (
            json!({ "account_id": ACCOUNT, "amount_micro": BONUS + 1, "expires_in_s": 60 }),
            (402, "insufficient_balance"),
        ),
    ] {
        let refused = client.write("/holds", body.clone()).await;
        assert_eq!(refused.problem(), problem, "{body}: {}", refused.body);
    }
    for id in ["hld_01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense"] {
        let (status, problem) =
            client.app.backend(Method::GET, &format!("{FLYCOINS}/holds/{id}"), None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown_hold")));
        let refused = client.write(&format!("/holds/{id}/release"), json!({})).await;
        assert_eq!(refused.problem(), (404, "unknown_hold"));
    }
    assert_eq!(client.balance().await, (BONUS, 0));
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_capture_charges_the_actual_price_below_or_above_the_hold(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    for (seconds, charged) in [(30, 1_250_000), (60, 2_500_000), (90, 3_750_000)] {
        let before = client.balance().await.0;
        let path = format!("/holds/{}/capture", hold(&client).await);
        let lines = json!({ "lines": seconds_of(seconds)["lines"], "reference": "Звонок 12:41" });
        let key = format!("capture-{seconds}");
        let captured = client.write_as(&key, &path, lines.clone()).await;
        assert_eq!(
            (captured.status, captured.micro("charged_micro"), captured.micro("available_micro")),
            (StatusCode::OK, charged, before - charged),
            "{captured:?}"
        );
        assert_eq!(captured.body["receipt"][0]["amount_micro"], charged);
        let again = client.write_as(&key, &path, lines.clone()).await;
        assert_eq!((again.replayed, &again.body), (true, &captured.body));
        assert_eq!(client.write(&path, lines).await.problem(), (409, "hold_ended"));
        // A captured amount can be refunded like any charge.
        let refund = captured.text("transaction_id");
        let refund = json!({ "account_id": ACCOUNT, "transaction_id": refund, "all": true });
        assert_eq!(client.write("/refunds", refund).await.micro("refunded_micro"), charged);
        assert_eq!(client.balance().await, (before, 0));
    }
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_capture_beyond_the_balance_leaves_the_hold_unchanged(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let hold = hold(&client).await;
    let path = format!("/holds/{hold}/capture");
    let refused = client.write(&path, json!({ "lines": seconds_of(1_000_000)["lines"] })).await;
    assert_eq!(refused.problem(), (402, "insufficient_balance"));
    assert!(refused.text("detail").contains("97.500000 are available besides 2.500000 in the hold"));
    let free = client.write(&path, json!({ "lines": seconds_of(0)["lines"] })).await;
    assert_eq!(free.problem(), (400, "invalid_request"));
    assert_eq!(state(&client, &hold).await["state"], "open");
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_capture_above_its_limit_charges_nothing(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let hold = hold(&client).await;
    let path = format!("/holds/{hold}/capture");
    let capture = |limit: i64| json!({ "lines": seconds_of(90)["lines"], "at_most_micro": limit });
    let refused = client.write_as("capture-1", &path, capture(3_749_999)).await;
    assert_eq!(refused.problem(), (409, "price_above_limit"));
    assert!(refused.text("detail").contains("3.750000"), "{refused:?}");
    assert_eq!(state(&client, &hold).await["state"], "open");
    assert_eq!(client.balance().await, (BONUS - 2_500_000, 2_500_000));
    assert_eq!(client.write_as("capture-1", &path, capture(0)).await.problem(), (400, "invalid_request"));
    // A refused capture does not use its key up.
    let captured = client.write_as("capture-1", &path, capture(3_750_000)).await;
    assert_eq!(
        (captured.status, captured.micro("charged_micro")),
        (StatusCode::OK, 3_750_000),
        "{captured:?}"
    );
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_release_returns_the_whole_hold_once(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let hold = hold(&client).await;
    let path = format!("/holds/{hold}/release");
    let released = client.write_as("release", &path, Value::Null).await;
    assert_eq!((released.status, released.micro("available_micro")), (StatusCode::OK, BONUS), "{released:?}");
    let again = client.write_as("release", &path, json!({})).await;
    assert_eq!((again.replayed, &again.body), (true, &released.body));
    assert_eq!(client.write(&path, Value::Null).await.problem(), (409, "hold_ended"));
    assert_eq!(state(&client, &hold).await["state"], "released");
    client.close().await;
}

/// An expired hold is released in every response from the moment of its expiry, before any sweep.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_expired_hold_is_released_immediately(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let (asked, swept) = (hold(&client).await, hold(&client).await);
    client.app.advance(TimeDelta::seconds(3_600));
    assert_eq!(client.balance().await, (BONUS, 0));
    for hold in [asked, swept] {
        assert_eq!(state(&client, &hold).await["state"], "expired");
        let lines = json!({ "lines": seconds_of(60)["lines"] });
        assert_eq!(
            client.write(&format!("/holds/{hold}/capture"), lines).await.problem(),
            (409, "hold_ended")
        );
    }
    client.close().await;
}

/// Without requests, the sweep releases holds, including coins of expired lots, and a second run has no effect.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_sweep_releases_expired_holds(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    client.credit(5_000_000, Some(TimeDelta::minutes(30))).await;
    hold(&client).await;
    client.app.advance(TimeDelta::seconds(3_600));
    for _ in 0..2 {
        sweep(&client, trace()).await;
        let wallet = client.wallet().await;
        // The hold took the coins that expire first; they expired with their lot.
        assert_eq!((wallet.available.0, wallet.held.0), (BONUS, 0));
    }
    client.close().await;
}

async fn sweep(client: &WalletClient, trace: Trace) {
    let mut unit = client.app.executor.outbox().begin(trace).await.unwrap();
    unit.enqueue(&ExpireHolds {}).await.unwrap();
    unit.commit().await.unwrap();
    client.app.run_due_jobs().await;
    assert_eq!(client.app.jobs(JobState::Dead).await.len(), 0);
}
