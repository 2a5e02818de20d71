//! `GET /v1/flycoins/statistics`: what an account spends on what.

use chrono::{DateTime, Days, FixedOffset, NaiveDate, NaiveTime, TimeZone as _, Utc};
use flysk_domain::money::OutOfRange;
use flysk_domain::platform::ledger::statistics::{self, Period, Totals};
use flysk_domain::trace::Trace;
use flysk_store::StoreError;
use flysk_store::ledger;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};

use super::super::tag::Tag;
use super::wallet::wallet_of;
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode, answers};

/// Days of one request at most.
const MOST_DAYS: i64 = 366;
/// Days if no first one is named.
const USUAL_DAYS: u64 = 30;
/// Moscow.
const USUAL_OFFSET_MIN: i32 = 180;

/// How long a period is.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PeriodView {
    /// One day.
    Day,
    /// From Monday on.
    Week,
    /// From the 1st on.
    Month,
}

impl From<PeriodView> for Period {
    fn from(view: PeriodView) -> Self {
        match view {
            PeriodView::Day => Self::Day,
            PeriodView::Week => Self::Week,
            PeriodView::Month => Self::Month,
        }
    }
}

/// What one service cost in one period.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct SpentView {
    /// The first day of the period.
    begins: NaiveDate,
    /// Which service.
    service: String,
    /// Paid.
    paid_micro: i64,
    /// Came back.
    returned_micro: i64,
    /// How many charges.
    charges: u64,
}

impl Example for SpentView {
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

/// What an account spent.
#[derive(Debug, Object)]
pub(crate) struct StatisticsView {
    /// The first day.
    from: NaiveDate,
    /// The last day.
    until: NaiveDate,
    /// By period and service, in order of both; what cost nothing is missing.
    items: Vec<SpentView>,
    /// Paid in all that time.
    paid_micro: i64,
    /// Came back in all that time.
    returned_micro: i64,
    /// How many charges in all that time.
    charges: u64,
}

answers! {
    /// Answers of `getFlycoinStatistics`.
    Got {
        /// What the account spent.
        200 => Ok(Json<StatisticsView>),
    }
    problems (InvalidRequest) {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden,
        /// The widget does not use Flycoins.
        409 => Conflict,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Statistics.
pub(crate) struct StatisticsApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl StatisticsApi {
    /// What the account spent, by period and service. A refund counts on the day it happened.
    #[oai(path = "/v1/flycoins/statistics", method = "get", operation_id = "getFlycoinStatistics")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the query")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// The first day; 30 days before the last if left out.
        from: Query<Option<NaiveDate>>,
        /// The last day; today if left out. At most 366 days are told at once.
        until: Query<Option<NaiveDate>>,
        /// `day` if left out. The first and the last period may lie partly outside.
        period: Query<Option<PeriodView>>,
        /// How far the people's clocks are ahead of UTC, in minutes; 180 (Moscow) if left out.
        #[oai(validator(minimum(value = "-840"), maximum(value = "840")))]
        utc_offset_min: Query<Option<i32>>,
    ) -> Got {
        let offset = utc_offset_min.0.unwrap_or(USUAL_OFFSET_MIN);
        let period = period.0.map_or(Period::Day, Period::from);
        let told = match Span::read(from.0, until.0, offset, deps.clock().now()) {
            Ok(days) => tell(&deps, &trace, &caller.0, &days, period).await,
            Err(problem) => Err(problem),
        };
        match told {
            Ok(view) => Got::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

/// Whole days where the account's people are.
struct Span {
    first: NaiveDate,
    last: NaiveDate,
    zone: FixedOffset,
    offset_min: i32,
}

impl Span {
    fn read(
        from: Option<NaiveDate>,
        until: Option<NaiveDate>,
        offset_min: i32,
        now: DateTime<Utc>,
    ) -> Result<Self, Problem> {
        let zone = FixedOffset::east_opt(offset_min.saturating_mul(60));
        let zone = zone.ok_or_else(|| invalid("`utc_offset_min` is -840 to 840"))?;
        let last = until.unwrap_or_else(|| now.with_timezone(&zone).date_naive());
        let usual = || last.checked_sub_days(Days::new(USUAL_DAYS)).unwrap_or(last);
        let first = from.unwrap_or_else(usual);
        let days = last.signed_duration_since(first).num_days();
        if !(0..MOST_DAYS).contains(&days) {
            return Err(invalid("`from` is not after `until`, and at most 366 days are told at once"));
        }
        Ok(Self { first, last, zone, offset_min })
    }

    /// From the midnight the first day begins with to the one the last day ends with.
    fn moments(&self) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
        let midnight = |day: NaiveDate| {
            // An offset has neither gaps nor doubled hours.
            let local = self.zone.from_local_datetime(&day.and_time(NaiveTime::MIN)).single();
            local.map(|local| local.with_timezone(&Utc)).ok_or_else(|| invalid("there is no such day"))
        };
        let after = self.last.succ_opt().ok_or_else(|| invalid("there is no such day"))?;
        Ok((midnight(self.first)?, midnight(after)?))
    }
}

async fn tell(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    span: &Span,
    period: Period,
) -> Result<StatisticsView, Problem> {
    let wallet = wallet_of(deps, trace, user).await?;
    let moments = span.moments()?;
    let mut conn = deps.conn().await?;
    let days = ledger::list_spent_by_day(on(&mut conn), wallet.id, moments, span.offset_min).await?;
    let too_much =
        |_: OutOfRange| StoreError::Corrupt { what: "spending", reason: "out of range".to_owned() };
    let groups = statistics::group(days, period).map_err(too_much)?;
    let mut all = Totals::default();
    let mut items = Vec::with_capacity(groups.len());
    for ((begins, service), totals) in groups {
        all = all.plus(totals).map_err(too_much)?;
        items.push(SpentView {
            begins,
            service: service.to_string(),
            paid_micro: totals.paid.0,
            returned_micro: totals.returned.0,
            charges: totals.charges,
        });
    }
    Ok(StatisticsView {
        from: span.first,
        until: span.last,
        items,
        paid_micro: all.paid.0,
        returned_micro: all.returned.0,
        charges: all.charges,
    })
}

fn invalid(detail: &str) -> Problem {
    Problem::new(ProblemCode::InvalidRequest, detail)
}
