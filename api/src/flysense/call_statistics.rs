//! `GET /v1/flysense/statistics`: an account's transcriptions by period, for a chart.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Days, FixedOffset, NaiveDate, NaiveTime, TimeZone as _, Utc};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_store::flysense::call_statistics::{self, DayOfCalls, DayOfCharges};
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};

use super::caller::authorize_caller;
use super::transcriptions::Tag;
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::query::QueryDate;

/// Maximum number of days of one request.
const MAX_STATISTICS_DAYS: i64 = 366;
/// Number of days by default.
const DEFAULT_DAYS: u64 = 31;
/// Default offset from UTC, in minutes: Moscow.
const DEFAULT_UTC_OFFSET_MIN: i32 = 180;

/// Length of the periods of a chart.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
enum ChartPeriod {
    /// One day.
    Day,
    /// A week from Monday.
    Week,
    /// A calendar month.
    Month,
}

impl ChartPeriod {
    /// The first day of the period that contains `day`.
    fn start_of(self, day: NaiveDate) -> NaiveDate {
        let start = match self {
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into())),
            Self::Month => day.with_day(1),
        };
        start.unwrap_or(day)
    }
}

/// Transcriptions of one period, by the time of their request.
#[derive(Debug, Clone, Copy, Default, Object)]
#[oai(example)]
pub(crate) struct PeriodOfCalls {
    /// First day of the period.
    begins: NaiveDate,
    /// Number of transcriptions.
    calls: u64,
    /// Calls with a transcript.
    done: u64,
    /// Calls without speech.
    no_speech: u64,
    /// Failed calls.
    failed: u64,
    /// Calls that a user cancelled.
    cancelled: u64,
    /// Billed duration, in seconds.
    seconds_billed: u64,
    /// Amount that was charged in the period, in micro-Flycoins.
    charged_micro: i64,
}

impl Example for PeriodOfCalls {
    fn example() -> Self {
        Self {
            begins: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap_or_default(),
            calls: 34,
            done: 31,
            no_speech: 2,
            failed: 1,
            cancelled: 0,
            seconds_billed: 2_850,
            charged_micro: 118_750_000,
        }
    }
}

impl PeriodOfCalls {
    fn add_calls(&mut self, day: &DayOfCalls) {
        let calls = day.calls.unsigned_abs();
        self.calls += calls;
        self.seconds_billed += day.billed_seconds.unsigned_abs();
        match day.state {
            TranscriptionState::Done => self.done += calls,
            TranscriptionState::NoSpeech => self.no_speech += calls,
            TranscriptionState::Failed => self.failed += calls,
            TranscriptionState::Cancelled => self.cancelled += calls,
            _ => {}
        }
    }
}

/// Statistics of an account's transcriptions.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct CallStatistics {
    /// First day.
    from: NaiveDate,
    /// The day after the last day.
    until: NaiveDate,
    /// Every period, in order, also those without transcriptions. The first and the last may be incomplete.
    items: Vec<PeriodOfCalls>,
    /// All periods together; `begins` is the first day.
    totals: PeriodOfCalls,
}

impl Example for CallStatistics {
    fn example() -> Self {
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap_or_default();
        Self {
            from: day(23),
            until: day(24),
            items: vec![PeriodOfCalls::example()],
            totals: PeriodOfCalls::example(),
        }
    }
}

answers! {
    /// Responses of `getCallStatistics`.
    Got {
        /// The statistics.
        200 => Ok(Json<CallStatistics>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation for statistics of transcriptions.
pub(crate) struct CallStatisticsApi;

#[OpenApi(tag = "Tag::FlySense")]
impl CallStatisticsApi {
    /// Get the account's transcriptions by period, by the time of their request.
    #[oai(path = "/v1/flysense/statistics", method = "get", operation_id = "getCallStatistics")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// First day; by default the last 31 days.
        from: Query<Option<QueryDate>>,
        /// The day after the last day; by default tomorrow, so that today is the last day. At most 366 days per request.
        until: Query<Option<QueryDate>>,
        /// Length of periods; `day` by default.
        period: Query<Option<ChartPeriod>>,
        /// Offset of the users' time zone from UTC, in minutes; 180 (Moscow) by default.
        #[oai(validator(minimum(value = "-840"), maximum(value = "840")))]
        utc_offset_min: Query<Option<i32>>,
    ) -> Got {
        let span = Span {
            from: from.0.map(|day| day.0),
            until: until.0.map(|day| day.0),
            period: period.0.unwrap_or(ChartPeriod::Day),
            offset_min: utc_offset_min.0.unwrap_or(DEFAULT_UTC_OFFSET_MIN),
        };
        match get(&deps, &caller, &span).await {
            Ok(statistics) => Got::Ok(Json(statistics)),
            Err(problem) => problem.into(),
        }
    }
}

/// The requested days.
struct Span {
    from: Option<NaiveDate>,
    until: Option<NaiveDate>,
    period: ChartPeriod,
    offset_min: i32,
}

async fn get(deps: &Deps, caller: &WidgetCaller, span: &Span) -> Result<CallStatistics, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let bad = |detail: &str| Problem::new(ProblemCode::BadRequest, detail);
    let zone = FixedOffset::east_opt(span.offset_min.saturating_mul(60));
    let zone = zone.ok_or_else(|| bad("`utc_offset_min` must be -840 to 840"))?;
    let today = deps.clock().now().with_timezone(&zone).date_naive();
    let until = span.until.unwrap_or_else(|| today.succ_opt().unwrap_or(today));
    let from = span.from.or_else(|| until.checked_sub_days(Days::new(DEFAULT_DAYS))).unwrap_or(until);
    if !(1..=MAX_STATISTICS_DAYS).contains(&until.signed_duration_since(from).num_days()) {
        return Err(bad("`from` must be before `until`, and a request may cover at most 366 days"));
    }
    let midnight = |day: NaiveDate| -> Result<DateTime<Utc>, Problem> {
        // A fixed offset has no gaps and no repeated hours.
        let local = zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).single();
        local.map(|local| local.with_timezone(&Utc)).ok_or_else(|| bad("the day is out of range"))
    };
    let (start, end) = (midnight(from)?, midnight(until)?);
    let mut conn = deps.conn().await?;
    let account = user.account_id();
    let calls = call_statistics::calls_by_day(&mut conn, account, start, end, span.offset_min).await?;
    let charges = call_statistics::charges_by_day(&mut conn, account, start, end, span.offset_min).await?;
    Ok(summarize((from, until), span.period, &calls, &charges))
}

/// Groups days into periods; every period of the span is there.
fn summarize(
    (from, until): (NaiveDate, NaiveDate),
    period: ChartPeriod,
    calls: &[DayOfCalls],
    charges: &[DayOfCharges],
) -> CallStatistics {
    let empty = |begins| PeriodOfCalls { begins, ..PeriodOfCalls::default() };
    let starts = from.iter_days().take_while(|day| *day < until).map(|day| period.start_of(day));
    let mut periods: BTreeMap<NaiveDate, PeriodOfCalls> =
        starts.map(|begins| (begins, empty(begins))).collect();
    let mut totals = empty(from);
    for day in calls {
        let begins = period.start_of(day.day);
        periods.entry(begins).or_insert_with(|| empty(begins)).add_calls(day);
        totals.add_calls(day);
    }
    for day in charges {
        let begins = period.start_of(day.day);
        periods.entry(begins).or_insert_with(|| empty(begins)).charged_micro += day.charged_micro;
        totals.charged_micro += day.charged_micro;
    }
    CallStatistics { from, until, items: periods.into_values().collect(), totals }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_without_calls_are_there_and_sums_agree() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let calls = |on: &str, state, calls| DayOfCalls { day: day(on), state, calls, billed_seconds: 60 };
        let statistics = summarize(
            (day("2026-11-23"), day("2026-12-14")),
            ChartPeriod::Week,
            &[
                calls("2026-11-24", TranscriptionState::Done, 3),
                calls("2026-11-25", TranscriptionState::Failed, 1),
                calls("2026-12-13", TranscriptionState::Recognizing, 2),
            ],
            &[DayOfCharges { day: day("2026-12-01"), charged_micro: 7 }],
        );
        let told: Vec<_> =
            statistics.items.iter().map(|it| (it.begins, it.calls, it.done, it.charged_micro)).collect();
        assert_eq!(
            told,
            [(day("2026-11-23"), 4, 3, 0), (day("2026-11-30"), 0, 0, 7), (day("2026-12-07"), 2, 0, 0)]
        );
        let totals = statistics.totals;
        assert_eq!(
            (totals.calls, totals.failed, totals.seconds_billed, totals.charged_micro),
            (6, 1, 180, 7)
        );
    }
}
