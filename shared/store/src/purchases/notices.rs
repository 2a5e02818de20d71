//! Table `tbank_notices`: what the bank posted, verified, kept before it is answered.

use chrono::{DateTime, Utc};
use flysk_domain::id::NoticeId;
use flysk_domain::money::Kopecks;

use crate::error::expect_one;
use crate::{Conn, StoreError, StoreResult};

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeState {
    /// Nobody has looked at it.
    New,
    /// It was looked at, whatever it changed.
    Applied,
    /// It is about nothing of ours.
    Ignored,
}

impl NoticeState {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Applied => "applied",
            Self::Ignored => "ignored",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        [Self::New, Self::Applied, Self::Ignored].into_iter().find(|known| known.code() == code)
    }
}

/// A notice to be kept.
#[derive(Debug)]
pub struct NewNotice<'a> {
    /// Its id.
    pub id: NoticeId,
    /// Whose.
    pub terminal_key: &'a str,
    /// The bank's number of the payment.
    pub payment_id: &'a str,
    /// Our number of the order.
    pub order_id: &'a str,
    /// What it tells.
    pub status: &'a str,
    /// Of how much.
    pub amount: Kopecks,
    /// `0` if nothing is wrong.
    pub error_code: &'a str,
    /// The body as it came, sealed for `tbank_notices.body:<id>`.
    pub body_sealed: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

/// A notice as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// Which.
    pub id: NoticeId,
    /// Whose.
    pub terminal_key: String,
    /// The bank's number of the payment.
    pub payment_id: String,
    /// Our number of the order.
    pub order_id: String,
    /// What it tells.
    pub status: String,
    /// Of how much.
    pub amount: Kopecks,
    /// The body, sealed.
    pub body_sealed: String,
    /// What became of it.
    pub state: NoticeState,
    /// What it came to, for operators.
    pub note: Option<String>,
    /// When it came.
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
    body_sealed: String,
    state: String,
    note: Option<String>,
    received_at: DateTime<Utc>,
}

impl TryFrom<Row> for NoticeRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: super::read_text("notice id", &row.id)?,
            terminal_key: row.terminal_key,
            payment_id: row.payment_id,
            order_id: row.order_id,
            status: row.status,
            amount: Kopecks(row.amount_kopecks),
            body_sealed: row.body_sealed,
            state: super::known("notice state", &row.state, NoticeState::from_code(&row.state))?,
            note: row.note,
            received_at: row.received_at,
        })
    }
}

const SELECT: &str =
    "SELECT id, terminal_key, payment_id, order_id, status, amount_kopecks, body_sealed, state,
    note, received_at FROM tbank_notices WHERE ";

/// Keeps a notice; `false` if it is known.
pub async fn insert_notice(conn: &mut Conn, new: &NewNotice<'_>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO tbank_notices (id, terminal_key, payment_id, order_id, status, amount_kopecks, error_code,
                                    body_sealed, state, received_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'new', ?)",
    )
    .bind(new.id.to_string())
    .bind(new.terminal_key)
    .bind(new.payment_id)
    .bind(new.order_id)
    .bind(new.status)
    .bind(new.amount.0)
    .bind(new.error_code)
    .bind(new.body_sealed)
    .bind(new.now)
    .execute(conn)
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Taken { key }) if key == "tbank_notices_once" => Ok(false),
        Err(error) => Err(error),
    }
}

/// One notice.
pub async fn find_notice(conn: &mut Conn, id: NoticeId) -> StoreResult<Option<NoticeRow>> {
    let sql = format!("{SELECT} id = ?");
    let row: Option<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Says what became of a notice nobody has looked at.
pub async fn mark_notice(
    conn: &mut Conn,
    id: NoticeId,
    state: NoticeState,
    note: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE tbank_notices SET state = ?, note = ?, applied_at = ? WHERE id = ? AND state = 'new'",
    )
    .bind(state.code())
    .bind(note)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "notice")
}

/// Notices received within the time that changed nothing because they are about nothing of ours, or that
/// nobody has looked at although they came before `until`.
pub async fn list_unapplied_notices(
    conn: &mut Conn,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<NoticeRow>> {
    let sql = format!(
        "{SELECT} state IN ('new', 'ignored') AND received_at >= ? AND received_at < ? ORDER BY received_at LIMIT ?"
    );
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(from).bind(until).bind(limit).fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
