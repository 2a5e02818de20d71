//! Calls that cannot be paid for, a platform that is away, answers that are lost: no coin is taken twice, none
//! for nothing, and no result waits for its payment.

use std::time::Duration;

use anyhow::Context as _;
use flysk_simulators::{Act, Script};
use flysk_suite::stand::{ACCOUNT, Client, Stand, USUAL_BONUS};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::recordings::bucket_gets_empty;
use crate::till::{PATIENCE, everything_is_paid, stand_with};

const HOLDS: &str = "/v1/backend/flycoins/holds";
const CAPTURES: &str = "/v1/backend/flycoins/holds/*";
const CHARGES: &str = "/v1/backend/flycoins/charges";
const BALANCE: &str = "/v1/backend/flycoins/balance";
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";
const FILE: &str = "sales-stereo-44k.mp3";

fn arrive(stand: &Stand) -> anyhow::Result<u64> {
    stand.outside.call_arrives(Some(stand.outside.recording_url(FILE)), 42)
}

/// The platform answers 503, for as long as the script is not cleared.
fn away(path: &str) -> Script {
    let act = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    Script { method: Some("POST".to_owned()), ..Script::next(path, act).times(100_000) }
}

/// A call that waits for coins, and what it is told to cost.
async fn parked(client: &Client, note: u64) -> anyhow::Result<(String, i64)> {
    let call = client.wait_for_state(note, "no_balance", PATIENCE).await?;
    assert_eq!(call.raw["state_label"], "Нет баланса");
    assert_eq!(call.payment("state"), "unpaid");
    assert!(call.payment("short_since").is_string() && call.payment("charged_micro").is_null());
    Ok((call.id.clone(), call.payment("estimated_micro").as_i64().context("a price")?))
}

/// Without coins nothing is ordered. When the wallet is filled, the oldest calls that it covers go on without
/// a new request, the others wait on, and nobody tries in vain meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn calls_without_balance_go_on_by_themselves_oldest_first() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(1)).await?;
    let client = stand.client()?;
    let mut calls = Vec::new();
    for _ in 0..3 {
        let note = arrive(&stand)?;
        let (id, price) = parked(&client, note).await?;
        calls.push((note, id, price));
    }
    assert!(stand.outside.speechkit.control.calls_to("POST", SUBMIT).is_empty(), "ordered without coins");
    // What is there is what the first two need, less what the third would.
    stand.give_coins(calls[0].2 + calls[1].2).await?;
    for (note, _, _) in &calls[..2] {
        let call = client.wait_for_end(*note, PATIENCE).await.with_context(|| stand.logs())?;
        assert_eq!(call.state, "done");
    }
    let ids: Vec<String> = calls.iter().map(|(_, id, _)| id.clone()).collect();
    everything_is_paid(&stand, &client, &ids[..2]).await?;
    let third = client.transcription(&ids[2]).await?;
    assert_eq!(third.state, "no_balance", "{}", third.raw);
    assert_eq!(road.control.calls_to("POST", HOLDS).len(), 5, "somebody tried in vain");

    stand.give_coins(calls[2].2).await?;
    assert_eq!(client.wait_for_end(calls[2].0, PATIENCE).await?.state, "done");
    everything_is_paid(&stand, &client, &ids).await?;
    // Nobody waits any more, so nobody is asked about.
    let asked = road.control.calls_to("GET", BALANCE).len();
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.retry_unpaid' AND state = 'done'", 3)
        .await?;
    assert_eq!(road.control.calls_to("GET", BALANCE).len(), asked);
    assert_eq!(stand.outside.speechkit.control.calls_to("POST", SUBMIT).len(), 3);
    bucket_gets_empty(&stand).await
}

/// The recording of a call that waits is kept; if storage has lost it (or let go of it after some days), it is
/// downloaded again once coins are set aside.
#[tokio::test(flavor = "multi_thread")]
async fn a_parked_recording_is_kept_and_can_be_had_again() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(1)).await?;
    let client = stand.client()?;
    // One after the other, so that it is known which is the older.
    let kept = arrive(&stand)?;
    let (kept_id, price) = parked(&client, kept).await?;
    let lost = arrive(&stand)?;
    let (lost_id, _) = parked(&client, lost).await?;
    let downloads = || stand.outside.recordings.control.calls_to("GET", &format!("/{FILE}")).len();
    let before = downloads();
    stand.give_coins(price).await?;
    assert_eq!(client.wait_for_end(kept, PATIENCE).await?.state, "done");
    assert_eq!(downloads(), before, "what was kept was downloaded again");

    stand.outside.s3.state.empty()?;
    stand.give_coins(price).await?;
    let call = client.wait_for_end(lost, PATIENCE).await.with_context(|| stand.logs())?;
    assert_eq!(call.state, "done", "{}", call.raw);
    assert!(downloads() > before);
    everything_is_paid(&stand, &client, &[kept_id, lost_id]).await?;
    assert_eq!(road.control.calls_to("POST", HOLDS).len(), 4, "a hold was asked for twice");
    bucket_gets_empty(&stand).await
}

/// A recogniser that fails costs nothing: what was set aside goes back, even if the platform is away first.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_gives_its_coins_back() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(USUAL_BONUS)).await?;
    let client = stand.client()?;
    let failing = json!({ "pace": 0.02, "failure": { "code": "INTERNAL", "message": "as it should" } });
    stand.outside.speechkit.state.behave(serde_json::from_value(failing)?);
    road.control.script(Script::next(CAPTURES, Act::Cut).times(2));
    road.control.script(Script::next(CAPTURES, Act::ServeThenCut));
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"));
    assert!(call.payment("held_micro").as_i64().is_some_and(|held| held > 0), "{}", call.raw);
    client.wait_for_payment(&call.id, "free", PATIENCE).await.with_context(|| stand.logs())?;
    let coins = stand.coins().await?;
    assert_eq!((coins.available, coins.held), (USUAL_BONUS, 0));
    assert_eq!(road.control.calls_to("POST", CAPTURES).len(), 4, "two lost, one unheard, one more");
    everything_is_paid(&stand, &client, &[]).await
}

/// Nobody speaks: nothing is set aside, ordered or paid.
#[tokio::test(flavor = "multi_thread")]
async fn silence_costs_nothing() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(USUAL_BONUS)).await?;
    let client = stand.client()?;
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url("silence-5s.wav")), 5)?;
    let call = client.wait_for_end(note, PATIENCE).await?;
    assert_eq!((call.state.as_str(), call.payment("state")), ("no_speech", &Value::from("free")));
    assert!(road.control.calls_to("POST", HOLDS).is_empty());
    assert_eq!(stand.coins().await?.available, USUAL_BONUS);
    everything_is_paid(&stand, &client, &[]).await
}

/// A call that is cancelled before its recognition is ordered gives its coins back: while they are being set aside, and
/// while the order waits for its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_gives_its_coins_back() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(USUAL_BONUS)).await?;
    let client = stand.client()?;
    let soon = vec![("Retry-After".to_owned(), "2".to_owned())];
    let busy = Act::Answer { status: 429, headers: soon, body: String::new() };
    stand.outside.speechkit.control.script(Script::next(SUBMIT, busy).times(100_000));
    let stop = async |note: u64, state: &str| -> anyhow::Result<String> {
        let id = client.wait_for_state(note, state, PATIENCE).await?.id;
        let path = format!("/v1/flysense/transcriptions/{id}/cancel");
        let (status, view) = client.request(Method::POST, &path, None).await?;
        assert_eq!((status, &view["state"]), (StatusCode::OK, &Value::from("cancelled")), "{view}");
        client.wait_for_payment(&id, "free", PATIENCE).await?;
        Ok(id)
    };
    let turned_away = arrive(&stand)?;
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.start_recognition' AND fence >= 2", 1)
        .await?;
    stop(turned_away, "submitting").await?;
    road.control.script(Script::next(HOLDS, Act::Serve).delayed(4_000));
    stop(arrive(&stand)?, "holding").await?;
    stand.wait_for("SELECT COUNT(*) FROM ledger_holds WHERE state = 'released'", 2).await?;
    assert_eq!(stand.coins().await?.available, USUAL_BONUS);
    everything_is_paid(&stand, &client, &[]).await
}

/// While the platform is away no work begins that costs; when it goes away later, the transcript is shown and
/// the charge comes when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_is_away_delays_the_hold_and_never_the_result() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(USUAL_BONUS)).await?;
    let client = stand.client()?;
    road.control.script(Script::next(HOLDS, Act::Cut).times(2));
    road.control.script(away(CAPTURES));
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    assert_eq!((call.state.as_str(), call.payment("state")), ("done", &Value::from("owed")));
    assert!(call.raw["utterances"].as_array().is_some_and(|dialogue| !dialogue.is_empty()));
    assert_eq!(road.control.calls_to("POST", HOLDS).len(), 3);
    assert_eq!(stand.taken().await?.0, 0);
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.capture_payment' AND attempt >= 2", 1)
        .await?;
    road.control.clear_scripts();
    everything_is_paid(&stand, &client, std::slice::from_ref(&call.id)).await
}

/// Holds and captures that are carried out although their answers are lost are carried out once.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_move_no_coin_twice() -> anyhow::Result<()> {
    // Enough for one call, so that a second hold would be refused.
    let (stand, road) = stand_with(Some(3_000_000)).await?;
    let client = stand.client()?;
    road.control.script(Script::next(HOLDS, Act::ServeThenCut).times(2));
    road.control.script(Script::next(CAPTURES, Act::ServeThenCut).times(2));
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await.with_context(|| stand.logs())?;
    everything_is_paid(&stand, &client, std::slice::from_ref(&call.id)).await?;
    let holds: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_holds").fetch_one(&stand.pool).await?;
    assert_eq!((holds, road.control.calls_to("POST", HOLDS).len()), (1, 3));
    assert_eq!(road.control.calls_to("POST", CAPTURES).len(), 3);
    Ok(())
}

/// A hold that ran out before it could be captured is followed by a charge; without coins for that, the debt
/// waits for the wallet to be filled.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_ran_out_is_charged_instead_as_soon_as_there_are_coins() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(3_000_000)).await?;
    let client = stand.client()?;
    road.control.script(away(CAPTURES));
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    assert_eq!(call.payment("state"), "owed");
    sqlx::query("UPDATE ledger_holds SET expires_at = created_at").execute(&stand.pool).await?;
    // Somebody else spends what the hold had kept.
    let spent = json!({ "account_id": ACCOUNT, "lines": [{ "service": "flysense.summary", "quantity": 3 }] });
    let answer = reqwest::Client::builder().build()?.post(format!("{}{CHARGES}", stand.api_url));
    let answer =
        answer.header("X-Project-Token", &stand.project_token).header("Idempotency-Key", "elsewhere");
    anyhow::ensure!(answer.json(&spent).send().await?.status().is_success(), "the coins are still held");
    road.control.clear_scripts();
    stand
        .wait_for("SELECT COUNT(*) FROM flysense_payments WHERE state = 'owed' AND retry_at IS NOT NULL", 1)
        .await?;
    let owed = client.transcription(&call.id).await?;
    assert_eq!((owed.state.as_str(), owed.payment("state")), ("done", &Value::from("owed")));
    assert!(owed.payment("short_since").is_string());

    stand.give_coins(10_000_000).await?;
    let paid = client.wait_for_payment(&call.id, "paid", PATIENCE).await.with_context(|| stand.logs())?;
    let price = crate::till::checked_receipt(&paid)?;
    assert_eq!(stand.taken().await?, (2, 3_000_000 + price), "taken twice");
    assert!(paid.payment("short_since").is_null());
    let states: Vec<String> =
        sqlx::query_scalar("SELECT state FROM ledger_holds").fetch_all(&stand.pool).await?;
    assert_eq!(states, ["expired"]);
    stand.prove_ledger().await
}

/// A hold that runs out before the recognition is ordered is replaced first: nothing is ordered without one.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_ordered_on_a_hold_that_ran_out() -> anyhow::Result<()> {
    let (stand, road) = stand_with(Some(USUAL_BONUS)).await?;
    let client = stand.client()?;
    let soon = vec![("Retry-After".to_owned(), "2".to_owned())];
    let busy = Act::Answer { status: 429, headers: soon, body: String::new() };
    stand.outside.speechkit.control.script(Script::next(SUBMIT, busy).times(100_000));
    let note = arrive(&stand)?;
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.start_recognition' AND fence >= 1", 1)
        .await?;
    stand.wait_for("SELECT COUNT(*) FROM flysense_payments WHERE state = 'held'", 1).await?;
    for table in [
        "UPDATE ledger_holds SET expires_at = created_at",
        "UPDATE flysense_payments SET hold_expires_at = created_at",
    ] {
        sqlx::query(table).execute(&stand.pool).await?;
    }
    stand
        .wait_for("SELECT COUNT(*) FROM flysense_payments WHERE state = 'held' AND hold_number = 2", 1)
        .await?;
    stand.outside.speechkit.control.clear_scripts();
    let call = client.wait_for_end(note, PATIENCE).await.with_context(|| stand.logs())?;
    assert_eq!(call.state, "done", "{}", call.raw);
    assert_eq!(road.control.calls_to("POST", HOLDS).len(), 2);
    everything_is_paid(&stand, &client, std::slice::from_ref(&call.id)).await
}

/// `kill -9` while the platform has carried out a hold, and then a capture, whose answer has not come: each is
/// carried out once, and the call ends paid.
#[tokio::test(flavor = "multi_thread")]
async fn workers_that_die_at_the_till_pay_once() -> anyhow::Result<()> {
    let (mut stand, road) = stand_with(Some(3_000_000)).await?;
    let client = stand.client()?;
    let note = arrive(&stand)?;
    let mut worker = 1;
    for path in [HOLDS, CAPTURES] {
        road.control.script(Script::next(path, Act::ServeThenHang));
        let (what, wanted) = match path {
            HOLDS => ("SELECT COUNT(*) FROM ledger_holds", 1),
            _ => ("SELECT COUNT(*) FROM ledger_charges", 1),
        };
        stand.wait_for(what, wanted).await?;
        stand.kill(worker)?;
        worker = stand.start_worker()?;
    }
    let call = client.wait_for_end(note, PATIENCE).await.with_context(|| stand.logs())?;
    assert_eq!(call.state, "done", "{}", call.raw);
    everything_is_paid(&stand, &client, std::slice::from_ref(&call.id)).await?;
    let holds: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ledger_holds").fetch_one(&stand.pool).await?;
    assert_eq!(holds, 1);
    bucket_gets_empty(&stand).await
}

/// A widget that does not use Flycoins costs nothing, and the platform is what says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_widget_without_flycoins_is_free() -> anyhow::Result<()> {
    let (stand, road) = stand_with(None).await?;
    let client = stand.client()?;
    let call = client.wait_for_end(arrive(&stand)?, Duration::from_mins(1)).await?;
    assert_eq!((call.state.as_str(), call.payment("state")), ("done", &Value::from("free")));
    assert_eq!(road.control.calls_to("POST", HOLDS).len(), 1);
    assert!(
        road.control.calls_to("POST", CAPTURES).is_empty()
            && road.control.calls_to("POST", CHARGES).is_empty()
    );
    bucket_gets_empty(&stand).await
}
