//! Table `tbank_notifications`: verified notifications of T-Bank, stored before they are answered.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::UnknownText;
use flysk_domain::id::{JobId, NotificationId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState, PaymentSnapshot};
use flysk_domain::platform::purchases::NotificationKey;
use flysk_domain::platform::tbank::PaymentStatus;
use sqlx::QueryBuilder;

use crate::error::unless_duplicate_of;
use crate::listed::push_in;
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

/// The paid attempt to pay an invoice that a notification is about; it saves no card. Whatever is written later, it stays paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidAttempt {
    kind: AttemptKind,
    payment_id: Option<String>,
    status: Option<PaymentStatus>,
    amount: Kopecks,
}

impl PaidAttempt {
    /// The part of the attempt that decides the effect of an update.
    pub fn snapshot(&self) -> PaymentSnapshot<'_> {
        PaymentSnapshot {
            kind: self.kind,
            state: AttemptState::Paid,
            payment_id: self.payment_id.as_deref(),
            status: self.status.as_ref(),
            amount: self.amount,
            since_charge: None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct RowWithAttempt {
    #[sqlx(flatten)]
    row: Row,
    paid_kind: Option<String>,
    paid_payment: Option<String>,
    paid_status: Option<String>,
    paid_kopecks: Option<i64>,
}

/// Columns of a [`Row`]; alias `n` is the table.
const COLUMNS: &str =
    "n.id, n.terminal_key, n.payment_id, n.order_id, n.status, n.amount_kopecks, n.error_code,
    n.body_sealed, n.state, n.note, n.received_at";

const SELECT: &str = sql!("SELECT ", COLUMNS, " FROM tbank_notifications n WHERE ");

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
    .await;
    unless_duplicate_of(inserted, "tbank_notifications_once")
}

/// Finds a notification, and the attempt that it is about if that is paid and saves no card.
pub async fn find_notification_of_paid(
    conn: &mut Conn,
    id: NotificationId,
) -> StoreResult<Option<(NotificationRow, Option<PaidAttempt>)>> {
    let found: Option<RowWithAttempt> = sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        ", a.kind AS paid_kind, a.payment_id AS paid_payment, a.bank_status AS paid_status,
           a.amount_kopecks AS paid_kopecks
         FROM tbank_notifications n
         LEFT JOIN invoice_payments a ON a.id = n.order_id AND a.terminal_key = n.terminal_key
             AND a.state = 'paid' AND NOT a.save_card
         WHERE n.id = ?"
    ))
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(found) = found else { return Ok(None) };
    let paid = match (found.paid_kind.as_deref(), found.paid_kopecks) {
        (Some(kind), Some(kopecks)) => Some(PaidAttempt {
            kind: super::decode_text("attempt kind", kind)?,
            payment_id: found.paid_payment,
            status: found.paid_status.map(PaymentStatus::from),
            amount: Kopecks(kopecks),
        }),
        _ => None,
    };
    Ok(Some((found.row.try_into()?, paid)))
}

/// A notification that is new, and its job.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// The notification.
    pub row: NotificationRow,
    /// The job of the asked kind that waits with its id as dedup key.
    pub waiting_job: Option<JobId>,
}

#[derive(sqlx::FromRow)]
struct RowWithJob {
    #[sqlx(flatten)]
    row: Row,
    waiting_job: Option<String>,
}

/// Lists the notifications about an order that are new, each with its job of the kind `job` that waits, oldest first. Locks nothing.
pub async fn list_new_notifications(
    conn: &mut Conn,
    terminal_key: &str,
    order_id: &str,
    job: &str,
) -> StoreResult<Vec<NewNotification>> {
    let rows: Vec<RowWithJob> = sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        ", (SELECT j.id FROM jobs j FORCE INDEX (jobs_waiting_key)
            WHERE j.kind = ? AND j.waiting_key = n.id) AS waiting_job
         FROM tbank_notifications n
         WHERE n.terminal_key = ? AND n.order_id = ? AND n.state = 'new' ORDER BY n.received_at, n.id"
    ))
    .bind(job)
    .bind(terminal_key)
    .bind(order_id)
    .fetch_all(conn)
    .await?;
    let decoded = rows.into_iter().map(|RowWithJob { row, waiting_job }| {
        let waiting_job = waiting_job.as_deref().map(|id| super::decode_text("job id", id)).transpose()?;
        Ok(NewNotification { row: row.try_into()?, waiting_job })
    });
    decoded.collect()
}

/// Sets the processing state of notifications that are new; returns how many were. The index is named: few notifications are new, so a
/// server may prefer the index of the state, and wait for those that others are about to mark.
pub async fn mark_notifications(
    conn: &mut Conn,
    ids: &[NotificationId],
    state: NotificationState,
    note: &str,
    now: DateTime<Utc>,
) -> StoreResult<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    let mut query = QueryBuilder::new("UPDATE tbank_notifications FORCE INDEX (PRIMARY) SET state = ");
    query.push_bind(state.as_str()).push(", note = ").push_bind(note.to_owned());
    query.push(", applied_at = ").push_bind(now).push(" WHERE state = 'new' AND id");
    push_in(&mut query, ids.iter().map(ToString::to_string));
    Ok(query.build().execute(conn).await?.rows_affected())
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
