//! What the benchmark adds to a filled database keeps the product's own rules.

use chrono::TimeDelta;
use flysk_domain::id::{InstallId, LotId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_domain::{Clock as _, SystemClock};
use flysk_store::Pool;
use flysk_store::platform::ledger::{self, LedgerCommand};
use sqlx::MySqlPool;

use super::customer::extend;
use super::waiting;
use crate::bench::fill::{Volume, fill};
use crate::environment::ACCOUNT;

const ROWS: u32 = 2_000;
/// Waiting jobs of the one tenant.
const WAITING: u32 = 1_500;

/// The measured customer: an install with coins.
async fn install(pool: &Pool) {
    let (install, widget) = (InstallId::generate(&SystemClock), WidgetId::generate(&SystemClock));
    sqlx::query(
        "INSERT INTO installs (id, widget_id, platform, account_id, status, settings, created_at, updated_at)
         VALUES (?, ?, 'amocrm', ?, 'active', '{}', NOW(6), NOW(6))",
    )
    .bind(install.to_string())
    .bind(widget.to_string())
    .bind(ACCOUNT)
    .execute(pool)
    .await
    .unwrap();
    let (wallet, lot) = (WalletId::generate(&SystemClock), LotId::generate(&SystemClock));
    let amount = MicroCoins(1_000_000);
    let credit = Command::Credit { lot, origin: Origin::Package, amount, expires_at: None };
    let credit = LedgerCommand::new(TransactionId::generate(&SystemClock), credit);
    let mut tx = pool.begin().await.unwrap();
    ledger::insert_wallet(&mut tx, wallet, install, widget, SystemClock.now()).await.unwrap();
    ledger::apply(&mut tx, wallet, &[credit], &SystemClock).await.unwrap();
    tx.commit().await.unwrap();
}

async fn count(pool: &Pool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_long_history_keeps_the_ledger_right_and_leaves_nothing_in_progress(pool: MySqlPool) {
    install(&pool).await;
    fill(&pool, Volume::thin(ROWS), &SystemClock).await.unwrap();
    // The newest row is sealed already, as by the schedule of an environment.
    sqlx::query(
        "UPDATE audit_log SET chain_number = 1, chain_hash = REPEAT('1', 64) ORDER BY id DESC LIMIT 1",
    )
    .execute(&pool)
    .await
    .unwrap();
    let extra = extend(&pool, ROWS).await.unwrap();
    let proven = ledger::verify(&mut pool.acquire().await.unwrap(), 5).await.unwrap();
    assert_eq!(proven.discrepancies, Vec::new());
    let own = "SELECT COUNT(*) FROM ledger_charges c JOIN wallets w ON w.id = c.wallet_id WHERE w.available_micro = 999000";
    assert_eq!(count(&pool, own).await, i64::from(extra.own));
    for nothing in [
        "SELECT COUNT(*) FROM transcriptions WHERE state = 'recognizing'",
        "SELECT COUNT(*) FROM audit_log WHERE chain_number IS NULL",
        "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND push_at < NOW(6) + INTERVAL 7 DAY",
    ] {
        assert_eq!(count(&pool, nothing).await, 0, "{nothing}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn jobs_of_the_one_tenant_are_due_when_they_are_set_to(pool: MySqlPool) {
    waiting::insert(&pool, WAITING).await.unwrap();
    let due = "SELECT COUNT(*) FROM jobs WHERE tenant = 'busy' AND run_at <= NOW(6) AND push_at <= NOW(6)";
    assert_eq!(count(&pool, due).await, 0);
    waiting::set_due(&pool, WAITING, SystemClock.now() - TimeDelta::minutes(1)).await.unwrap();
    assert_eq!(count(&pool, due).await, i64::from(WAITING));
    let others = "SELECT COUNT(DISTINCT tenant) FROM jobs WHERE tenant <> 'busy' AND push_at > NOW(6)";
    assert_eq!(count(&pool, others).await, i64::from(waiting::OTHER_TENANTS));
    waiting::set_due(&pool, WAITING, waiting::later()).await.unwrap();
    assert_eq!(count(&pool, due).await, 0);
}
