//! Events of a vendor's widgets, and the log of their deliveries.
//!
//! A page of the log reads as many rows as it shows, however long the log is: it follows an index of the widget's attempts, all or of
//! one outcome. The attempts of one account are read by its events, which are few.

use flysk_domain::id::{AccountId, EventId, VendorId, WidgetId};
use flysk_domain::platform::events::AttemptOutcome;

use crate::platform::attempts::LoggedAttempt;
use crate::platform::events::Event;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// Selection of a widget's attempts for a page.
#[derive(Debug, Clone, Copy)]
pub enum LogFilter {
    /// Keeps every attempt.
    All,
    /// Attempts with this outcome.
    Outcome(AttemptOutcome),
    /// Attempts for events of this account.
    Account(AccountId),
}

/// A page of the log, newest first.
#[derive(Debug)]
pub struct LogPage {
    /// The newest ones that match, newest first.
    pub attempts: Vec<LoggedAttempt>,
    /// Whether there are older ones.
    pub has_more: bool,
}

/// Number of an outcome in the column `lifecycle_attempts.outcome`, as its migration computes it.
const fn outcome_number(outcome: AttemptOutcome) -> u8 {
    match outcome {
        AttemptOutcome::Delivered => 1,
        AttemptOutcome::Refused => 2,
        AttemptOutcome::Failed => 3,
        AttemptOutcome::Interrupted => 4,
    }
}

const COLUMNS: &str = "SELECT a.id, a.event_id, e.type, e.install_id, e.account_id, a.attempt, a.started_at, a.took_ms, a.status,
            a.error, a.answer_head, a.interrupted ";
/// The ids are chosen first, from the index alone: MariaDB reads and sorts all rows of the widget if they are joined at once.
const OF_WIDGET: &str = "FROM (SELECT c.id FROM lifecycle_attempts c FORCE INDEX (lifecycle_attempts_widget)
           WHERE c.widget_id = (SELECT w.id FROM widgets w WHERE w.id = ? AND w.vendor_id = ?) AND c.id < ?
           ORDER BY c.id DESC LIMIT ?) chosen
     STRAIGHT_JOIN lifecycle_attempts a ON a.id = chosen.id
     STRAIGHT_JOIN lifecycle_events e ON e.id = a.event_id ORDER BY a.id DESC";
const OF_OUTCOME: &str = "FROM (SELECT c.id FROM lifecycle_attempts c FORCE INDEX (lifecycle_attempts_outcome)
           WHERE c.widget_id = (SELECT w.id FROM widgets w WHERE w.id = ? AND w.vendor_id = ?) AND c.outcome = ? AND c.id < ?
           ORDER BY c.id DESC LIMIT ?) chosen
     STRAIGHT_JOIN lifecycle_attempts a ON a.id = chosen.id
     STRAIGHT_JOIN lifecycle_events e ON e.id = a.event_id ORDER BY a.id DESC";
/// From the indexes alone, too: only the ids of the account's attempts are sorted.
const OF_ACCOUNT: &str = "FROM (SELECT c.id FROM widgets w STRAIGHT_JOIN installs i ON i.widget_id = w.id
           STRAIGHT_JOIN lifecycle_events o ON o.install_id = i.id
           STRAIGHT_JOIN lifecycle_attempts c FORCE INDEX (lifecycle_attempts_event) ON c.event_id = o.id
           WHERE w.id = ? AND w.vendor_id = ? AND i.account_id = ? AND c.id < ?
           ORDER BY c.id DESC LIMIT ?) chosen
     STRAIGHT_JOIN lifecycle_attempts a ON a.id = chosen.id
     STRAIGHT_JOIN lifecycle_events e ON e.id = a.event_id ORDER BY a.id DESC";

/// Reads the newest `limit` attempts of a vendor's widget before attempt `before` ([`super::NEWEST`]: of all).
pub async fn page(
    conn: &mut Conn,
    vendor: VendorId,
    widget: WidgetId,
    filter: LogFilter,
    before: u64,
    limit: u32,
) -> StoreResult<LogPage> {
    let (widget, vendor, wanted) = (widget.to_string(), vendor.to_string(), limit.saturating_add(1));
    let mut attempts: Vec<LoggedAttempt> = match filter {
        LogFilter::All => {
            sqlx::query_as(sql!(COLUMNS, OF_WIDGET))
                .bind(widget)
                .bind(vendor)
                .bind(before)
                .bind(wanted)
                .fetch_all(conn)
                .await?
        }
        LogFilter::Outcome(outcome) => {
            sqlx::query_as(sql!(COLUMNS, OF_OUTCOME))
                .bind(widget)
                .bind(vendor)
                .bind(outcome_number(outcome))
                .bind(before)
                .bind(wanted)
                .fetch_all(conn)
                .await?
        }
        LogFilter::Account(account) => {
            sqlx::query_as(sql!(COLUMNS, OF_ACCOUNT))
                .bind(widget)
                .bind(vendor)
                .bind(account.0)
                .bind(before)
                .bind(wanted)
                .fetch_all(conn)
                .await?
        }
    };
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = attempts.len() > shown;
    attempts.truncate(shown);
    Ok(LogPage { attempts, has_more })
}

/// Finds an event of a vendor's widget.
pub async fn find_event(conn: &mut Conn, vendor: VendorId, id: EventId) -> StoreResult<Option<Event>> {
    Ok(sqlx::query_as(
        "SELECT e.id, e.widget_id, e.number, e.install_id, e.sequence, e.type, e.account_id, e.host, e.state, e.attempts,
                e.happened_at, e.data
         FROM lifecycle_events e JOIN widgets w ON w.id = e.widget_id WHERE e.id = ? AND w.vendor_id = ?",
    )
    .bind(id.to_string())
    .bind(vendor.to_string())
    .fetch_optional(conn)
    .await?)
}

#[cfg(test)]
mod tests {
    use flysk_domain::TextEnum as _;

    use super::*;

    /// The migration's expression, number by number.
    #[test]
    fn outcomes_have_the_numbers_of_the_column() {
        let numbers = [
            (AttemptOutcome::of(None, true), 4),
            (AttemptOutcome::of(Some(204), false), 1),
            (AttemptOutcome::of(Some(410), false), 2),
            (AttemptOutcome::of(Some(500), false), 3),
            (AttemptOutcome::of(None, false), 3),
        ];
        for (outcome, number) in numbers {
            assert_eq!(outcome_number(outcome), number, "{}", outcome.as_str());
        }
    }
}
