//! Calls that cannot be paid, an unavailable platform, lost responses: no coin is charged twice or for nothing,
//! and no result waits for its payment.

use std::time::Duration;

use anyhow::Context as _;
use flysk_simulators::{Act, Script};
use flysk_suite::environment::{ACCOUNT, Client, DEFAULT_WELCOME_BONUS, Environment};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::charging::{WAIT_TIMEOUT, everything_is_paid, start_env_with_bonus};
use crate::recordings::bucket_gets_empty;

const HOLDS: &str = "/v1/backend/flycoins/holds";
const CAPTURES: &str = "/v1/backend/flycoins/holds/*";
const CHARGES: &str = "/v1/backend/flycoins/charges";
const BALANCE: &str = "/v1/backend/flycoins/balance";
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";
const FILE: &str = "sales-stereo-44k.mp3";

fn arrive(env: &Environment) -> anyhow::Result<u64> {
    env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 42)
}

/// The platform answers 503 until the script is cleared.
fn away(path: &str) -> Script {
    let act = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    Script { method: Some("POST".to_owned()), ..Script::next(path, act).times(100_000) }
}

/// Waits until a call waits for coins; returns its id and estimated price.
async fn parked(client: &Client, note: u64) -> anyhow::Result<(String, i64)> {
    let call = client.wait_for_state(note, "no_balance", WAIT_TIMEOUT).await?;
    assert_eq!(call.raw["state_label"], "Нет баланса");
    assert_eq!(call.payment("state"), "unpaid");
    assert!(call.payment("short_since").is_string() && call.payment("charged_micro").is_null());
    Ok((call.id.clone(), call.payment("estimated_micro").as_i64().context("a price")?))
}

/// Without coins no recognition is submitted. After a top-up the oldest calls that it covers resume without a new
/// request, the others keep waiting, and no request is made in vain meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn calls_without_balance_resume_by_themselves_oldest_first() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(1)).await?;
    let client = env.client()?;
    let mut calls = Vec::new();
    for _ in 0..3 {
        let note = arrive(&env)?;
        let (id, price) = parked(&client, note).await?;
        calls.push((note, id, price));
    }
    assert!(env.simulators.speechkit.control.calls_to("POST", SUBMIT).is_empty(), "ordered without coins");
    // The top-up covers the first two calls, but not the third.
    env.give_coins(calls[0].2 + calls[1].2).await?;
    for (note, _, _) in &calls[..2] {
        let call = client.wait_for_end(*note, WAIT_TIMEOUT).await.with_context(|| env.logs())?;
        assert_eq!(call.state, "done");
    }
    let ids: Vec<String> = calls.iter().map(|(_, id, _)| id.clone()).collect();
    everything_is_paid(&env, &client, &ids[..2]).await?;
    let third = client.transcription(&ids[2]).await?;
    assert_eq!(third.state, "no_balance", "{}", third.raw);
    assert_eq!(proxy.control.calls_to("POST", HOLDS).len(), 5, "somebody tried in vain");

    env.give_coins(calls[2].2).await?;
    assert_eq!(client.wait_for_end(calls[2].0, WAIT_TIMEOUT).await?.state, "done");
    everything_is_paid(&env, &client, &ids).await?;
    // No call waits any more, so no balance is requested.
    let asked = proxy.control.calls_to("GET", BALANCE).len();
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.retry_unpaid' AND state = 'done'", 3).await?;
    assert_eq!(proxy.control.calls_to("GET", BALANCE).len(), asked);
    assert_eq!(env.simulators.speechkit.control.calls_to("POST", SUBMIT).len(), 3);
    bucket_gets_empty(&env).await
}

/// The recording of a waiting call is kept; if storage has lost it (or deleted it after some days), it is
/// downloaded again once coins are held.
#[tokio::test(flavor = "multi_thread")]
async fn the_recording_of_a_waiting_call_is_kept_or_downloaded_again() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(1)).await?;
    let client = env.client()?;
    // Sequentially, so that the order of the two calls is known.
    let kept = arrive(&env)?;
    let (kept_id, price) = parked(&client, kept).await?;
    let lost = arrive(&env)?;
    let (lost_id, _) = parked(&client, lost).await?;
    let downloads = || env.simulators.recordings.control.calls_to("GET", &format!("/{FILE}")).len();
    let before = downloads();
    env.give_coins(price).await?;
    assert_eq!(client.wait_for_end(kept, WAIT_TIMEOUT).await?.state, "done");
    assert_eq!(downloads(), before, "what was kept was downloaded again");

    env.simulators.s3.state.empty()?;
    env.give_coins(price).await?;
    let call = client.wait_for_end(lost, WAIT_TIMEOUT).await.with_context(|| env.logs())?;
    assert_eq!(call.state, "done", "{}", call.raw);
    assert!(downloads() > before);
    everything_is_paid(&env, &client, &[kept_id, lost_id]).await?;
    assert_eq!(proxy.control.calls_to("POST", HOLDS).len(), 4, "a hold was asked for twice");
    bucket_gets_empty(&env).await
}

/// A failed recognition costs nothing: the hold is released, even if the platform is down at first.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_releases_its_hold() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(DEFAULT_WELCOME_BONUS)).await?;
    let client = env.client()?;
    let failing = json!({ "pace": 0.02, "failure": { "code": "INTERNAL", "message": "as it should" } });
    env.simulators.speechkit.state.behave(serde_json::from_value(failing)?);
    proxy.control.script(Script::next(CAPTURES, Act::Cut).times(2));
    proxy.control.script(Script::next(CAPTURES, Act::ServeThenCut));
    let _hurry = ["calls.start_recognition", "calls.release_payment"].map(|kind| env.hurry(kind));
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"));
    assert!(call.payment("held_micro").as_i64().is_some_and(|held| held > 0), "{}", call.raw);
    client.wait_for_payment(&call.id, "free", WAIT_TIMEOUT).await.with_context(|| env.logs())?;
    let coins = env.coins().await?;
    assert_eq!((coins.available, coins.held), (DEFAULT_WELCOME_BONUS, 0));
    assert_eq!(proxy.control.calls_to("POST", CAPTURES).len(), 4, "two lost, one unheard, one more");
    everything_is_paid(&env, &client, &[]).await
}

/// A call without speech: nothing is held, submitted or charged.
#[tokio::test(flavor = "multi_thread")]
async fn silence_costs_nothing() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(DEFAULT_WELCOME_BONUS)).await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("silence-5s.wav")), 5)?;
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
    assert_eq!((call.state.as_str(), call.payment("state")), ("no_speech", &Value::from("free")));
    assert!(proxy.control.calls_to("POST", HOLDS).is_empty());
    assert_eq!(env.coins().await?.available, DEFAULT_WELCOME_BONUS);
    everything_is_paid(&env, &client, &[]).await
}

/// A call cancelled before its recognition is submitted releases its coins: while they are being held, and while
/// the submission waits for its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_releases_its_hold() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(DEFAULT_WELCOME_BONUS)).await?;
    let client = env.client()?;
    let soon = vec![("Retry-After".to_owned(), "2".to_owned())];
    let busy = Act::Answer { status: 429, headers: soon, body: String::new() };
    env.simulators.speechkit.control.script(Script::next(SUBMIT, busy).times(100_000));
    let stop = async |note: u64, state: &str| -> anyhow::Result<String> {
        let id = client.wait_for_state(note, state, WAIT_TIMEOUT).await?.id;
        let path = format!("/v1/flysense/transcriptions/{id}/cancel");
        let (status, view) = client.request(Method::POST, &path, None).await?;
        assert_eq!((status, &view["state"]), (StatusCode::OK, &Value::from("cancelled")), "{view}");
        Ok(id)
    };
    let turned_away = arrive(&env)?;
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.start_recognition' AND fence >= 2", 1)
        .await?;
    let submitting = stop(turned_away, "submitting").await?;
    client.wait_for_payment(&submitting, "free", WAIT_TIMEOUT).await?;
    proxy.control.script(Script::next(HOLDS, Act::Serve).held());
    let holding = stop(arrive(&env)?, "holding").await?;
    proxy.control.release();
    client.wait_for_payment(&holding, "free", WAIT_TIMEOUT).await?;
    env.wait_for("SELECT COUNT(*) FROM ledger_holds WHERE state = 'released'", 2).await?;
    assert_eq!(env.coins().await?.available, DEFAULT_WELCOME_BONUS);
    everything_is_paid(&env, &client, &[]).await
}

/// While the platform is down no paid work begins; if it goes down later, the transcript is shown and the charge
/// follows when it is up again.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_down_delays_the_hold_and_never_the_result() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(DEFAULT_WELCOME_BONUS)).await?;
    let client = env.client()?;
    proxy.control.script(Script::next(HOLDS, Act::Cut).times(2));
    proxy.control.script(away(CAPTURES));
    let _hurry = env.hurry("calls.hold_payment");
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    assert_eq!((call.state.as_str(), call.payment("state")), ("done", &Value::from("owed")));
    assert!(call.raw["utterances"].as_array().is_some_and(|dialogue| !dialogue.is_empty()));
    assert_eq!(proxy.control.calls_to("POST", HOLDS).len(), 3);
    assert_eq!(env.taken().await?.0, 0);
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.capture_payment' AND attempt >= 2", 1)
        .await?;
    proxy.control.clear_scripts();
    let _hurry = env.hurry("calls.capture_payment");
    everything_is_paid(&env, &client, std::slice::from_ref(&call.id)).await
}

/// Holds and captures whose responses are lost are executed once.
#[tokio::test(flavor = "multi_thread")]
async fn lost_responses_move_no_coin_twice() -> anyhow::Result<()> {
    // Enough for one call, so that a second hold would be rejected.
    let (env, proxy) = start_env_with_bonus(Some(3_000_000)).await?;
    let client = env.client()?;
    proxy.control.script(Script::next(HOLDS, Act::ServeThenCut).times(2));
    proxy.control.script(Script::next(CAPTURES, Act::ServeThenCut).times(2));
    let _hurry = ["calls.hold_payment", "calls.capture_payment"].map(|kind| env.hurry(kind));
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await.with_context(|| env.logs())?;
    everything_is_paid(&env, &client, std::slice::from_ref(&call.id)).await?;
    let holds: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_holds").fetch_one(&env.pool).await?;
    assert_eq!((holds, proxy.control.calls_to("POST", HOLDS).len()), (1, 3));
    assert_eq!(proxy.control.calls_to("POST", CAPTURES).len(), 3);
    Ok(())
}

/// A hold that expired before its capture is replaced by a charge; without coins, the debt waits for a top-up.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_hold_is_replaced_by_a_charge_when_coins_suffice() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(3_000_000)).await?;
    let client = env.client()?;
    proxy.control.script(away(CAPTURES));
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    assert_eq!(call.payment("state"), "owed");
    sqlx::query("UPDATE ledger_holds SET expires_at = created_at").execute(&env.pool).await?;
    // Another charge spends the coins of the expired hold.
    let spent = json!({ "account_id": ACCOUNT, "lines": [{ "service": "flysense.summary", "quantity": 3 }] });
    let answer = reqwest::Client::builder().build()?.post(format!("{}{CHARGES}", env.api_url));
    let answer = answer.header("X-Project-Token", &env.project_token).header("Idempotency-Key", "elsewhere");
    anyhow::ensure!(answer.json(&spent).send().await?.status().is_success(), "the coins are still held");
    proxy.control.clear_scripts();
    env.wait_for("SELECT COUNT(*) FROM flysense_payments WHERE state = 'owed' AND retry_at IS NOT NULL", 1)
        .await?;
    let owed = client.transcription(&call.id).await?;
    assert_eq!((owed.state.as_str(), owed.payment("state")), ("done", &Value::from("owed")));
    assert!(owed.payment("short_since").is_string());

    env.give_coins(10_000_000).await?;
    let paid = client.wait_for_payment(&call.id, "paid", WAIT_TIMEOUT).await.with_context(|| env.logs())?;
    let price = crate::charging::checked_receipt(&paid)?;
    assert_eq!(env.taken().await?, (2, 3_000_000 + price), "taken twice");
    assert!(paid.payment("short_since").is_null());
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM ledger_holds").fetch_all(&env.pool).await?;
    assert_eq!(states, ["expired"]);
    env.prove_ledger().await
}

/// A hold that expires before the recognition is submitted is replaced first: nothing is submitted without a
/// hold.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_submitted_with_an_expired_hold() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(Some(DEFAULT_WELCOME_BONUS)).await?;
    let client = env.client()?;
    let soon = vec![("Retry-After".to_owned(), "2".to_owned())];
    let busy = Act::Answer { status: 429, headers: soon, body: String::new() };
    env.simulators.speechkit.control.script(Script::next(SUBMIT, busy).times(100_000));
    let note = arrive(&env)?;
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.start_recognition' AND fence >= 1", 1)
        .await?;
    env.wait_for("SELECT COUNT(*) FROM flysense_payments WHERE state = 'held'", 1).await?;
    for table in [
        "UPDATE ledger_holds SET expires_at = created_at",
        "UPDATE flysense_payments SET hold_expires_at = created_at",
    ] {
        sqlx::query(table).execute(&env.pool).await?;
    }
    env.wait_for("SELECT COUNT(*) FROM flysense_payments WHERE state = 'held' AND hold_number = 2", 1)
        .await?;
    env.simulators.speechkit.control.clear_scripts();
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await.with_context(|| env.logs())?;
    assert_eq!(call.state, "done", "{}", call.raw);
    assert_eq!(proxy.control.calls_to("POST", HOLDS).len(), 2);
    everything_is_paid(&env, &client, std::slice::from_ref(&call.id)).await
}

/// The worker is killed after the platform executed a hold, and then a capture, and before the response: each is
/// executed once, and the call ends paid.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_crash_during_a_payment_charges_once() -> anyhow::Result<()> {
    let (mut env, proxy) = start_env_with_bonus(Some(3_000_000)).await?;
    let client = env.client()?;
    let note = arrive(&env)?;
    let mut worker = 1;
    for path in [HOLDS, CAPTURES] {
        proxy.control.script(Script::next(path, Act::ServeThenHang));
        let (what, wanted) = match path {
            HOLDS => ("SELECT COUNT(*) FROM ledger_holds", 1),
            _ => ("SELECT COUNT(*) FROM ledger_charges", 1),
        };
        env.wait_for(what, wanted).await?;
        env.kill(worker)?;
        env.end_leases(worker).await?;
        worker = env.start_worker()?;
    }
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await.with_context(|| env.logs())?;
    assert_eq!(call.state, "done", "{}", call.raw);
    everything_is_paid(&env, &client, std::slice::from_ref(&call.id)).await?;
    let holds: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_holds").fetch_one(&env.pool).await?;
    assert_eq!(holds, 1);
    bucket_gets_empty(&env).await
}

/// A widget that does not use Flycoins is free; the platform reports that.
#[tokio::test(flavor = "multi_thread")]
async fn a_widget_without_flycoins_is_free() -> anyhow::Result<()> {
    let (env, proxy) = start_env_with_bonus(None).await?;
    let client = env.client()?;
    let call = client.wait_for_end(arrive(&env)?, Duration::from_mins(5)).await?;
    assert_eq!((call.state.as_str(), call.payment("state")), ("done", &Value::from("free")));
    assert_eq!(proxy.control.calls_to("POST", HOLDS).len(), 1);
    assert!(
        proxy.control.calls_to("POST", CAPTURES).is_empty()
            && proxy.control.calls_to("POST", CHARGES).is_empty()
    );
    bucket_gets_empty(&env).await
}
