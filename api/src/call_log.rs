//! Log of calls for vendors: how many of each operation their widgets made with which class of status, and the latest errors.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::WidgetId;
use flysk_store::portal::api_calls::{self, CallCount, CallError};
use flysk_store::{Conn, Pool, StoreResult};
use poem::Request;

use crate::write_buffer::{WaitingRows, WriteBuffer};

/// Time after the first call until it is written.
const FLUSH_DELAY: Duration = Duration::from_secs(3);
/// Largest number of counters in memory. There are some hundred operations and few widgets; more are not counted.
const MAX_COUNTERS: usize = 20_000;
/// Errors of one widget that are written by one flush. A backend that fails in a loop would fill the table.
const MAX_ERRORS_OF_WIDGET: usize = 20;
/// Errors of one widget with the same operation, status and code that are written by one flush, so that a loop leaves room for others.
const MAX_ERRORS_OF_KIND: usize = 10;
/// Errors of all widgets that are written by one flush.
const MAX_ERRORS: usize = 500;

/// The log of a process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct CallLog {
    counts: WriteBuffer<WaitingCounts>,
    errors: WriteBuffer<WaitingErrors>,
}

/// An answered call.
#[derive(Debug)]
pub(crate) struct Call {
    /// The widget that made it.
    pub(crate) widget: WidgetId,
    /// When it was answered.
    pub(crate) at: DateTime<Utc>,
    /// Id of the operation in the OpenAPI document.
    pub(crate) operation: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Code and description of the problem, and the request's id, if it was one.
    pub(crate) problem: Option<(String, String, String)>,
}

impl CallLog {
    /// An empty log that is written through `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { counts: WriteBuffer::new(pool.clone()), errors: WriteBuffer::new(pool) }
    }

    /// Adds a call. Needs a Tokio runtime.
    pub(crate) fn record(&self, call: Call) {
        self.counts.add(CallCount {
            widget_id: call.widget,
            day: call.at.date_naive(),
            operation: call.operation,
            status_class: u8::try_from(call.status / 100).unwrap_or_default(),
            calls: 1,
        });
        let Some((code, detail, request_id)) = call.problem else { return };
        self.errors.add(CallError {
            widget_id: call.widget,
            happened_at: call.at,
            operation: call.operation,
            status: call.status,
            code,
            detail,
            request_id,
        });
    }

    /// Writes what was added.
    pub(crate) async fn flush(&self) {
        self.counts.flush().await;
        self.errors.flush().await;
    }
}

/// Key of a counter: widget, day, operation, class of status.
type Counter = (WidgetId, NaiveDate, &'static str, u8);

/// Counted calls that were not written yet.
#[derive(Debug, Default)]
struct WaitingCounts(HashMap<Counter, u64>);

impl WaitingRows for WaitingCounts {
    type Row = CallCount;
    const TABLE: &'static str = "api_call_counts";
    const FLUSH_DELAY: Duration = FLUSH_DELAY;

    fn add(&mut self, row: CallCount) {
        let counter = (row.widget_id, row.day, row.operation, row.status_class);
        if self.0.len() < MAX_COUNTERS || self.0.contains_key(&counter) {
            *self.0.entry(counter).or_default() += row.calls;
        }
    }

    fn into_rows(self) -> Vec<CallCount> {
        let ordered: BTreeMap<Counter, u64> = self.0.into_iter().collect();
        let row = |((widget_id, day, operation, status_class), calls)| CallCount {
            widget_id,
            day,
            operation,
            status_class,
            calls,
        };
        ordered.into_iter().map(row).collect()
    }

    async fn write(conn: &mut Conn, rows: &[CallCount]) -> StoreResult<()> {
        api_calls::add_counts(conn, rows).await
    }
}

/// The latest errors that were not written yet.
#[derive(Debug, Default)]
struct WaitingErrors {
    errors: Vec<CallError>,
    of_widget: HashMap<WidgetId, usize>,
    of_kind: HashMap<ErrorKind, usize>,
}

/// Widget, operation, status and code of an error.
type ErrorKind = (WidgetId, &'static str, u16, String);

impl WaitingRows for WaitingErrors {
    type Row = CallError;
    const TABLE: &'static str = "api_call_errors";
    const FLUSH_DELAY: Duration = FLUSH_DELAY;

    fn add(&mut self, row: CallError) {
        let of_widget = self.of_widget.entry(row.widget_id).or_default();
        if *of_widget >= MAX_ERRORS_OF_WIDGET || self.errors.len() >= MAX_ERRORS {
            return;
        }
        let kind = (row.widget_id, row.operation, row.status, row.code.clone());
        let of_kind = self.of_kind.entry(kind).or_default();
        if *of_kind < MAX_ERRORS_OF_KIND {
            *of_widget += 1;
            *of_kind += 1;
            self.errors.push(row);
        }
    }

    fn into_rows(self) -> Vec<CallError> {
        self.errors
    }

    async fn write(conn: &mut Conn, rows: &[CallError]) -> StoreResult<()> {
        api_calls::insert_errors(conn, rows).await
    }
}

/// Widget that made a request, known once the request is authenticated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(Arc<OnceLock<WidgetId>>);

impl Caller {
    /// Notes the widget that authentication found.
    pub(crate) fn note(request: &Request, widget: WidgetId) {
        if let Some(Self(caller)) = request.data::<Self>() {
            // A second authentication of the request finds the same widget.
            let _ = caller.set(widget);
        }
    }

    /// The widget, if the request was authenticated.
    pub(crate) fn widget(&self) -> Option<WidgetId> {
        self.0.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;
    use sqlx::mysql::MySqlPoolOptions;

    use super::*;

    fn call(widget: WidgetId, status: u16) -> Call {
        let problem = (status >= 400).then(|| ("invalid".to_owned(), "x".to_owned(), "request-1".to_owned()));
        let at = DateTime::from_timestamp(1_796_000_000, 0).expect("a time");
        Call { widget, at, operation: "chargeFlycoins", status, problem }
    }

    #[tokio::test]
    async fn calls_are_counted_by_class_and_errors_of_a_widget_are_limited() {
        let (loud, quiet) = (WidgetId::generate(&SystemClock), WidgetId::generate(&SystemClock));
        // Nothing is written before the flush.
        let pool = MySqlPoolOptions::new().connect_lazy("mysql://flysk@127.0.0.1:1/flysk").expect("a pool");
        let log = CallLog::new(pool);
        for _ in 0..100 {
            log.record(call(loud, 422));
        }
        log.record(call(loud, 409));
        log.record(call(loud, 200));
        log.record(call(quiet, 404));
        let day = NaiveDate::from_ymd_opt(2026, 11, 30).expect("a day");
        let (counts, errors) = (log.counts.take(), log.errors.take());
        let counted = |widget_id, status_class, calls| CallCount {
            widget_id,
            day,
            operation: "chargeFlycoins",
            status_class,
            calls,
        };
        assert_eq!(counts.len(), 3, "{counts:?}");
        for expected in [counted(loud, 2, 1), counted(loud, 4, 101), counted(quiet, 4, 1)] {
            assert!(counts.contains(&expected), "{counts:?}");
        }
        let of = |widget: WidgetId, status: u16| {
            errors.iter().filter(|error| error.widget_id == widget && error.status == status).count()
        };
        // The loop hides neither another error of its widget nor those of others.
        assert_eq!((of(loud, 422), of(loud, 409), of(quiet, 404)), (MAX_ERRORS_OF_KIND, 1, 1));
    }

    #[tokio::test]
    async fn many_kinds_of_errors_of_a_widget_are_limited_together() {
        let widget = WidgetId::generate(&SystemClock);
        let pool = MySqlPoolOptions::new().connect_lazy("mysql://flysk@127.0.0.1:1/flysk").expect("a pool");
        let log = CallLog::new(pool);
        for status in 400..500 {
            log.record(call(widget, status));
        }
        assert_eq!(log.errors.take().len(), MAX_ERRORS_OF_WIDGET);
    }
}
