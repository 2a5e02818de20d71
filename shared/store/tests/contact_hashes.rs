//! Hashes of contacts whose rows an earlier release has erased.

use flysk_domain::SystemClock;
use flysk_domain::id::{InstallId, SubscriptionId, WalletId};
use flysk_store::platform::erasure;
use sqlx::MySqlPool;

/// It removes an address and leaves the hash, of which it does not know.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_hash_whose_address_is_gone_is_erased(pool: MySqlPool) {
    let wallet = WalletId::generate(&SystemClock);
    let subscription = SubscriptionId::generate(&SystemClock);
    let install = InstallId::generate(&SystemClock);
    let purchase = "INSERT INTO coin_purchases (id, wallet_id, package_id, price_kopecks, coins_micro, bonus_micro, state,
             terminal_key, order_id, contact_sealed, contact_hash, save_card, created_at, updated_at)
         VALUES ('pur_01KC0000000000000000000000', ?, 'pkg_01KC0000000000000000000000', 50000, 500000000, 0, 'paid',
             'demo', 'pur_01KC0000000000000000000000', '', REPEAT('h', 32), FALSE, NOW(6), NOW(6))";
    let invoice = "INSERT INTO subscription_invoices (id, subscription_id, install_id, widget_id, vendor_id, kind, state, plan_id,
             seat_kopecks, seats, months, period_no, period_from, period_until, zone, title, lines_json, total_kopecks,
             contact_hash, created_at, updated_at)
         VALUES ('inv_01KC0000000000000000000000', ?, 'ins_01KC0000000000000000000000', 'wgt_01KC0000000000000000000000',
             'vnd_01KC0000000000000000000000', 'start', 'void', 'pln_01KC0000000000000000000000', 99000, 1, 1, 1,
             '2027-01-01', '2027-02-01', 'Europe/Moscow', 'a plan', '[]', 99000, REPEAT('h', 32), NOW(6), NOW(6))";
    let transfer = "INSERT INTO transfer_invoices (id, install_id, vendor_id, widget_id, number, state, payer_name, payer_inn,
             pays_invoice_id, email_sealed, email_hash, title, purpose, total_kopecks, amount_kopecks, vat, issued_on, due_on, requested_by,
             created_at, updated_at)
         VALUES ('tin_01KC0000000000000000000000', ?, 'vnd_01KC0000000000000000000000', 'wgt_01KC0000000000000000000000',
             1, 'void', 'a firm', '7707083893', 'inv_01KC0000000000000000000000', '', REPEAT('h', 32), 'a plan', 'a purpose', 99000, 99000, 'none',
             '2027-01-01', '2027-01-08', 'system', NOW(6), NOW(6))";
    let rows = [
        (purchase, wallet.to_string()),
        (invoice, subscription.to_string()),
        (transfer, install.to_string()),
    ];
    for (statement, owner) in rows {
        sqlx::query(statement).bind(owner).execute(&pool).await.unwrap();
    }
    let mut conn = pool.acquire().await.unwrap();
    for erased in [1, 0] {
        assert_eq!(erasure::erase_purchase_contacts(&mut conn, wallet, 10).await.unwrap(), erased);
        assert_eq!(erasure::erase_invoice_contacts(&mut conn, subscription, 10).await.unwrap(), erased);
        assert_eq!(erasure::erase_transfer_emails(&mut conn, install, 10).await.unwrap(), erased);
    }
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT COUNT(*) FROM coin_purchases WHERE contact_hash <> '')
              + (SELECT COUNT(*) FROM subscription_invoices WHERE contact_hash <> '')
              + (SELECT COUNT(*) FROM transfer_invoices WHERE email_hash <> '')",
    )
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    assert_eq!(left, 0);
}
