//! Table `subscription_quotes`: prices of changes.

use chrono::{DateTime, Utc};
use flysk_domain::id::{InvoiceId, QuoteId, SubscriptionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Change, QuoteLine};

use super::{decode_json, encode_json};
use crate::error::expect_one;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// A quote to be inserted.
#[derive(Debug)]
pub struct NewQuote<'a> {
    /// `quo_…`, chosen by the caller.
    pub id: QuoteId,
    /// Row of `subscriptions`; an install has at most one.
    pub subscription_id: SubscriptionId,
    /// Version of the subscription that was priced.
    pub base_version: u32,
    /// What the customer wants to change.
    pub change: Change,
    /// Lines, which sum to the total.
    pub lines: &'a [QuoteLine],
    /// Amount to pay.
    pub total: Kopecks,
    /// Until when it can be applied.
    pub expires_at: DateTime<Utc>,
    /// Requester of the quote.
    pub requested_by: &'a str,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

/// Row of `subscription_quotes`: a price that was shown, and can be applied until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuote {
    /// `quo_…`, ordered by the time of creation.
    pub id: QuoteId,
    /// Row of `subscriptions`; an install has at most one.
    pub subscription_id: SubscriptionId,
    /// Version of the subscription that was priced.
    pub base_version: u32,
    /// What the customer wants to change.
    pub change: Change,
    /// Lines, which sum to the total.
    pub lines: Vec<QuoteLine>,
    /// Amount to pay.
    pub total: Kopecks,
    /// Until when it can be applied.
    pub expires_at: DateTime<Utc>,
    /// When it was applied.
    pub applied_at: Option<DateTime<Utc>>,
    /// The invoice that it was frozen into, if there was something to pay.
    pub invoice_id: Option<InvoiceId>,
    /// Idempotency key of the request that applied it.
    pub idem_key: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    subscription_id: String,
    base_version: u32,
    request: String,
    lines_json: String,
    total_kopecks: i64,
    expires_at: DateTime<Utc>,
    applied_at: Option<DateTime<Utc>>,
    invoice_id: Option<String>,
    idem_key: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for StoredQuote {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: decode_text("quote id", &row.id)?,
            subscription_id: decode_text("subscription id", &row.subscription_id)?,
            base_version: row.base_version,
            change: decode_json("quote's request", &row.request)?,
            lines: decode_json("quote's lines", &row.lines_json)?,
            total: Kopecks(row.total_kopecks),
            expires_at: row.expires_at,
            applied_at: row.applied_at,
            invoice_id: row.invoice_id.as_deref().map(|id| decode_text("invoice id", id)).transpose()?,
            idem_key: row.idem_key,
            created_at: row.created_at,
        })
    }
}

const SELECT: &str =
    "SELECT id, subscription_id, base_version, request, lines_json, total_kopecks, expires_at, applied_at,
    invoice_id, idem_key, created_at FROM subscription_quotes WHERE ";

/// Stores a quote that was shown.
pub async fn insert_quote(conn: &mut Conn, new: &NewQuote<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO subscription_quotes (id, subscription_id, base_version, request, lines_json, total_kopecks,
             expires_at, requested_by, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.subscription_id.to_string())
    .bind(new.base_version)
    .bind(encode_json("quote's request", &new.change)?)
    .bind(encode_json("quote's lines", &new.lines)?)
    .bind(new.total.0)
    .bind(new.expires_at)
    .bind(new.requested_by)
    .bind(new.now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Finds a quote of a subscription. Quotes of others are not found.
pub async fn find_quote(
    conn: &mut Conn,
    subscription: SubscriptionId,
    id: QuoteId,
) -> StoreResult<Option<StoredQuote>> {
    let row: Option<Row> = sqlx::query_as(sql!(SELECT, "id = ? AND subscription_id = ?"))
        .bind(id.to_string())
        .bind(subscription.to_string())
        .fetch_optional(conn)
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Finds the quote that was applied under an idempotency key.
pub async fn find_quote_asked(
    conn: &mut Conn,
    subscription: SubscriptionId,
    key: &str,
) -> StoreResult<Option<StoredQuote>> {
    let row: Option<Row> = sqlx::query_as(sql!(SELECT, "subscription_id = ? AND idem_key = ?"))
        .bind(subscription.to_string())
        .bind(key)
        .fetch_optional(conn)
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Marks a quote as applied, once.
pub async fn mark_quote_applied(
    conn: &mut Conn,
    id: QuoteId,
    invoice: Option<InvoiceId>,
    key: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscription_quotes SET applied_at = ?, invoice_id = ?, idem_key = ?
         WHERE id = ? AND applied_at IS NULL",
    )
    .bind(now)
    .bind(invoice.map(|id| id.to_string()))
    .bind(key)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "quote")
}

/// Maximum number of quotes deleted by one [`trim_quotes`].
const MAX_TRIMMED_QUOTES: u32 = 10;

/// Deletes the oldest quotes of a subscription that were not applied, if it has more than `kept` of them; a few at a time. Of
/// several callers at once each deletes others: none waits for what another one deletes.
///
/// The order is that of the index, which ends with the id, and ids are in the order of creation. To name it would make MariaDB sort:
/// it would read, and lock, all quotes of the subscription.
pub async fn trim_quotes(conn: &mut Conn, subscription: SubscriptionId, kept: u32) -> StoreResult<()> {
    let counted: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT id FROM subscription_quotes
             WHERE subscription_id = ? AND idem_key IS NULL LIMIT ?) AS unapplied",
    )
    .bind(subscription.to_string())
    .bind(kept.saturating_add(MAX_TRIMMED_QUOTES))
    .fetch_one(&mut *conn)
    .await?;
    let excess = counted - i64::from(kept);
    if excess <= 0 {
        return Ok(());
    }
    let oldest: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM subscription_quotes FORCE INDEX (subscription_quotes_asked)
         WHERE subscription_id = ? AND idem_key IS NULL LIMIT ? FOR UPDATE SKIP LOCKED",
    )
    .bind(subscription.to_string())
    .bind(excess.unsigned_abs())
    .fetch_all(&mut *conn)
    .await?;
    for id in oldest {
        sqlx::query("DELETE FROM subscription_quotes WHERE id = ?").bind(id).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Deletes at most `limit` quotes that were created before `before` and not applied; returns how many.
pub async fn prune_quotes(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query(
        "DELETE FROM subscription_quotes WHERE applied_at IS NULL AND created_at < ? ORDER BY created_at LIMIT ?",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}
