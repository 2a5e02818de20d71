//! Table `daily_figures`: figures of the dashboard by day. A job computes them, so that the dashboard scans nothing.

mod period;
mod present;

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::Figure;

use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// A figure of a day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DailyFigure {
    /// Decides the unit of `amount`.
    #[sqlx(try_from = "TextColumn")]
    pub figure: Figure,
    /// The day, UTC.
    pub day: NaiveDate,
    /// Amount in the figure's unit.
    pub amount: i64,
}

/// Writes a figure of a day, or replaces it.
pub async fn write(
    conn: &mut Conn,
    figure: Figure,
    day: NaiveDate,
    amount: i64,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO daily_figures (figure, day, amount, updated_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE amount = VALUES(amount), updated_at = VALUES(updated_at)",
    )
    .bind(figure.as_str())
    .bind(day)
    .bind(amount)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists all figures since a day, in any order. Reads a range of the primary key for each figure, however many days are stored.
pub async fn list_since(conn: &mut Conn, since: NaiveDate) -> StoreResult<Vec<DailyFigure>> {
    let mut query = sqlx::QueryBuilder::new("SELECT figure, day, amount FROM daily_figures WHERE day >= ");
    query.push_bind(since).push(" AND figure");
    push_in(&mut query, Figure::ALL.iter().map(|figure| figure.as_str()));
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Lists the figures since a day that were computed after `after`. Reads a range of the primary key for each figure.
pub async fn list_fresh(
    conn: &mut Conn,
    since: NaiveDate,
    after: DateTime<Utc>,
) -> StoreResult<Vec<DailyFigure>> {
    let mut query = sqlx::QueryBuilder::new("SELECT figure, day, amount FROM daily_figures WHERE day >= ");
    query.push_bind(since).push(" AND updated_at > ").push_bind(after).push(" AND figure");
    push_in(&mut query, Figure::ALL.iter().map(|figure| figure.as_str()));
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// When the figures of the days since `since` were last computed.
pub async fn last_update(conn: &mut Conn, since: NaiveDate) -> StoreResult<Option<DateTime<Utc>>> {
    let mut query = sqlx::QueryBuilder::new("SELECT MAX(updated_at) FROM daily_figures WHERE day >= ");
    query.push_bind(since).push(" AND figure");
    push_in(&mut query, Figure::ALL.iter().map(|figure| figure.as_str()));
    Ok(query.build_query_scalar().fetch_one(conn).await?)
}

/// Computes a figure of the period from `from` until `until`; one of [`Figure::is_present_state`] is computed as of `now`.
pub async fn compute(
    conn: &mut Conn,
    figure: Figure,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<i64> {
    if figure.is_present_state() {
        present::compute(conn, figure, now).await
    } else {
        period::compute(conn, figure, from, until).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_computed_in_one_way() {
        for figure in Figure::ALL {
            let (of_present, of_period) = (present::is_known(*figure), period::is_known(*figure));
            assert_eq!(
                (of_present, of_period),
                (figure.is_present_state(), !figure.is_present_state()),
                "{figure:?}"
            );
            assert!(of_present || !figure.is_counted_to_limit() && !figure.is_slow(), "{figure:?}");
        }
    }
}
