//! Table `tbank_notifications`: verified notifications of T-Bank, stored before they are answered.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::UnknownText;
use flysk_domain::id::NotificationId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::NotificationKey;

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// Processing state of a notification.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationState {
    /// Not processed yet.
    New,
    /// Processed, whether or not it changed anything.
    Applied,
    /// Not about a purchase of this deployment.
    Ignored,
}

/// A stored notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRow {
    /// `ntf_…`, ordered by the time of creation.
    pub id: NotificationId,
    /// Key of the terminal that it concerns.
    pub terminal_key: String,
    /// Fields that identify a repeated notification.
    pub key: NotificationKey,
    /// The body as received, sealed for `tbank_notifications.body:<id>`.
    pub body_sealed: String,
    /// Processing state.
    pub state: NotificationState,
    /// Result of the processing, for operators.
    pub note: Option<String>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    terminal_key: String,
    payment_id: String,
    order_id: String,
    status: String,
    amount_kopecks: i64,
    error_code: String,
    body_sealed: String,
    state: String,
    note: Option<String>,
    received_at: DateTime<Utc>,
}

impl TryFrom<Row> for NotificationRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: super::decode_text("notification id", &row.id)?,
            terminal_key: row.terminal_key,
            key: NotificationKey {
                payment_id: row.payment_id,
                order_id: row.order_id,
                status: row.status,
                amount: Kopecks(row.amount_kopecks),
                error_code: row.error_code,
            },
            body_sealed: row.body_sealed,
            state: super::decode_text("notification state", &row.state)?,
            note: row.note,
            received_at: row.received_at,
        })
    }
}

const SELECT: &str =
    "SELECT id, terminal_key, payment_id, order_id, status, amount_kopecks, error_code, body_sealed, state,
    note, received_at FROM tbank_notifications WHERE ";

/// Inserts a notification; `false` if it was stored before.
pub async fn insert_notification(conn: &mut Conn, new: &NotificationRow) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO tbank_notifications (id, terminal_key, payment_id, order_id, status, amount_kopecks, error_code,
                                    body_sealed, state, received_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'new', ?)",
    )
    .bind(new.id.to_string())
    .bind(&new.terminal_key)
    .bind(&new.key.payment_id)
    .bind(&new.key.order_id)
    .bind(&new.key.status)
    .bind(new.key.amount.0)
    .bind(&new.key.error_code)
    .bind(&new.body_sealed)
    .bind(new.received_at)
    .execute(conn)
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { key }) if key == "tbank_notifications_once" => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_notification(conn: &mut Conn, id: NotificationId) -> StoreResult<Option<NotificationRow>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, " id = ?")).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Sets the processing state of a new notification.
pub async fn mark_notification(
    conn: &mut Conn,
    id: NotificationId,
    state: NotificationState,
    note: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE tbank_notifications SET state = ?, note = ?, applied_at = ? WHERE id = ? AND state = 'new'",
    )
    .bind(state.as_str())
    .bind(note)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "notification")
}

/// Lists notifications received within the period that were ignored, or that are still unprocessed although they were
/// received before `until`.
pub async fn list_unapplied_notifications(
    conn: &mut Conn,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<NotificationRow>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(
        SELECT,
        " state IN ('new', 'ignored') AND received_at >= ? AND received_at < ? ORDER BY received_at LIMIT ?"
    ))
    .bind(from)
    .bind(until)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
