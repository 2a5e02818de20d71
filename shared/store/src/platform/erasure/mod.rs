//! Erasure of what the platform keeps about an account: its name, settings, tokens, letters, comments, data of events, and the
//! addresses and cards of its payments.
//!
//! Every function may be repeated: what is erased is not counted again. Amounts, dates and numbers of money stay.

mod payments;
mod profile;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::ErasedKind;
use flysk_domain::id::{AccountId, InstallId, SubscriptionId, WalletId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::subscriptions::SubscriptionState;

use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

pub use payments::{
    count_kept_contacts, count_kept_transfer_emails, erase_invoice_contacts, erase_notifications,
    erase_purchase_contacts, erase_rebill_ids, erase_transfer_emails, list_linked_cards,
};
pub use profile::{
    delete_letters, delete_seats, delete_settings_history, delete_tokens, erase_account_name, erase_answers,
    erase_comments, erase_event_data, erase_settings, has_waiting_events,
};

/// An install of the account, with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedInstall {
    /// `ins_…`, ordered by the time of creation.
    pub id: InstallId,
    /// Follows from the facts of the install, by `flysk_domain::platform::lifecycle`.
    pub status: InstallStatus,
    /// Row of `wallets`; an install has at most one.
    pub wallet: Option<WalletId>,
    /// Subscription, its state, and whether it ends with its period.
    pub subscription: Option<(SubscriptionId, SubscriptionState, bool)>,
}

#[derive(sqlx::FromRow)]
struct InstallRow {
    id: String,
    status: String,
    wallet_id: Option<String>,
    subscription_id: Option<String>,
    subscription_state: Option<String>,
    cancels: Option<bool>,
}

/// Uninstalled ones too, by id.
pub async fn list_installs(conn: &mut Conn, crm: Crm, account: AccountId) -> StoreResult<Vec<ErasedInstall>> {
    let rows: Vec<InstallRow> = sqlx::query_as(
        "SELECT i.id, i.status, w.id AS wallet_id, s.id AS subscription_id, s.state AS subscription_state, s.cancels
         FROM installs i
         LEFT JOIN wallets w ON w.install_id = i.id
         LEFT JOIN subscriptions s ON s.install_id = i.id
         WHERE i.platform = ? AND i.account_id = ? ORDER BY i.id",
    )
    .bind(crm.as_str())
    .bind(account.0)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(decode).collect()
}

fn decode(row: InstallRow) -> StoreResult<ErasedInstall> {
    let subscription = match (row.subscription_id, row.subscription_state) {
        (Some(id), Some(state)) => Some((
            decode_text("subscription id", &id)?,
            decode_text("subscription state", &state)?,
            row.cancels.unwrap_or_default(),
        )),
        _ => None,
    };
    Ok(ErasedInstall {
        id: decode_text("install id", &row.id)?,
        status: decode_text("install status", &row.status)?,
        wallet: row.wallet_id.map(|id| decode_text("wallet id", &id)).transpose()?,
        subscription,
    })
}

/// Counts the rows of a kind in an install; `None` for kinds that are not kept by install.
pub async fn count(conn: &mut Conn, kind: ErasedKind, install: &ErasedInstall) -> StoreResult<Option<i64>> {
    let id = install.id.to_string();
    let wallet = install.wallet.map(|wallet| wallet.to_string()).unwrap_or_default();
    let subscription = install.subscription.map(|(id, ..)| id.to_string()).unwrap_or_default();
    let query = match kind {
        ErasedKind::Settings => sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM settings_history h WHERE h.install_id = ?)
                  + (SELECT COUNT(*) FROM installs i WHERE i.id = ? AND i.settings <> '{}')",
        )
        .bind(id.clone())
        .bind(id),
        ErasedKind::Tokens => {
            sqlx::query_scalar("SELECT COUNT(*) FROM install_tokens WHERE install_id = ?").bind(id)
        }
        ErasedKind::Contacts => sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM coin_purchases p WHERE p.wallet_id = ? AND p.contact_sealed <> '')
                  + (SELECT COUNT(*) FROM subscription_invoices i
                     WHERE i.subscription_id = ? AND i.contact_sealed IS NOT NULL)",
        )
        .bind(wallet)
        .bind(subscription),
        ErasedKind::Cards => sqlx::query_scalar(
            "SELECT COUNT(*) FROM payment_cards WHERE install_id = ? AND rebill_sealed <> ''",
        )
        .bind(id),
        ErasedKind::Letters => sqlx::query_scalar(
            "SELECT (SELECT COUNT(*) FROM mail_notices n WHERE n.subscription_id = ?)
                  + (SELECT COUNT(*) FROM mail_preferences p WHERE p.install_id = ?)",
        )
        .bind(subscription)
        .bind(id),
        ErasedKind::Seats => {
            sqlx::query_scalar("SELECT COUNT(*) FROM subscription_seats WHERE subscription_id = ?")
                .bind(subscription)
        }
        ErasedKind::EventData => sqlx::query_scalar(
            "SELECT COUNT(*) FROM lifecycle_events WHERE install_id = ? AND data IS NOT NULL AND data <> '{}'",
        )
        .bind(id),
        ErasedKind::Answers => sqlx::query_scalar(
            "SELECT COUNT(*) FROM lifecycle_attempts a JOIN lifecycle_events e ON e.id = a.event_id
             WHERE e.install_id = ? AND (a.answer_head IS NOT NULL OR a.error IS NOT NULL)",
        )
        .bind(id),
        ErasedKind::Comments => sqlx::query_scalar(
            "SELECT COUNT(*) FROM ledger_transactions WHERE wallet_id = ? AND reference IS NOT NULL",
        )
        .bind(wallet),
        _ => return Ok(None),
    };
    Ok(Some(query.fetch_one(conn).await?))
}

/// When the next closing receipt of a subscription is due that needs the address of an invoice.
pub async fn next_receipt_at(
    conn: &mut Conn,
    subscription: SubscriptionId,
) -> StoreResult<Option<DateTime<Utc>>> {
    Ok(sqlx::query_scalar(
        "SELECT MIN(r.due_at) FROM invoice_receipts r JOIN subscription_invoices i ON i.id = r.invoice_id
         WHERE i.subscription_id = ? AND r.state IN ('waiting', 'sending')",
    )
    .bind(subscription.to_string())
    .fetch_one(conn)
    .await?)
}
