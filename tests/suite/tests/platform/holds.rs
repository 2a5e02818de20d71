//! Holds: placed, captured, released, run out; over HTTP.

use chrono::TimeDelta;
use flysk_domain::trace::Trace;
use flysk_jobs::flycoins::ExpireHolds;
use flysk_store::jobs::JobState;
use flysk_suite::stand::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::trace;
use super::till::{BONUS, FLYCOINS, Till, seconds_of};

/// A hold of a minute's recognition for an hour.
fn a_minute() -> Value {
    let mut body = seconds_of(60);
    body["expires_in_s"] = json!(3_600);
    body["reference"] = json!("Звонок 12:41");
    body
}

async fn hold(till: &Till) -> String {
    let held = till.write("/holds", a_minute()).await;
    assert_eq!(held.status, StatusCode::CREATED, "{held:?}");
    held.text("hold_id")
}

async fn state(till: &Till, hold: &str) -> Value {
    let (status, body) = till.house.backend(Method::GET, &format!("{FLYCOINS}/holds/{hold}"), None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_hold_counts_against_what_can_be_spent_and_is_given_its_first_answer(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let first = till.write_as("hold-1", "/holds", a_minute()).await;
    assert_eq!((first.status, first.micro("amount_micro")), (StatusCode::CREATED, 2_500_000), "{first:?}");
    assert_eq!((first.micro("available_micro"), first.micro("held_micro")), (BONUS - 2_500_000, 2_500_000));
    assert_eq!(first.body["receipt"][0]["amount_micro"], 2_500_000);
    let again = till.write_as("hold-1", "/holds", a_minute()).await;
    assert_eq!((again.status, again.replayed, &again.body), (first.status, true, &first.body));
    assert_eq!(till.balance().await, (BONUS - 2_500_000, 2_500_000));
    let told = state(&till, &first.text("hold_id")).await;
    assert_eq!(
        (&told["state"], &told["account_id"], &told["expires_at"]),
        (&json!("open"), &json!(ACCOUNT), &first.body["expires_at"])
    );
    let amount = json!({ "account_id": ACCOUNT, "amount_micro": 7, "expires_in_s": 60 });
    let by_amount = till.write("/holds", amount).await;
    assert_eq!((by_amount.micro("amount_micro"), &by_amount.body["receipt"]), (7, &json!([])));
    till.close().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_hold_that_cannot_be_says_why(pool: MySqlPool) {
    let till = Till::open(pool).await;
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
        let refused = till.write("/holds", body.clone()).await;
        assert_eq!(refused.problem(), problem, "{body}: {}", refused.body);
    }
    for id in ["hld_01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense"] {
        let (status, problem) =
            till.house.backend(Method::GET, &format!("{FLYCOINS}/holds/{id}"), None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("unknown_hold")));
        let refused = till.write(&format!("/holds/{id}/release"), json!({})).await;
        assert_eq!(refused.problem(), (404, "unknown_hold"));
    }
    assert_eq!(till.balance().await, (BONUS, 0));
    till.close().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_capture_takes_the_true_price_whether_less_or_more_than_was_held(pool: MySqlPool) {
    let till = Till::open(pool).await;
    for (seconds, charged) in [(30, 1_250_000), (60, 2_500_000), (90, 3_750_000)] {
        let before = till.balance().await.0;
        let path = format!("/holds/{}/capture", hold(&till).await);
        let lines = json!({ "lines": seconds_of(seconds)["lines"], "reference": "Звонок 12:41" });
        let key = format!("capture-{seconds}");
        let captured = till.write_as(&key, &path, lines.clone()).await;
        assert_eq!(
            (captured.status, captured.micro("charged_micro"), captured.micro("available_micro")),
            (StatusCode::OK, charged, before - charged),
            "{captured:?}"
        );
        assert_eq!(captured.body["receipt"][0]["amount_micro"], charged);
        let again = till.write_as(&key, &path, lines.clone()).await;
        assert_eq!((again.replayed, &again.body), (true, &captured.body));
        assert_eq!(till.write(&path, lines).await.problem(), (409, "hold_ended"));
        // What was captured can be refunded like any charge.
        let refund = captured.text("transaction_id");
        let refund = json!({ "account_id": ACCOUNT, "transaction_id": refund, "all": true });
        assert_eq!(till.write("/refunds", refund).await.micro("refunded_micro"), charged);
        assert_eq!(till.balance().await, (before, 0));
    }
    till.close().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_capture_that_needs_more_than_there_is_leaves_the_hold_as_it_was(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let hold = hold(&till).await;
    let path = format!("/holds/{hold}/capture");
    let refused = till.write(&path, json!({ "lines": seconds_of(1_000_000)["lines"] })).await;
    assert_eq!(refused.problem(), (402, "insufficient_balance"));
    assert!(refused.text("detail").contains("97.500000 are available besides 2.500000 in the hold"));
    let free = till.write(&path, json!({ "lines": seconds_of(0)["lines"] })).await;
    assert_eq!(free.problem(), (400, "invalid_request"));
    assert_eq!(state(&till, &hold).await["state"], "open");
    till.close().await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_release_gives_everything_back_once(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let hold = hold(&till).await;
    let path = format!("/holds/{hold}/release");
    let released = till.write_as("release", &path, Value::Null).await;
    assert_eq!((released.status, released.micro("available_micro")), (StatusCode::OK, BONUS), "{released:?}");
    let again = till.write_as("release", &path, json!({})).await;
    assert_eq!((again.replayed, &again.body), (true, &released.body));
    assert_eq!(till.write(&path, Value::Null).await.problem(), (409, "hold_ended"));
    assert_eq!(state(&till, &hold).await["state"], "released");
    till.close().await;
}

/// Whoever asks about it finds it over at the moment it is over, before any sweep.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_hold_that_ran_out_is_free_at_that_moment(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let (asked, swept) = (hold(&till).await, hold(&till).await);
    till.house.advance(TimeDelta::seconds(3_600));
    assert_eq!(till.balance().await, (BONUS, 0));
    for hold in [asked, swept] {
        assert_eq!(state(&till, &hold).await["state"], "expired");
        let lines = json!({ "lines": seconds_of(60)["lines"] });
        assert_eq!(till.write(&format!("/holds/{hold}/capture"), lines).await.problem(), (409, "hold_ended"));
    }
    till.close().await;
}

/// Nobody asks: the tick does it, for coins whose time is over as well, and a second run finds nothing to do.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_sweep_frees_what_nobody_asks_about(pool: MySqlPool) {
    let till = Till::open(pool).await;
    till.credit(5_000_000, Some(TimeDelta::minutes(30))).await;
    hold(&till).await;
    till.house.advance(TimeDelta::seconds(3_600));
    for _ in 0..2 {
        sweep(&till, trace()).await;
        let wallet = till.wallet().await;
        // The hold was of the coins that expire first, which are gone with the lot's time.
        assert_eq!((wallet.available.0, wallet.held.0), (BONUS, 0));
    }
    till.close().await;
}

async fn sweep(till: &Till, trace: Trace) {
    let mut unit = till.house.engine.outbox().begin(trace).await.unwrap();
    unit.enqueue(&ExpireHolds {}).await.unwrap();
    unit.commit().await.unwrap();
    till.house.run_due_jobs().await;
    assert_eq!(till.house.jobs(JobState::Dead).await.len(), 0);
}
