//! Scheduled jobs of the ledger: sweep, verification, deletion of idempotency keys.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::{HoldId, InstallId, LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_jobs::platform::flycoins::{ExpireHolds, VerifyLedger, VerifyWholeLedger};
use flysk_jobs::platform::upkeep::PruneJobs;
use flysk_queue::Job;
use flysk_store::jobs::JobState;
use flysk_store::platform::ledger::{self, LedgerCommand};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Executor as _, MySqlPool};

use super::charging::{BONUS, WalletClient, seconds_of};
use super::harness::{TestApp, WAIT_TIMEOUT, as_conn, trace};

/// Enqueues and runs a job; returns its final state.
async fn perform<J: Job>(client: &WalletClient, job: &J) -> JobState {
    let mut unit = client.app.executor.outbox().begin(trace()).await.unwrap();
    let id = unit.enqueue(job).await.unwrap().expect("none waits");
    unit.commit().await.unwrap();
    client.app.run_due_jobs().await;
    flysk_store::jobs::find(as_conn(&mut client.app.conn().await), id).await.unwrap().unwrap().state
}

/// Another wallet of the same widget, with an expired hold.
async fn another_wallet(client: &WalletClient) -> WalletId {
    let clock = &client.app.clock;
    let widget = client.app.widget().await.id;
    let wallet = WalletId::generate(clock);
    let mut tx = client.app.pool.begin().await.unwrap();
    let install = InstallId::generate(clock);
    ledger::insert_wallet(&mut tx, wallet, install, widget, clock.now()).await.unwrap();
    let expires_at = clock.now() + TimeDelta::minutes(1);
    let (lot, origin, amount) = (LotId::generate(clock), Origin::Package, MicroCoins(10));
    let hold = HoldId::generate(clock);
    let steps = [
        Command::Credit { lot, origin, amount, expires_at: None },
        Command::Hold { hold, amount: MicroCoins(4), expires_at },
    ];
    let steps = steps.map(|command| LedgerCommand::new(TransactionId::generate(clock), command));
    ledger::apply(&mut tx, wallet, &steps, clock).await.unwrap();
    tx.commit().await.unwrap();
    wallet
}

async fn held(client: &WalletClient, wallet: WalletId) -> i64 {
    ledger::find_wallet(as_conn(&mut client.app.conn().await), wallet).await.unwrap().unwrap().held.0
}

/// A wallet with a damaged lot is left for operators; expired holds of the others are released.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wallet_that_cannot_be_swept_does_not_block_the_others(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let wallets =
        [another_wallet(&client).await, another_wallet(&client).await, another_wallet(&client).await];
    let damage = "UPDATE ledger_lots SET left_micro = granted_micro WHERE wallet_id = ?";
    let damaged = *wallets.iter().min().unwrap();
    sqlx::query(damage).bind(damaged.to_string()).execute(&client.app.pool).await.unwrap();
    client.app.advance(TimeDelta::minutes(1));
    assert_eq!(perform(&client, &ExpireHolds {}).await, JobState::Done);
    for wallet in wallets {
        assert_eq!(held(&client, wallet).await, if wallet == damaged { 4 } else { 0 }, "{wallet}");
    }
    // After a repair, the next tick sweeps it.
    let mend = "UPDATE ledger_lots SET left_micro = 6 WHERE wallet_id = ?";
    sqlx::query(mend).bind(damaged.to_string()).execute(&client.app.pool).await.unwrap();
    assert_eq!(perform(&client, &ExpireHolds {}).await, JobState::Done);
    assert_eq!(held(&client, damaged).await, 0);
    client.close().await;
}

/// A sweep that crashed half-way has swept some wallets; the next one sweeps the others, none twice.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_crashed_sweep_is_completed_by_the_next(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    let (first, second) = (another_wallet(&client).await, another_wallet(&client).await);
    client.app.advance(TimeDelta::minutes(1));
    // One wallet was committed; the transaction of another was interrupted.
    let mut tx = client.app.pool.begin().await.unwrap();
    ledger::apply(&mut tx, first, &[], &client.app.clock).await.unwrap();
    tx.commit().await.unwrap();
    let mut cut = client.app.pool.begin().await.unwrap();
    ledger::apply(&mut cut, second, &[], &client.app.clock).await.unwrap();
    drop(cut);
    for _ in 0..2 {
        assert_eq!(perform(&client, &ExpireHolds {}).await, JobState::Done);
    }
    assert_eq!((releases(&client).await, held(&client, first).await, held(&client, second).await), (2, 0, 0));
    client.close().await;
}

/// The same database with our production isolation level, but a lock wait timeout of 1 s instead of 10 s.
async fn impatient(pool: &MySqlPool) -> MySqlPool {
    let options = MySqlPoolOptions::new().max_connections(10).after_connect(|conn, _| {
        Box::pin(async move {
            conn.execute("SET SESSION innodb_lock_wait_timeout = 1").await?;
            conn.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
            Ok(())
        })
    });
    options.connect_with((*pool.connect_options()).clone()).await.unwrap()
}

async fn releases(client: &WalletClient) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM ledger_transactions WHERE kind = 'release'")
        .fetch_one(&client.app.pool)
        .await
        .unwrap()
}

/// A wallet is locked by another transaction: the sweep skips it and releases the others; a later tick releases
/// it, once.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_locked_wallet_is_swept_by_a_later_tick(pool: MySqlPool) {
    let client = WalletClient::open_in(TestApp::build_on(impatient(&pool).await).await).await;
    let (one, other) = (another_wallet(&client).await, another_wallet(&client).await);
    // Wallets are swept in this order, so the locked one comes first.
    let (locked, free) = (one.min(other), one.max(other));
    client.app.advance(TimeDelta::minutes(1));
    let mut elsewhere = client.app.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM wallets WHERE id = ? FOR UPDATE")
        .bind(locked.to_string())
        .fetch_one(&mut *elsewhere)
        .await
        .unwrap();
    assert_eq!(perform(&client, &ExpireHolds {}).await, JobState::Done);
    assert_eq!((held(&client, locked).await, held(&client, free).await), (4, 0));
    elsewhere.rollback().await.unwrap();
    for _ in 0..2 {
        assert_eq!(perform(&client, &ExpireHolds {}).await, JobState::Done);
        assert_eq!((held(&client, locked).await, releases(&client).await), (0, 2));
    }
    client.close().await;
}

/// The holder of the lock releases the hold itself while the sweep waits: it is released once.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_hold_released_while_the_sweep_waits_is_not_released_again(pool: MySqlPool) {
    let client = WalletClient::open_in(TestApp::build_on(impatient(&pool).await).await).await;
    let (one, other) = (another_wallet(&client).await, another_wallet(&client).await);
    let (first, locked) = (one.min(other), one.max(other));
    client.app.advance(TimeDelta::minutes(1));
    let mut elsewhere = client.app.pool.begin().await.unwrap();
    ledger::apply(&mut elsewhere, locked, &[], &client.app.clock).await.unwrap();
    let frees_meanwhile = async {
        // The sweep is at the second wallet, or about to reach it.
        let swept = async {
            while held(&client, first).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT_TIMEOUT, swept).await.expect("the first wallet is free");
        elsewhere.commit().await.unwrap();
    };
    let (swept, ()) = tokio::join!(perform(&client, &ExpireHolds {}), frees_meanwhile);
    assert_eq!((swept, held(&client, locked).await, releases(&client).await), (JobState::Done, 0, 2));
    client.close().await;
}

/// Verification changes no balance: it succeeds twice, for a consistent ledger and for an inconsistent one.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nightly_verification_changes_nothing(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    client.charge(60).await;
    assert_eq!(perform(&client, &VerifyLedger {}).await, JobState::Done);
    assert_eq!(perform(&client, &VerifyWholeLedger {}).await, JobState::Done);
    let proof = ledger::verify(as_conn(&mut client.app.conn().await), 10).await.unwrap();
    assert_eq!((proof.discrepancies.len(), proof.wallets), (0, 1));
    assert!(proof.entries >= 4);
    let tamper = |by: i64| sqlx::query("UPDATE wallets SET available_micro = available_micro + ?").bind(by);
    tamper(1).execute(&client.app.pool).await.unwrap();
    for _ in 0..2 {
        assert_eq!(perform(&client, &VerifyLedger {}).await, JobState::Done);
        let proof = ledger::verify(as_conn(&mut client.app.conn().await), 10).await.unwrap();
        let found: Vec<_> =
            proof.discrepancies.iter().map(|one| (one.rule, one.stored - one.proven)).collect();
        assert_eq!(found, [("wallet available", 1)]);
    }
    tamper(-1).execute(&client.app.pool).await.unwrap();
    client.close().await;
}

/// Idempotency keys are kept for 30 days; after that a key counts as new.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn idempotency_keys_are_deleted_after_thirty_days(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    client.credit(BONUS, None).await;
    client.write_as("call-17", "/charges", seconds_of(60)).await;
    client.app.advance(TimeDelta::days(29));
    assert_eq!(perform(&client, &PruneJobs {}).await, JobState::Done);
    assert!(client.write_as("call-17", "/charges", seconds_of(60)).await.replayed);
    client.app.advance(TimeDelta::days(2));
    assert_eq!(perform(&client, &PruneJobs {}).await, JobState::Done);
    let anew = client.write_as("call-17", "/charges", seconds_of(60)).await;
    assert_eq!((anew.status, anew.replayed), (StatusCode::CREATED, false), "{anew:?}");
    let charge = anew.text("transaction_id");
    let refund =
        json!({ "account_id": flysk_suite::environment::ACCOUNT, "transaction_id": charge, "all": true });
    assert_eq!(client.write("/refunds", refund).await.status, StatusCode::CREATED);
    client.close().await;
}
