//! Log of calls for vendors: how many of each operation their widgets made with which class of status, and the latest errors.
//!
//! A request only adds to a map in memory. The first one after a flush starts a task that, some seconds later, adds everything that
//! was counted meanwhile to the tables, in a few statements for all widgets. A process that dies loses the counts of those seconds:
//! the log answers questions, it accounts for nothing.

mod layer;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::WidgetId;
use flysk_store::portal::api_calls::{self, CallCount, CallError};
use flysk_store::{Pool, StoreError, StoreResult, repeat_contended};
use poem::Request;

pub(crate) use layer::CallLogging;

/// Time after the first call until it is written.
const FLUSH_DELAY: Duration = Duration::from_secs(3);
/// Largest number of counters in memory. There are some hundred operations and few widgets; more are not counted.
const MAX_COUNTERS: usize = 20_000;
/// Errors of one widget that are written by one flush. A backend that fails in a loop would fill the table.
const MAX_ERRORS_OF_WIDGET: usize = 20;
/// Errors of all widgets that are written by one flush.
const MAX_ERRORS: usize = 500;

/// Key of a counter: widget, day, operation, class of status.
type Counter = (WidgetId, NaiveDate, &'static str, u8);

/// Calls that were answered and not written yet.
#[derive(Debug, Default)]
struct Counted {
    calls: HashMap<Counter, u64>,
    errors: Vec<CallError>,
    errors_of: HashMap<WidgetId, usize>,
    /// Whether a task will write them.
    is_scheduled: bool,
}

/// The log of a process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct CallLog {
    counted: Arc<Mutex<Counted>>,
    pool: Pool,
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
        Self { counted: Arc::default(), pool }
    }

    /// Adds a call. Needs a Tokio runtime.
    pub(crate) fn record(&self, call: Call) {
        let must_schedule = {
            let mut counted = self.counted();
            counted.add(call);
            !std::mem::replace(&mut counted.is_scheduled, true)
        };
        if must_schedule {
            let log = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(FLUSH_DELAY).await;
                log.flush().await;
            });
        }
    }

    /// Writes what was counted. If the database fails, the counts wait for the next flush, and the errors are lost.
    pub(crate) async fn flush(&self) {
        let taken = std::mem::take(&mut *self.counted());
        if taken.calls.is_empty() {
            return;
        }
        // In the order of the primary key, so that processes do not deadlock.
        let ordered: BTreeMap<Counter, u64> = taken.calls.into_iter().collect();
        let rows: Vec<CallCount> = ordered.iter().map(|(counter, calls)| row(*counter, *calls)).collect();
        if let Err(error) = self.write(&rows, &taken.errors).await {
            tracing::warn!(error = %error, "counts of API calls were not written");
            self.counted().put_back(ordered);
        }
    }

    async fn write(&self, counts: &[CallCount], errors: &[CallError]) -> StoreResult<()> {
        let write = || async {
            let mut tx = self.pool.begin().await?;
            api_calls::add_counts(&mut tx, counts).await?;
            api_calls::insert_errors(&mut tx, errors).await?;
            Ok::<_, StoreError>(tx.commit().await?)
        };
        repeat_contended(write).await
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn row((widget_id, day, operation, status_class): Counter, calls: u64) -> CallCount {
    CallCount { widget_id, day, operation, status_class, calls }
}

impl Counted {
    fn add(&mut self, call: Call) {
        let class = u8::try_from(call.status / 100).unwrap_or_default();
        let counter = (call.widget, call.at.date_naive(), call.operation, class);
        if self.calls.len() < MAX_COUNTERS || self.calls.contains_key(&counter) {
            *self.calls.entry(counter).or_default() += 1;
        }
        let Some((code, detail, request_id)) = call.problem else { return };
        let of_widget = self.errors_of.entry(call.widget).or_default();
        if *of_widget < MAX_ERRORS_OF_WIDGET && self.errors.len() < MAX_ERRORS {
            *of_widget += 1;
            self.errors.push(CallError {
                widget_id: call.widget,
                happened_at: call.at,
                operation: call.operation,
                status: call.status,
                code,
                detail,
                request_id,
            });
        }
    }

    /// Adds counts that could not be written.
    fn put_back(&mut self, counts: BTreeMap<Counter, u64>) {
        for (counter, calls) in counts {
            if self.calls.len() < MAX_COUNTERS || self.calls.contains_key(&counter) {
                *self.calls.entry(counter).or_default() += calls;
            }
        }
    }
}

/// Widget that made a request, known once the request is authenticated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(Arc<OnceLock<WidgetId>>);

impl Caller {
    /// Notes the widget of a request.
    pub(crate) fn note(request: &Request, widget: WidgetId) {
        if let Some(Self(caller)) = request.data::<Self>() {
            // A second authentication of the request finds the same widget.
            let _ = caller.set(widget);
        }
    }

    fn widget(&self) -> Option<WidgetId> {
        self.0.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    fn call(widget: WidgetId, status: u16) -> Call {
        let problem = (status >= 400).then(|| ("invalid".to_owned(), "x".to_owned(), "request-1".to_owned()));
        let at = DateTime::from_timestamp(1_796_000_000, 0).expect("a time");
        Call { widget, at, operation: "chargeFlycoins", status, problem }
    }

    #[test]
    fn calls_are_counted_by_class_and_errors_of_a_widget_are_limited() {
        let (loud, quiet) = (WidgetId::generate(&SystemClock), WidgetId::generate(&SystemClock));
        let mut counted = Counted::default();
        for _ in 0..100 {
            counted.add(call(loud, 422));
        }
        counted.add(call(loud, 200));
        counted.add(call(quiet, 404));
        let day = NaiveDate::from_ymd_opt(2026, 11, 30).expect("a day");
        assert_eq!(counted.calls[&(loud, day, "chargeFlycoins", 4)], 100);
        assert_eq!(counted.calls[&(loud, day, "chargeFlycoins", 2)], 1);
        let of = |widget| counted.errors.iter().filter(|error| error.widget_id == widget).count();
        assert_eq!((of(loud), of(quiet)), (MAX_ERRORS_OF_WIDGET, 1));
    }

    #[test]
    fn counts_that_could_not_be_written_are_added_again() {
        let widget = WidgetId::generate(&SystemClock);
        let mut counted = Counted::default();
        counted.add(call(widget, 200));
        let waiting: BTreeMap<Counter, u64> = std::mem::take(&mut counted.calls).into_iter().collect();
        counted.add(call(widget, 200));
        counted.put_back(waiting);
        assert_eq!(counted.calls.values().copied().collect::<Vec<_>>(), [2]);
    }
}
