//! What happens to the ledger by itself: the sweep, the proof, the forgetting of keys.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::{HoldId, InstallId, LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_jobs::Job;
use flysk_jobs::flycoins::{ExpireHolds, VerifyLedger};
use flysk_jobs::upkeep::PruneJobs;
use flysk_store::jobs::JobState;
use flysk_store::ledger::{self, Instruction};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Executor as _, MySqlPool};

use super::house::{House, SOON, on, trace};
use super::till::{BONUS, Till, seconds_of};

/// Enqueues a job and performs it; what became of it.
async fn perform<J: Job>(till: &Till, job: &J) -> JobState {
    let mut unit = till.house.engine.outbox().begin(trace()).await.unwrap();
    let id = unit.enqueue(job).await.unwrap().expect("none waits");
    unit.commit().await.unwrap();
    till.house.run_due_jobs().await;
    flysk_store::jobs::find(on(&mut till.house.conn().await), id).await.unwrap().unwrap().state
}

/// Another wallet of the same widget, with a hold that is over.
async fn another_wallet(till: &Till) -> WalletId {
    let clock = &till.house.clock;
    let widget = till.house.widget().await.id;
    let wallet = WalletId::generate(clock);
    let mut tx = till.house.pool.begin().await.unwrap();
    let install = InstallId::generate(clock);
    ledger::insert_wallet(&mut tx, wallet, install, widget, clock.now()).await.unwrap();
    let expires_at = clock.now() + TimeDelta::minutes(1);
    let (lot, origin, amount) = (LotId::generate(clock), Origin::Package, MicroCoins(10));
    let hold = HoldId::generate(clock);
    let steps = [
        Command::Credit { lot, origin, amount, expires_at: None },
        Command::Hold { hold, amount: MicroCoins(4), expires_at },
    ];
    let steps = steps.map(|command| Instruction::new(TransactionId::generate(clock), command));
    ledger::apply(&mut tx, wallet, &steps, clock).await.unwrap();
    tx.commit().await.unwrap();
    wallet
}

async fn held(till: &Till, wallet: WalletId) -> i64 {
    ledger::find_wallet(on(&mut till.house.conn().await), wallet).await.unwrap().unwrap().held.0
}

/// A wallet with a damaged lot stays as it is, for people to look at; everybody else's coins come free.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_wallet_that_cannot_be_swept_does_not_keep_the_others_waiting(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let wallets = [another_wallet(&till).await, another_wallet(&till).await, another_wallet(&till).await];
    let damage = "UPDATE ledger_lots SET left_micro = granted_micro WHERE wallet_id = ?";
    let damaged = *wallets.iter().min().unwrap();
    sqlx::query(damage).bind(damaged.to_string()).execute(&till.house.pool).await.unwrap();
    till.house.advance(TimeDelta::minutes(1));
    assert_eq!(perform(&till, &ExpireHolds {}).await, JobState::Done);
    for wallet in wallets {
        assert_eq!(held(&till, wallet).await, if wallet == damaged { 4 } else { 0 }, "{wallet}");
    }
    // Repaired, it is swept by the next tick.
    let mend = "UPDATE ledger_lots SET left_micro = 6 WHERE wallet_id = ?";
    sqlx::query(mend).bind(damaged.to_string()).execute(&till.house.pool).await.unwrap();
    assert_eq!(perform(&till, &ExpireHolds {}).await, JobState::Done);
    assert_eq!(held(&till, damaged).await, 0);
    till.close().await;
}

/// A sweep that died half-way has swept some wallets; the next one does the rest and nothing twice.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_sweep_that_died_half_way_is_ended_by_the_next(pool: MySqlPool) {
    let till = Till::open(pool).await;
    let (first, second) = (another_wallet(&till).await, another_wallet(&till).await);
    till.house.advance(TimeDelta::minutes(1));
    // One wallet was committed, of another the transaction was cut.
    let mut tx = till.house.pool.begin().await.unwrap();
    ledger::apply(&mut tx, first, &[], &till.house.clock).await.unwrap();
    tx.commit().await.unwrap();
    let mut cut = till.house.pool.begin().await.unwrap();
    ledger::apply(&mut cut, second, &[], &till.house.clock).await.unwrap();
    drop(cut);
    for _ in 0..2 {
        assert_eq!(perform(&till, &ExpireHolds {}).await, JobState::Done);
    }
    assert_eq!((releases(&till).await, held(&till, first).await, held(&till, second).await), (2, 0, 0));
    till.close().await;
}

/// The same database at the isolation level our processes run at, for people who do not wait: a second for a lock, where
/// a process of ours waits ten.
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

async fn releases(till: &Till) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM ledger_transactions WHERE kind = 'release'")
        .fetch_one(&till.house.pool)
        .await
        .unwrap()
}

/// Somebody is at work in a wallet: the sweep leaves it alone and frees the others; a later tick frees it, once.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_locked_wallet_is_freed_by_a_later_tick(pool: MySqlPool) {
    let till = Till::open_in(House::build_on(impatient(&pool).await).await).await;
    let (one, other) = (another_wallet(&till).await, another_wallet(&till).await);
    // Wallets are swept in this order, so the locked one is met before the other.
    let (locked, free) = (one.min(other), one.max(other));
    till.house.advance(TimeDelta::minutes(1));
    let mut elsewhere = till.house.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM wallets WHERE id = ? FOR UPDATE")
        .bind(locked.to_string())
        .fetch_one(&mut *elsewhere)
        .await
        .unwrap();
    assert_eq!(perform(&till, &ExpireHolds {}).await, JobState::Done);
    assert_eq!((held(&till, locked).await, held(&till, free).await), (4, 0));
    elsewhere.rollback().await.unwrap();
    for _ in 0..2 {
        assert_eq!(perform(&till, &ExpireHolds {}).await, JobState::Done);
        assert_eq!((held(&till, locked).await, releases(&till).await), (0, 2));
    }
    till.close().await;
}

/// Whoever holds the wallet frees the hold himself while the sweep waits for it: it is freed once.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_hold_that_is_freed_while_the_sweep_waits_is_not_freed_again(pool: MySqlPool) {
    let till = Till::open_in(House::build_on(impatient(&pool).await).await).await;
    let (one, other) = (another_wallet(&till).await, another_wallet(&till).await);
    let (first, locked) = (one.min(other), one.max(other));
    till.house.advance(TimeDelta::minutes(1));
    let mut elsewhere = till.house.pool.begin().await.unwrap();
    ledger::apply(&mut elsewhere, locked, &[], &till.house.clock).await.unwrap();
    let frees_meanwhile = async {
        // The sweep is at the second wallet, or about to be.
        let swept = async {
            while held(&till, first).await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SOON, swept).await.expect("the first wallet is free");
        elsewhere.commit().await.unwrap();
    };
    let (swept, ()) = tokio::join!(perform(&till, &ExpireHolds {}), frees_meanwhile);
    assert_eq!((swept, held(&till, locked).await, releases(&till).await), (JobState::Done, 0, 2));
    till.close().await;
}

/// The proof reads only: it ends well twice, over books that agree and over books that do not.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn the_nightly_proof_changes_nothing_whatever_it_finds(pool: MySqlPool) {
    let till = Till::open(pool).await;
    till.charge(60).await;
    assert_eq!(perform(&till, &VerifyLedger {}).await, JobState::Done);
    let proof = ledger::prove(&till.house.pool, 10).await.unwrap();
    assert_eq!((proof.discrepancies.len(), proof.wallets), (0, 1));
    assert!(proof.entries >= 4);
    let tamper = |by: i64| sqlx::query("UPDATE wallets SET available_micro = available_micro + ?").bind(by);
    tamper(1).execute(&till.house.pool).await.unwrap();
    for _ in 0..2 {
        assert_eq!(perform(&till, &VerifyLedger {}).await, JobState::Done);
        let proof = ledger::prove(&till.house.pool, 10).await.unwrap();
        let found: Vec<_> =
            proof.discrepancies.iter().map(|one| (one.rule, one.stored - one.proven)).collect();
        assert_eq!(found, [("wallet available", 1)]);
    }
    tamper(-1).execute(&till.house.pool).await.unwrap();
    till.close().await;
}

/// For thirty days a key is known; after that it is as good as new.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn keys_are_forgotten_after_thirty_days(pool: MySqlPool) {
    let till = Till::open(pool).await;
    till.credit(BONUS, None).await;
    till.write_as("call-17", "/charges", seconds_of(60)).await;
    till.house.advance(TimeDelta::days(29));
    assert_eq!(perform(&till, &PruneJobs {}).await, JobState::Done);
    assert!(till.write_as("call-17", "/charges", seconds_of(60)).await.replayed);
    till.house.advance(TimeDelta::days(2));
    assert_eq!(perform(&till, &PruneJobs {}).await, JobState::Done);
    let anew = till.write_as("call-17", "/charges", seconds_of(60)).await;
    assert_eq!((anew.status, anew.replayed), (StatusCode::CREATED, false), "{anew:?}");
    let charge = anew.text("transaction_id");
    let refund = json!({ "account_id": flysk_suite::stand::ACCOUNT, "transaction_id": charge, "all": true });
    assert_eq!(till.write("/refunds", refund).await.status, StatusCode::CREATED);
    till.close().await;
}
