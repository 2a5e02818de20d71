//! A filled database satisfies the product's own checks.

use flysk_domain::SystemClock;
use flysk_domain::id::TranscriptionId;
use flysk_domain::platform::crm::Crm;
use flysk_store::Pool;
use flysk_store::admin::audit::{self, AuditFilter};
use flysk_store::admin::listing::{Keyset, number_of_rows};
use flysk_store::admin::lists::accounts::{self, AccountFilter};
use flysk_store::admin::lists::calls::{self, CallFilter};
use flysk_store::admin::lists::discrepancies::{self, DiscrepancyFilter};
use flysk_store::admin::lists::events::{self, EventFilter};
use flysk_store::admin::lists::installs::{self, InstallFilter};
use flysk_store::admin::lists::invoices::{self, InvoiceFilter};
use flysk_store::admin::lists::jobs::{self, JobFilter};
use flysk_store::admin::lists::notifications::{self, NotificationFilter};
use flysk_store::admin::lists::payments::{self, PaymentFilter};
use flysk_store::admin::lists::purchases::{self, PurchaseFilter};
use flysk_store::admin::lists::receipts::{self, ReceiptFilter};
use flysk_store::admin::lists::subscriptions::{self, SubscriptionFilter};
use flysk_store::admin::lists::wallets::{self, WalletFilter};
use flysk_store::platform::ledger;
use sqlx::MySqlPool;

use super::{Volume, fill, write_attempts};

const VOLUME: u32 = 1_000;
/// Rows of a busy install among as many: a twentieth of a fifth, and a hundredth of the rest.
const ROWS_OF_BUSY_INSTALL: u32 = 18;

/// Number of columns in all keys.
async fn key_columns(pool: &Pool) -> i64 {
    let count = "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE()";
    sqlx::query_scalar(count).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn balances_equal_their_entries_and_keys_are_built_again(pool: MySqlPool) {
    let keys = key_columns(&pool).await;
    let filled = fill(&pool, Volume::of(VOLUME), &SystemClock).await.unwrap();
    assert_eq!(key_columns(&pool).await, keys);
    let proven = ledger::verify(&mut pool.acquire().await.unwrap(), 5).await.unwrap();
    assert_eq!((proven.entries, proven.wallets, proven.discrepancies), (998, 100, Vec::new()));

    let mut conn = pool.acquire().await.unwrap();
    let busy = CallFilter { account_id: Some(filled.busy_account), ..CallFilter::default() };
    let counted = calls::ids(&mut conn, &busy, &Keyset::counting(10_000)).await.unwrap();
    assert_eq!(number_of_rows(&counted), ROWS_OF_BUSY_INSTALL);
    let ids = calls::ids(&mut conn, &busy, &Keyset::newest(50)).await.unwrap();
    for call in calls::rows(&mut conn, &ids).await.unwrap() {
        let time = "tr_".len()..="tr_".len() + 9;
        let (id, first) = (call.id.to_string(), TranscriptionId::first_at(call.created_at).to_string());
        assert_eq!(id[time.clone()], first[time], "an id carries the time of its row");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_list_of_the_panel_has_rows_that_can_be_read(pool: MySqlPool) {
    fill(&pool, Volume::of(VOLUME), &SystemClock).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let newest = Keyset::newest(1_000);
    macro_rules! read {
        ($($list:ident $filter:expr;)+) => {$(
            let ids = $list::ids(&mut conn, &$filter, &newest).await.unwrap();
            let rows = $list::rows(&mut conn, &ids).await.unwrap();
            assert!(!rows.is_empty() && rows.len() == ids.len(), "{}", stringify!($list));
        )+};
    }
    read! {
        accounts AccountFilter::all(Crm::Amocrm);
        audit AuditFilter::default();
        calls CallFilter::default();
        discrepancies DiscrepancyFilter::default();
        events EventFilter::default();
        installs InstallFilter::default();
        invoices InvoiceFilter::default();
        jobs JobFilter::default();
        notifications NotificationFilter::default();
        payments PaymentFilter::default();
        purchases PurchaseFilter::default();
        receipts ReceiptFilter::default();
        subscriptions SubscriptionFilter::default();
        wallets WalletFilter::default();
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn attempts_are_written_for_the_events_in_turn(pool: MySqlPool) {
    fill(&pool, Volume::of(VOLUME), &SystemClock).await.unwrap();
    let keys = key_columns(&pool).await;
    write_attempts(&pool, 450).await.unwrap();
    assert_eq!(key_columns(&pool).await, keys);
    let (all, failed, most): (i64, i64, i64) = sqlx::query_as(
        "SELECT COUNT(*), COUNT(IF(outcome = 3, 1, NULL)), CAST(MAX(attempt) AS SIGNED) FROM lifecycle_attempts",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    // 200 events.
    assert_eq!((all, most), (450, 3));
    assert!((3..=6).contains(&failed), "{failed} have failed");
}
