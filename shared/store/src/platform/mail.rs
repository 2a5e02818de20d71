//! Tables `mail_notices` and `mail_preferences`: notices by e-mail, and the addresses of receipts that they are sent to.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, InvoiceId, MailNoticeId, PurchaseId, SubscriptionId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::mail::{MailFacts, MailKind, MailState};
use sqlx::types::Json;

use crate::error::{expect_one, unless_duplicate};
use crate::listed::push_in;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult, TextColumn};

/// Row of `mail_notices`: a notice of a subscription to its payer.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct MailNotice {
    /// `mln_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: MailNoticeId,
    /// Row of `subscriptions`; an install has at most one.
    #[sqlx(try_from = "String")]
    pub subscription_id: SubscriptionId,
    /// Row of `installs`, which has the widget and the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Decides the text.
    #[sqlx(try_from = "TextColumn")]
    pub kind: MailKind,
    /// Day of the account on which it is sent.
    pub local_day: NaiveDate,
    /// Contents of the notice.
    #[sqlx(json)]
    pub facts: MailFacts,
    /// `Waiting` until a job sends it, or finds a reason not to.
    #[sqlx(try_from = "TextColumn")]
    pub state: MailState,
}

/// Inserts a notice that waits; `false` if there is one of its kind for the subscription and day.
pub async fn insert_notice(conn: &mut Conn, notice: &MailNotice, now: DateTime<Utc>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO mail_notices (id, subscription_id, install_id, kind, local_day, facts, state, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(notice.id.to_string())
    .bind(notice.subscription_id.to_string())
    .bind(notice.install_id.to_string())
    .bind(notice.kind.as_str())
    .bind(notice.local_day)
    .bind(Json(&notice.facts))
    .bind(notice.state.as_str())
    .bind(now)
    .bind(now)
    .execute(conn)
    .await;
    unless_duplicate(inserted)
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_notice(conn: &mut Conn, id: MailNoticeId) -> StoreResult<Option<MailNotice>> {
    Ok(sqlx::query_as(
        "SELECT id, subscription_id, install_id, kind, local_day, facts, state FROM mail_notices WHERE id = ?",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?)
}

/// A notice as operators see it, without what it says.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SentNotice {
    /// Decides the text.
    #[sqlx(try_from = "TextColumn")]
    pub kind: MailKind,
    /// `Waiting` until a job sends it, or finds a reason not to.
    #[sqlx(try_from = "TextColumn")]
    pub state: MailState,
    /// Day of the account on which it is sent.
    pub local_day: NaiveDate,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When its state last changed.
    pub updated_at: DateTime<Utc>,
}

/// Lists the newest notices about a subscription.
pub async fn list_notices(
    conn: &mut Conn,
    subscription: SubscriptionId,
    limit: u32,
) -> StoreResult<Vec<SentNotice>> {
    Ok(sqlx::query_as(
        "SELECT kind, state, local_day, created_at, updated_at FROM mail_notices
         WHERE subscription_id = ? ORDER BY created_at DESC, id DESC LIMIT ?",
    )
    .bind(subscription.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Changes the state from `from` to `to`; fails if the notice is in another state.
pub async fn set_state(
    conn: &mut Conn,
    id: MailNoticeId,
    from: MailState,
    to: MailState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query("UPDATE mail_notices SET state = ?, updated_at = ? WHERE id = ? AND state = ?")
        .bind(to.as_str())
        .bind(now)
        .bind(id.to_string())
        .bind(from.as_str())
        .execute(conn)
        .await?;
    expect_one(&result, "mail notice")
}

/// Deletes at most `limit` notices created before `before`; returns how many.
pub async fn prune_notices(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM mail_notices WHERE created_at < ? ORDER BY created_at LIMIT ?")
            .bind(before)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut delete = sqlx::QueryBuilder::new("DELETE FROM mail_notices WHERE id");
    push_in(&mut delete, ids);
    Ok(delete.build().execute(conn).await?.rows_affected())
}

/// The row that an address of receipts belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactSource {
    /// An invoice of a subscription.
    Invoice(InvoiceId),
    /// A purchase of Flycoins.
    Purchase(PurchaseId),
}

impl std::fmt::Display for ContactSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invoice(id) => id.fmt(f),
            Self::Purchase(id) => id.fmt(f),
        }
    }
}

/// An address of receipts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedContact {
    /// Row that has the address.
    pub source: ContactSource,
    /// The address, sealed for the row.
    pub sealed: String,
}

/// The latest address of a subscription's receipts; without one, that of the latest purchase of Flycoins by the install.
pub async fn find_contact(
    conn: &mut Conn,
    subscription: SubscriptionId,
    install: InstallId,
) -> StoreResult<Option<SealedContact>> {
    let invoice: Option<(String, String)> = sqlx::query_as(
        "SELECT id, contact_sealed FROM subscription_invoices
         WHERE subscription_id = ? AND contact_sealed IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT 1",
    )
    .bind(subscription.to_string())
    .fetch_optional(&mut *conn)
    .await?;
    if let Some((id, sealed)) = invoice {
        let source = ContactSource::Invoice(decode_text("invoice id", &id)?);
        return Ok(Some(SealedContact { source, sealed }));
    }
    find_purchase_contact(conn, install).await
}

/// The address of the latest purchase of Flycoins by an install.
async fn find_purchase_contact(conn: &mut Conn, install: InstallId) -> StoreResult<Option<SealedContact>> {
    let purchase: Option<(String, String)> = sqlx::query_as(
        "SELECT p.id, p.contact_sealed FROM coin_purchases p JOIN wallets w ON w.id = p.wallet_id
         WHERE w.install_id = ? AND p.contact_sealed <> '' ORDER BY p.created_at DESC, p.id DESC LIMIT 1",
    )
    .bind(install.to_string())
    .fetch_optional(conn)
    .await?;
    let Some((id, sealed)) = purchase else { return Ok(None) };
    Ok(Some(SealedContact { source: ContactSource::Purchase(decode_text("purchase id", &id)?), sealed }))
}

/// What letters about a subscription are about, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSubject {
    /// Display name of the widget.
    pub widget_name: String,
    /// Whether the widget sells access by subscription at present.
    pub is_sold: bool,
    /// Current host of the account; empty if it is not known.
    pub host: String,
    /// Offset of the account's time from UTC, minutes; `None` if unknown.
    pub utc_offset_minutes: Option<i16>,
    /// Whether the account has uninstalled the widget.
    pub is_uninstalled: bool,
    /// The address, as [`find_contact`] finds it.
    pub contact: Option<SealedContact>,
    /// As [`find_preferences`] reads them.
    pub preferences: MailPreferences,
}

#[derive(sqlx::FromRow)]
struct SubjectRow {
    widget_name: String,
    is_sold: bool,
    host: String,
    utc_offset_minutes: Option<i16>,
    is_uninstalled: bool,
    install_id: String,
    contact_of: Option<String>,
    contact_text: Option<String>,
    muted: Option<Json<Vec<MailKind>>>,
    bad_contact: Option<String>,
    bad_code: Option<String>,
}

/// Reads the subject of letters about a subscription; `None` if there is no such subscription.
pub async fn find_subject(conn: &mut Conn, subscription: SubscriptionId) -> StoreResult<Option<MailSubject>> {
    let row: Option<SubjectRow> = sqlx::query_as(
        "SELECT w.name AS widget_name, w.uses_subscriptions AS is_sold, COALESCE(a.host, '') AS host,
             a.utc_offset_minutes, COALESCE(i.status = ?, FALSE) AS is_uninstalled, s.install_id,
             c.id AS contact_of, c.contact_sealed AS contact_text, p.muted, p.bad_contact, p.bad_code
         FROM subscriptions s JOIN widgets w ON w.id = s.widget_id
         LEFT JOIN accounts a ON a.platform = s.platform AND a.id = s.account_id
         LEFT JOIN installs i ON i.id = s.install_id
         LEFT JOIN mail_preferences p ON p.install_id = s.install_id
         LEFT JOIN subscription_invoices c ON c.id = (
             SELECT l.id FROM subscription_invoices l
             WHERE l.subscription_id = s.id AND l.contact_sealed IS NOT NULL
             ORDER BY l.created_at DESC, l.id DESC LIMIT 1)
         WHERE s.id = ?",
    )
    .bind(InstallStatus::Uninstalled.as_str())
    .bind(subscription.to_string())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let contact = match (row.contact_of.as_deref(), row.contact_text) {
        (Some(id), Some(sealed)) => {
            Some(SealedContact { source: ContactSource::Invoice(decode_text("invoice id", id)?), sealed })
        }
        _ => find_purchase_contact(conn, decode_text("install id", &row.install_id)?).await?,
    };
    Ok(Some(MailSubject {
        widget_name: row.widget_name,
        is_sold: row.is_sold,
        host: row.host,
        utc_offset_minutes: row.utc_offset_minutes,
        is_uninstalled: row.is_uninstalled,
        contact,
        preferences: MailPreferences {
            muted: row.muted.map(|muted| muted.0).unwrap_or_default(),
            bad_contact: row.bad_contact,
            bad_code: row.bad_code,
        },
    }))
}

/// Kinds of notices that an install's account wants, and the state of its address.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct MailPreferences {
    /// Kinds that were switched off.
    #[sqlx(json)]
    pub muted: Vec<MailKind>,
    /// Id of the invoice or purchase whose address does not exist.
    pub bad_contact: Option<String>,
    /// The mail server's code about that address.
    pub bad_code: Option<String>,
}

/// Reads the preferences of an install and locks them for a change. Inserts them if there are none: a row that does not exist
/// cannot be locked, and of two changes at once one would be lost.
pub async fn lock_preferences(conn: &mut Conn, install: InstallId) -> StoreResult<MailPreferences> {
    sqlx::query(
        "INSERT INTO mail_preferences (install_id, muted, updated_at) VALUES (?, '[]', UTC_TIMESTAMP(6))
         ON DUPLICATE KEY UPDATE install_id = install_id",
    )
    .bind(install.to_string())
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_as(
        "SELECT muted, bad_contact, bad_code FROM mail_preferences WHERE install_id = ? FOR UPDATE",
    )
    .bind(install.to_string())
    .fetch_one(conn)
    .await?)
}

/// Reads the preferences of an install.
pub async fn find_preferences(conn: &mut Conn, install: InstallId) -> StoreResult<MailPreferences> {
    let found =
        sqlx::query_as("SELECT muted, bad_contact, bad_code FROM mail_preferences WHERE install_id = ?")
            .bind(install.to_string())
            .fetch_optional(conn)
            .await?;
    Ok(found.unwrap_or_default())
}

/// Sets the kinds that an install's account does not want.
pub async fn set_muted(
    conn: &mut Conn,
    install: InstallId,
    muted: &[MailKind],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO mail_preferences (install_id, muted, updated_at) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE muted = VALUES(muted), updated_at = VALUES(updated_at)",
    )
    .bind(install.to_string())
    .bind(Json(muted))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that the address of a row does not exist. `code`: the mail server's code, at most 16 ASCII characters.
pub async fn mark_bad_contact(
    conn: &mut Conn,
    install: InstallId,
    source: ContactSource,
    code: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO mail_preferences (install_id, muted, bad_contact, bad_code, updated_at) VALUES (?, '[]', ?, ?, ?)
         ON DUPLICATE KEY UPDATE bad_contact = VALUES(bad_contact), bad_code = VALUES(bad_code),
                                 updated_at = VALUES(updated_at)",
    )
    .bind(install.to_string())
    .bind(source.to_string())
    .bind(code)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
