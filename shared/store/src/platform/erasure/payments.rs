//! Erasure of addresses for receipts, saved cards and bodies of the bank's notifications. What a payment, a refund or a
//! closing receipt still needs stays until it has ended.
//!
//! An earlier release erases an address and leaves its hash, of which it does not know. So rows that have a hash alone are erased, too.

use chrono::{DateTime, Utc};
use flysk_domain::id::{CardId, InstallId, SubscriptionId, WalletId};

use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

/// Removes address, card and idempotency key of the purchases of a wallet that have ended and whose refunds have ended;
/// returns how many. The blind index of a request was made with the address.
pub async fn erase_purchase_contacts(conn: &mut Conn, wallet: WalletId, limit: u32) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE coin_purchases
         SET contact_sealed = '', contact_hash = '', rebill_sealed = NULL, card_pan = NULL, idem_key = NULL, body_hash = NULL
         WHERE wallet_id = ? AND (contact_sealed <> '' OR contact_hash <> '') AND state IN ('paid', 'failed')
               AND NOT EXISTS (SELECT 1 FROM coin_purchase_refunds r
                   WHERE r.purchase_id = coin_purchases.id AND r.state IN ('pending', 'sent'))
         LIMIT ?",
    )
    .bind(wallet.to_string())
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// Removes the addresses of the invoices of a subscription that nothing needs any more; returns how many. An invoice that a card has
/// paid has no address of its own: its receipts go to the last one of the subscription, which stays as long as they need it.
pub async fn erase_invoice_contacts(
    conn: &mut Conn,
    subscription: SubscriptionId,
    limit: u32,
) -> StoreResult<u64> {
    let lender = find_lender(&mut *conn, subscription).await?;
    let erased = sqlx::query(
        "UPDATE subscription_invoices SET contact_sealed = NULL, contact_hash = ''
         WHERE subscription_id = ? AND (contact_sealed IS NOT NULL OR contact_hash <> '') AND state <> 'open'
               AND id <> ?
               AND NOT EXISTS (SELECT 1 FROM invoice_payments p
                   WHERE p.invoice_id = subscription_invoices.id AND p.open_slot IS NOT NULL)
               AND NOT EXISTS (SELECT 1 FROM invoice_refunds r
                   WHERE r.invoice_id = subscription_invoices.id AND r.state IN ('pending', 'sent'))
               AND NOT EXISTS (SELECT 1 FROM invoice_receipts c
                   WHERE c.invoice_id = subscription_invoices.id AND c.state IN ('waiting', 'sending', 'unclear'))
         LIMIT ?",
    )
    .bind(subscription.to_string())
    .bind(lender.unwrap_or_default())
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// The invoice whose address another one of the subscription still needs, because it has none of its own; `None` if none does. A
/// closing receipt in doubt counts: a person may have it sent again.
async fn find_lender(conn: &mut Conn, subscription: SubscriptionId) -> StoreResult<Option<String>> {
    let lender: Option<Option<String>> = sqlx::query_scalar(
        "SELECT (SELECT l.id FROM subscription_invoices l
                 WHERE l.subscription_id = i.subscription_id AND l.contact_sealed IS NOT NULL
                 ORDER BY l.created_at DESC, l.id DESC LIMIT 1)
         FROM subscription_invoices i
         WHERE i.subscription_id = ? AND i.contact_sealed IS NULL
               AND (EXISTS (SELECT 1 FROM invoice_payments p
                        WHERE p.invoice_id = i.id AND p.open_slot IS NOT NULL)
                    OR EXISTS (SELECT 1 FROM invoice_refunds r
                        WHERE r.invoice_id = i.id AND r.state IN ('pending', 'sent'))
                    OR EXISTS (SELECT 1 FROM invoice_receipts c
                        WHERE c.invoice_id = i.id AND c.state IN ('waiting', 'sending', 'unclear')))
         LIMIT 1",
    )
    .bind(subscription.to_string())
    .fetch_optional(conn)
    .await?;
    Ok(lender.flatten())
}

/// Removes the addresses of an install's transfer invoices that have ended and whose acts are made; returns how many. The firm's
/// requisites stay, because they account for money.
pub async fn erase_transfer_emails(conn: &mut Conn, install: InstallId, limit: u32) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE transfer_invoices SET email_sealed = '', email_hash = '', pdf_url_sealed = NULL
         WHERE install_id = ? AND (email_sealed <> '' OR email_hash <> '') AND open_slot IS NULL
               AND NOT EXISTS (SELECT 1 FROM transfer_acts a
                   WHERE a.transfer_invoice_id = transfer_invoices.id AND a.state = 'due')
         LIMIT ?",
    )
    .bind(install.to_string())
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// Number of addresses that transfer invoices of an install still need.
pub async fn count_kept_transfer_emails(conn: &mut Conn, install: InstallId) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM transfer_invoices WHERE install_id = ? AND email_sealed <> ''",
    )
    .bind(install.to_string())
    .fetch_one(conn)
    .await?)
}

/// Number of addresses that purchases of a wallet and invoices of a subscription still need.
pub async fn count_kept_contacts(
    conn: &mut Conn,
    wallet: Option<WalletId>,
    subscription: Option<SubscriptionId>,
) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT (SELECT COUNT(*) FROM coin_purchases p WHERE p.wallet_id = ? AND p.contact_sealed <> '')
              + (SELECT COUNT(*) FROM subscription_invoices i
                 WHERE i.subscription_id = ? AND i.contact_sealed IS NOT NULL)",
    )
    .bind(wallet.map(|id| id.to_string()).unwrap_or_default())
    .bind(subscription.map(|id| id.to_string()).unwrap_or_default())
    .fetch_one(conn)
    .await?)
}

/// Lists the cards of an install that are still linked.
pub async fn list_linked_cards(conn: &mut Conn, install: InstallId) -> StoreResult<Vec<CardId>> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM payment_cards WHERE install_id = ? AND unlinked_at IS NULL")
            .bind(install.to_string())
            .fetch_all(conn)
            .await?;
    ids.iter().map(|id| decode_text("card id", id)).collect()
}

/// Removes number and `RebillId` of an install's unlinked cards; returns how many.
pub async fn erase_rebill_ids(conn: &mut Conn, install: InstallId) -> StoreResult<u64> {
    let erased = sqlx::query(
        "UPDATE payment_cards SET rebill_sealed = '', pan = NULL
         WHERE install_id = ? AND rebill_sealed <> '' AND unlinked_at IS NOT NULL",
    )
    .bind(install.to_string())
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// Removes the bodies of handled notifications about purchases of a wallet and payments of a subscription, received until
/// `until`; returns how many.
pub async fn erase_notifications(
    conn: &mut Conn,
    wallet: Option<WalletId>,
    subscription: Option<SubscriptionId>,
    until: DateTime<Utc>,
) -> StoreResult<u64> {
    let of_purchases = sqlx::query(
        "UPDATE tbank_notifications n
         JOIN coin_purchases p ON p.terminal_key = n.terminal_key AND p.order_id = n.order_id
         SET n.body_sealed = ''
         WHERE p.wallet_id = ? AND n.body_sealed <> '' AND n.state <> 'new' AND n.received_at <= ?",
    )
    .bind(wallet.map(|id| id.to_string()).unwrap_or_default())
    .bind(until)
    .execute(&mut *conn)
    .await?;
    let of_invoices = sqlx::query(
        "UPDATE tbank_notifications n
         JOIN invoice_payments p ON p.terminal_key = n.terminal_key AND p.id = n.order_id
         JOIN subscription_invoices i ON i.id = p.invoice_id
         SET n.body_sealed = ''
         WHERE i.subscription_id = ? AND n.body_sealed <> '' AND n.state <> 'new' AND n.received_at <= ?",
    )
    .bind(subscription.map(|id| id.to_string()).unwrap_or_default())
    .bind(until)
    .execute(conn)
    .await?;
    Ok(of_purchases.rows_affected() + of_invoices.rows_affected())
}
