//! `GET /v1/backend/revenue`: what a widget earns, by period.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use flysk_domain::money::OutOfRange;
use flysk_domain::platform::ledger::statistics::{Period, group};
use flysk_store::StoreError;
use flysk_store::platform::ledger;
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::super::tag::Tag;
use super::statistics::{DEFAULT_UTC_OFFSET_MIN, ServiceSpending, Span, StatisticsPeriod};
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::query::QueryDate;

/// Money and coins of one period.
#[derive(Debug, Default, Object)]
#[oai(example)]
pub(crate) struct RevenuePeriod {
    /// First day of the period.
    begins: NaiveDate,
    /// Money that accounts paid for Flycoins, in kopecks.
    received_kopecks: i64,
    /// Money that was refunded for Flycoins, in kopecks.
    refunded_kopecks: i64,
    /// Number of paid purchases.
    purchases: u64,
    /// Purchased coins without bonus, in micro-Flycoins.
    purchased_micro: i64,
    /// Charged coins, in micro-Flycoins.
    charged_micro: i64,
    /// Refunded charges, in micro-Flycoins.
    returned_micro: i64,
    /// Number of charges.
    charges: u64,
}

impl Example for RevenuePeriod {
    fn example() -> Self {
        Self {
            begins: NaiveDate::from_ymd_opt(2026, 11, 1).unwrap_or_default(),
            received_kopecks: 350_000,
            refunded_kopecks: 50_000,
            purchases: 2,
            purchased_micro: 3_500_000_000,
            charged_micro: 118_750_000,
            returned_micro: 2_500_000,
            charges: 31,
        }
    }
}

/// Revenue of a widget.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Revenue {
    /// First day.
    from: NaiveDate,
    /// The day after the last day.
    until: NaiveDate,
    /// All accounts together by period; periods without movements are absent.
    items: Vec<RevenuePeriod>,
    /// Charges by period and service.
    services: Vec<ServiceSpending>,
}

impl Example for Revenue {
    fn example() -> Self {
        Self {
            from: NaiveDate::from_ymd_opt(2026, 11, 1).unwrap_or_default(),
            until: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap_or_default(),
            items: vec![RevenuePeriod::example()],
            services: vec![ServiceSpending::example()],
        }
    }
}

answers! {
    /// Responses of `getRevenue`.
    Got {
        /// The revenue.
        200 => Ok(Json<Revenue>),
    }
    problems (InvalidRequest) {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation for revenue, for backends.
pub(crate) struct RevenueApi;

#[OpenApi(tag = "Tag::Backend")]
impl RevenueApi {
    /// Get the widget's revenue by period: money received for Flycoins, and charges by service.
    ///
    /// A purchase counts on the day on which its coins were credited, a refund on the day on which it was made.
    #[oai(path = "/v1/backend/revenue", method = "get", operation_id = "getRevenue")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// First day; by default the last 31 days.
        from: Query<Option<QueryDate>>,
        /// The day after the last day; by default tomorrow, so that today is the last day. At most 366 days per request.
        until: Query<Option<QueryDate>>,
        /// Length of periods; `day` by default. The first and the last period may be incomplete.
        period: Query<Option<StatisticsPeriod>>,
        /// Offset of the days' time zone from UTC, in minutes; 180 (Moscow) by default.
        #[oai(validator(minimum(value = "-840"), maximum(value = "840")))]
        utc_offset_min: Query<Option<i32>>,
    ) -> Got {
        let offset = utc_offset_min.0.unwrap_or(DEFAULT_UTC_OFFSET_MIN);
        let period = period.0.map_or(Period::Day, Period::from);
        let loaded =
            match Span::read(from.0.map(|day| day.0), until.0.map(|day| day.0), offset, deps.clock().now()) {
                Ok(span) => load(&deps, &caller.0, &span, period).await,
                Err(problem) => Err(problem),
            };
        match loaded {
            Ok(revenue) => Got::Ok(Json(revenue)),
            Err(problem) => problem.into(),
        }
    }
}

async fn load(deps: &Deps, widget: &Widget, span: &Span, period: Period) -> Result<Revenue, Problem> {
    let moments = span.moments()?;
    let mut conn = deps.conn().await?;
    let spent = ledger::list_spent_of_widget(&mut conn, widget.id, moments, span.offset_min).await?;
    let received = ledger::list_received_of_widget(&mut conn, widget.id, moments, span.offset_min).await?;
    let too_much =
        |_: OutOfRange| StoreError::InvalidRow { what: "spending", reason: "out of range".to_owned() };
    let mut periods: BTreeMap<NaiveDate, RevenuePeriod> = BTreeMap::new();
    let mut services = Vec::new();
    for ((begins, service), totals) in group(spent, period).map_err(too_much)? {
        let sum = periods.entry(begins).or_default();
        sum.charged_micro = sum.charged_micro.saturating_add(totals.paid.0);
        sum.returned_micro = sum.returned_micro.saturating_add(totals.returned.0);
        sum.charges += totals.charges;
        services.push(ServiceSpending::new(begins, &service, totals));
    }
    for day in received {
        let sum = periods.entry(period.start_of(day.day)).or_default();
        sum.received_kopecks = sum.received_kopecks.saturating_add(day.received.0);
        sum.refunded_kopecks = sum.refunded_kopecks.saturating_add(day.refunded.0);
        sum.purchased_micro = sum.purchased_micro.saturating_add(day.coins.0);
        sum.purchases += day.purchases;
    }
    let items = periods.into_iter().map(|(begins, sum)| RevenuePeriod { begins, ..sum }).collect();
    Ok(Revenue { from: span.from, until: span.until, items, services })
}
