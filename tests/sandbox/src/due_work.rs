//! What is due next, and which tick of the schedule picks it up: for a clock that makes few stops.
//!
//! One statement reads the due dates of every kind, each from the end of an index, so that a stop costs no more with a
//! thousand accounts than with one.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_store::Conn;

/// Age at which an idle pair of tokens is renewed, well before amoCRM ends it (three months). Pairs whose access token has
/// expired are renewed on demand, by the request that needs them.
const PAIR_IDLE_AGE: TimeDelta = TimeDelta::days(60);
/// A lease is over after its end.
const LEASE_END: TimeDelta = TimeDelta::seconds(1);
/// What is picked up at its stored date.
const NO_DELAY: TimeDelta = TimeDelta::zero();

/// Due dates of one kind.
#[derive(Debug, Clone, Copy)]
struct Source {
    /// Entry of the schedule that picks them up; `None` if the worker does so itself.
    tick: Option<&'static str>,
    /// Column of the dates.
    column: &'static str,
    /// Its table, and a condition.
    rows: &'static str,
    /// Time from the stored date to the due date.
    delay: TimeDelta,
}

const fn job(column: &'static str, rows: &'static str, delay: TimeDelta) -> Source {
    Source { tick: None, column, rows, delay }
}

const fn tick(name: &'static str, column: &'static str, rows: &'static str) -> Source {
    Source { tick: Some(name), column, rows, delay: NO_DELAY }
}

/// All kinds. An index has the column of each.
const SOURCES: [Source; 12] = [
    job("run_at", "jobs WHERE state = 'queued'", NO_DELAY),
    job("lease_until", "jobs WHERE state = 'running'", LEASE_END),
    tick("billing.reconcile_due", "poll_at", "coin_purchases WHERE TRUE"),
    tick("flycoins.expire_holds", "expires_at", "ledger_holds WHERE state = 'open'"),
    tick("flycoins.expire_holds", "expires_at", "ledger_lots WHERE left_micro > 0"),
    tick("flycoins.publish_wallet_events", "happened_at", "pending_wallet_events WHERE TRUE"),
    tick("billing.subscriptions_due", "next_due_at", "subscriptions WHERE TRUE"),
    tick("billing.subscriptions_due", "charge_at", "subscription_invoices WHERE TRUE"),
    tick("billing.subscriptions_due", "due_at", "subscription_invoices WHERE state = 'open'"),
    tick("billing.subscriptions_due", "query_at", "invoice_payments WHERE TRUE"),
    tick("billing.subscriptions_due", "due_at", "invoice_receipts WHERE state IN ('waiting', 'sending')"),
    Source {
        tick: Some("oauth.refresh_due"),
        column: "refreshed_at",
        rows: "install_tokens WHERE state = 'good'",
        delay: PAIR_IDLE_AGE,
    },
];

/// What stands for the number of a source where a price campaign runs.
const CAMPAIGN: i64 = -1;

/// Reads the number of each source, its earliest date until a time, and its earliest date after that time; and one row for each
/// running price campaign. It has two placeholders for each source, both the time.
static STATEMENT: LazyLock<String> = LazyLock::new(|| {
    let parts = SOURCES.iter().enumerate().map(|(number, Source { column, rows, .. })| {
        format!(
            "SELECT CAST({number} AS SIGNED) AS source,
                (SELECT MIN({column}) FROM {rows} AND {column} <= ?) AS overdue,
                (SELECT MIN({column}) FROM {rows} AND {column} > ?) AS ahead"
        )
    });
    let campaigns = format!(
        "SELECT CAST({CAMPAIGN} AS SIGNED) AS source, NULL AS overdue, NULL AS ahead FROM price_campaigns
         WHERE running_slot = 1"
    );
    parts.chain([campaigns]).collect::<Vec<_>>().join(" UNION ALL ")
});

/// What is due of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// Number of the kind.
    pub(crate) source: usize,
    /// Entry of the schedule that picks it up; `None` if the worker does so itself.
    pub(crate) tick: Option<&'static str>,
    /// The earliest due date that has come, if there is one.
    pub(crate) overdue: Option<DateTime<Utc>>,
    /// The next due date.
    pub(crate) ahead: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    source: i64,
    overdue: Option<DateTime<Utc>>,
    ahead: Option<DateTime<Utc>>,
}

/// What is due, of all kinds.
#[derive(Debug)]
pub(crate) struct DueWork {
    /// Each kind.
    pub(crate) kinds: Vec<Due>,
    /// Whether customers of a running campaign may have to be told of a new price, which no date says.
    pub(crate) has_price_campaign: bool,
}

/// Reads what is due at `now` and next.
pub(crate) async fn read(conn: &mut Conn, now: DateTime<Utc>) -> Result<DueWork, sqlx::Error> {
    let mut query = sqlx::query_as(STATEMENT.as_str());
    for source in &SOURCES {
        query = query.bind(now - source.delay).bind(now - source.delay);
    }
    let rows: Vec<Row> = query.fetch_all(conn).await?;
    let has_price_campaign = rows.iter().any(|row| row.source == CAMPAIGN);
    let kinds = rows.into_iter().filter_map(|row| {
        let number = usize::try_from(row.source).ok()?;
        let source = SOURCES.get(number)?;
        let at = |date: DateTime<Utc>| date + source.delay;
        Some(Due {
            source: number,
            tick: source.tick,
            overdue: row.overdue.map(at),
            ahead: row.ahead.map(at),
        })
    });
    Ok(DueWork { kinds: kinds.collect(), has_price_campaign })
}
