//! `GET /v1/flycoins/statistics`: an account's spending by period and service.

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveTime, TimeZone as _, Utc};
use flysk_domain::money::OutOfRange;
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::statistics::{self, Period, Totals};
use flysk_domain::trace::Trace;
use flysk_store::StoreError;
use flysk_store::platform::ledger;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};

use super::super::tag::Tag;
use super::wallet::wallet_of;
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::query::QueryDate;

/// Maximum number of days of one request.
const MAX_DAYS: i64 = 366;
/// Number of days by default.
const DEFAULT_DAYS: u64 = 31;
/// Default offset from UTC, in minutes: Moscow.
pub(super) const DEFAULT_UTC_OFFSET_MIN: i32 = 180;

/// Length of a period.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum StatisticsPeriod {
    /// One day.
    Day,
    /// A week from Monday.
    Week,
    /// A calendar month.
    Month,
}

impl From<StatisticsPeriod> for Period {
    fn from(view: StatisticsPeriod) -> Self {
        match view {
            StatisticsPeriod::Day => Self::Day,
            StatisticsPeriod::Week => Self::Week,
            StatisticsPeriod::Month => Self::Month,
        }
    }
}

/// Spending on one service in one period.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ServiceSpending {
    /// First day of the period.
    begins: NaiveDate,
    /// Service name.
    service: String,
    /// Charged amount, in micro-Flycoins.
    paid_micro: i64,
    /// Refunded amount, in micro-Flycoins.
    returned_micro: i64,
    /// Number of charges.
    charges: u64,
}

impl ServiceSpending {
    pub(super) fn new(begins: NaiveDate, service: &Service, totals: Totals) -> Self {
        Self {
            begins,
            service: service.to_string(),
            paid_micro: totals.paid.0,
            returned_micro: totals.returned.0,
            charges: totals.charges,
        }
    }
}

impl Example for ServiceSpending {
    fn example() -> Self {
        Self {
            begins: NaiveDate::from_ymd_opt(2026, 11, 23).unwrap_or_default(),
            service: "flysense.recognition".to_owned(),
            paid_micro: 118_750_000,
            returned_micro: 2_500_000,
            charges: 31,
        }
    }
}

/// Spending of an account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct FlycoinStatistics {
    /// First day.
    from: NaiveDate,
    /// The day after the last day.
    until: NaiveDate,
    /// Spending by period and service, ordered by both. Services without spending in a period are absent.
    items: Vec<ServiceSpending>,
    /// Total of all charges, in micro-Flycoins.
    paid_micro: i64,
    /// Total of all refunds, in micro-Flycoins.
    returned_micro: i64,
    /// Total number of charges.
    charges: u64,
}

impl Example for FlycoinStatistics {
    fn example() -> Self {
        let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap_or_default();
        Self {
            from: day(23),
            until: day(24),
            items: vec![ServiceSpending::example()],
            paid_micro: 118_750_000,
            returned_micro: 2_500_000,
            charges: 31,
        }
    }
}

answers! {
    /// Responses of `getFlycoinStatistics`.
    Got {
        /// The statistics.
        200 => Ok(Json<FlycoinStatistics>),
    }
    problems (InvalidRequest) {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// The widget does not use Flycoins.
        409 => Conflict [FlycoinsNotUsed],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation for statistics.
pub(crate) struct StatisticsApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl StatisticsApi {
    /// Get the account's spending by period and service. Refunds count on the day of the refund.
    #[oai(path = "/v1/flycoins/statistics", method = "get", operation_id = "getFlycoinStatistics")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// First day; by default the last 31 days.
        from: Query<Option<QueryDate>>,
        /// The day after the last day; by default tomorrow, so that today is the last day. At most 366 days per request.
        until: Query<Option<QueryDate>>,
        /// Length of periods; `day` by default. The first and the last period may be incomplete.
        period: Query<Option<StatisticsPeriod>>,
        /// Offset of the users' time zone from UTC, in minutes; 180 (Moscow) by default.
        #[oai(validator(minimum(value = "-840"), maximum(value = "840")))]
        utc_offset_min: Query<Option<i32>>,
    ) -> Got {
        let offset = utc_offset_min.0.unwrap_or(DEFAULT_UTC_OFFSET_MIN);
        let period = period.0.map_or(Period::Day, Period::from);
        let loaded =
            match Span::read(from.0.map(|day| day.0), until.0.map(|day| day.0), offset, deps.clock().now()) {
                Ok(days) => load_statistics(&deps, &trace, &caller.0, &days, period).await,
                Err(problem) => Err(problem),
            };
        match loaded {
            Ok(view) => Got::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

/// Whole days in the users' time zone.
pub(super) struct Span {
    pub(super) from: NaiveDate,
    pub(super) until: NaiveDate,
    zone: FixedOffset,
    pub(super) offset_min: i32,
}

impl Span {
    pub(super) fn read(
        from: Option<NaiveDate>,
        until: Option<NaiveDate>,
        offset_min: i32,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let zone = FixedOffset::east_opt(offset_min.saturating_mul(60));
        let zone = zone.ok_or_else(|| invalid("`utc_offset_min` must be -840 to 840"))?;
        let today = now.with_timezone(&zone).date_naive();
        let until = until.unwrap_or_else(|| today.succ_opt().unwrap_or(today));
        let default_from = || until.checked_sub_days(Days::new(DEFAULT_DAYS)).unwrap_or(until);
        let from = from.unwrap_or_else(default_from);
        let days = until.signed_duration_since(from).num_days();
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(invalid("`from` must be before `until`, and a request may cover at most 366 days"));
        }
        Ok(Self { from, until, zone, offset_min })
    }

    /// Start of the first day and start of the day after the last one.
    pub(super) fn moments(&self) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
        let midnight = |day: NaiveDate| {
            // A fixed offset has no gaps and no repeated hours.
            let local = self.zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).single();
            local.map(|local| local.with_timezone(&Utc)).ok_or_else(|| invalid("the day is out of range"))
        };
        Ok((midnight(self.from)?, midnight(self.until)?))
    }
}

async fn load_statistics(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    span: &Span,
    period: Period,
) -> Result<FlycoinStatistics, Problem> {
    let wallet = wallet_of(deps, trace, user).await?;
    let moments = span.moments()?;
    let mut conn = deps.conn().await?;
    let days = ledger::list_spent_by_day(&mut conn, wallet.id, moments, span.offset_min).await?;
    let too_much =
        |_: OutOfRange| StoreError::InvalidRow { what: "spending", reason: "out of range".to_owned() };
    let groups = statistics::group(days, period).map_err(too_much)?;
    let mut all = Totals::default();
    let mut items = Vec::with_capacity(groups.len());
    for ((begins, service), totals) in groups {
        all = all.checked_add(totals).map_err(too_much)?;
        items.push(ServiceSpending::new(begins, &service, totals));
    }
    Ok(FlycoinStatistics {
        from: span.from,
        until: span.until,
        items,
        paid_micro: all.paid.0,
        returned_micro: all.returned.0,
        charges: all.charges,
    })
}

fn invalid(detail: &str) -> Problem {
    Problem::new(ProblemCode::InvalidRequest, detail)
}
