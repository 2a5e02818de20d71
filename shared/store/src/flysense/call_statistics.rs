//! Statistics of transcriptions by day.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::AccountId;

use crate::{Conn, StoreResult, TextColumn};

/// Transcriptions of one state that were requested on one day.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DayOfCalls {
    /// The day in the reader's time zone.
    pub day: NaiveDate,
    /// Their present state.
    #[sqlx(try_from = "TextColumn")]
    pub state: TranscriptionState,
    /// Their number.
    pub calls: i64,
    /// Sum of the seconds that are charged.
    pub billed_seconds: i64,
}

/// Coins that were charged for transcriptions on one day.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DayOfCharges {
    /// The day in the reader's time zone.
    pub day: NaiveDate,
    /// Micro-Flycoins.
    pub charged_micro: i64,
}

/// Transcriptions requested in `from ≤ time < until`, by day and state; days begin `utc_offset_min` minutes before UTC's.
pub async fn calls_by_day(
    conn: &mut Conn,
    account_id: AccountId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    utc_offset_min: i32,
) -> StoreResult<Vec<DayOfCalls>> {
    Ok(sqlx::query_as(
        "SELECT CAST(DATE_ADD(created_at, INTERVAL ? MINUTE) AS DATE) AS day, state, COUNT(*) AS calls,
                CAST(COALESCE(SUM(billed_seconds), 0) AS SIGNED) AS billed_seconds
         FROM transcriptions WHERE account_id = ? AND created_at >= ? AND created_at < ?
         GROUP BY 1, 2 ORDER BY 1, 2",
    )
    .bind(utc_offset_min)
    .bind(account_id.0)
    .bind(from)
    .bind(until)
    .fetch_all(conn)
    .await?)
}

/// Charges in `from ≤ time < until`, by day.
pub async fn charges_by_day(
    conn: &mut Conn,
    account_id: AccountId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    utc_offset_min: i32,
) -> StoreResult<Vec<DayOfCharges>> {
    Ok(sqlx::query_as(
        "SELECT CAST(DATE_ADD(paid_at, INTERVAL ? MINUTE) AS DATE) AS day,
                CAST(COALESCE(SUM(charged_micro), 0) AS SIGNED) AS charged_micro
         FROM flysense_payments WHERE account_id = ? AND paid_at >= ? AND paid_at < ?
         GROUP BY 1 ORDER BY 1",
    )
    .bind(utc_offset_min)
    .bind(account_id.0)
    .bind(from)
    .bind(until)
    .fetch_all(conn)
    .await?)
}
