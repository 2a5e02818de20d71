//! Table `subscription_plans`: versioned plans. A version is immutable except for being on offer.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{PlanId, SubscriptionId, WidgetId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{PeriodLength, PlanCode, PlanTerms};

use super::{decode_json, encode_json};
use crate::listed::push_in;
use crate::platform::cache_invalidations::{self, Subject};
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// One version of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Id of this version.
    pub id: PlanId,
    /// The widget that sells the plan.
    pub widget_id: WidgetId,
    /// Code of the plan, the same for all versions.
    pub code: PlanCode,
    /// Version number, from 1.
    pub version: u32,
    /// Title, prices, seats and features.
    pub terms: PlanTerms,
    /// Whether the version is on offer.
    pub active: bool,
    /// When the version was created.
    pub created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    widget_id: String,
    code: String,
    version: u32,
    title: String,
    month_kopecks: Option<i64>,
    quarter_kopecks: Option<i64>,
    half_kopecks: Option<i64>,
    year_kopecks: Option<i64>,
    min_seats: u32,
    max_seats: Option<u32>,
    currency: String,
    features: String,
    active: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Plan {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let prices = [row.month_kopecks, row.quarter_kopecks, row.half_kopecks, row.year_kopecks];
        let prices: BTreeMap<PeriodLength, Kopecks> = PeriodLength::ALL
            .into_iter()
            .zip(prices)
            .filter_map(|(length, price)| Some((length, Kopecks(price?))))
            .collect();
        Ok(Self {
            id: decode_text("plan id", &row.id)?,
            widget_id: decode_text("widget id", &row.widget_id)?,
            code: decode_text("plan code", &row.code)?,
            version: row.version,
            terms: PlanTerms {
                title: row.title,
                prices,
                min_seats: row.min_seats,
                max_seats: row.max_seats,
                currency: decode_text("currency", &row.currency)?,
                features: decode_json("plan's features", &row.features)?,
            },
            active: row.active,
            created_at: row.created_at,
        })
    }
}

/// Columns of a [`Row`]; alias `p` is the table.
const COLUMNS: &str =
    "p.id, p.widget_id, p.code, p.version, p.title, p.month_kopecks, p.quarter_kopecks, p.half_kopecks,
    p.year_kopecks, p.min_seats, p.max_seats, p.currency, p.features, p.active, p.created_at";

const SELECT: &str = sql!("SELECT ", COLUMNS, " FROM subscription_plans p WHERE ");

fn into_plan(row: Option<Row>) -> StoreResult<Option<Plan>> {
    row.map(TryInto::try_into).transpose()
}

fn into_plans(rows: Vec<Row>) -> StoreResult<Vec<Plan>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Finds a version, on offer or not.
pub async fn find_plan(conn: &mut Conn, id: PlanId) -> StoreResult<Option<Plan>> {
    into_plan(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// A version of a plan that a customer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPlan {
    /// The version.
    pub plan: Plan,
    /// Whether [`super::find_announced_price`] finds a price for which the customer leaves it.
    pub is_left: bool,
    /// Whether [`super::list_pending`] finds changes for the next period.
    pub has_pending_changes: bool,
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    #[sqlx(flatten)]
    plan: Row,
    is_left: bool,
    has_pending: bool,
}

/// Finds a version that a customer has, with what else decides about the next period.
pub async fn find_held_plan(
    conn: &mut Conn,
    id: PlanId,
    customer: SubscriptionId,
) -> StoreResult<Option<HeldPlan>> {
    let row: Option<HeldRow> = sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        ", EXISTS (SELECT 1 FROM price_notices n JOIN price_campaigns c ON c.id = n.campaign_id
                   WHERE n.subscription_id = ? AND c.from_plan_id = p.id AND c.running_slot = 1) AS is_left,
           EXISTS (SELECT 1 FROM subscription_pending_changes w WHERE w.subscription_id = ?) AS has_pending
         FROM subscription_plans p WHERE p.id = ?"
    ))
    .bind(customer.to_string())
    .bind(customer.to_string())
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(HeldRow { plan, is_left, has_pending }) = row else { return Ok(None) };
    Ok(Some(HeldPlan { plan: plan.try_into()?, is_left, has_pending_changes: has_pending }))
}

/// Finds the version of a plan that is on offer.
pub async fn find_plan_on_offer(
    conn: &mut Conn,
    widget: WidgetId,
    code: &PlanCode,
) -> StoreResult<Option<Plan>> {
    let row = sqlx::query_as(sql!(SELECT, "widget_id = ? AND code = ? AND active = TRUE"))
        .bind(widget.to_string())
        .bind(code.as_str())
        .fetch_optional(conn)
        .await?;
    into_plan(row)
}

/// Lists the plans that a widget offers, by code.
pub async fn list_plans_on_offer(conn: &mut Conn, widget: WidgetId) -> StoreResult<Vec<Plan>> {
    let rows = sqlx::query_as(sql!(SELECT, "widget_id = ? AND active = TRUE ORDER BY code"))
        .bind(widget.to_string())
        .fetch_all(conn)
        .await?;
    into_plans(rows)
}

/// Lists all versions of a widget's plans, newest first.
pub async fn list_all_plans(conn: &mut Conn, widget: WidgetId) -> StoreResult<Vec<Plan>> {
    let rows = sqlx::query_as(sql!(SELECT, "widget_id = ? ORDER BY code, version DESC"))
        .bind(widget.to_string())
        .fetch_all(conn)
        .await?;
    into_plans(rows)
}

/// Lists those of these versions that exist.
pub async fn list_plans_by_ids(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Plan>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "id"));
    push_in(&mut query, ids.iter().cloned());
    into_plans(query.build_query_as().fetch_all(conn).await?)
}

/// Offers a plan under these terms: inserts a new version, unless the version on offer has the same terms. Requires a
/// transaction; of two concurrent calls one fails with [`StoreError::Duplicate`].
pub async fn set_plan(
    conn: &mut Conn,
    id: PlanId,
    widget: WidgetId,
    code: &PlanCode,
    terms: &PlanTerms,
    now: DateTime<Utc>,
) -> StoreResult<Plan> {
    let latest: Option<Row> =
        sqlx::query_as(sql!(SELECT, "widget_id = ? AND code = ? ORDER BY version DESC LIMIT 1 FOR UPDATE"))
            .bind(widget.to_string())
            .bind(code.as_str())
            .fetch_optional(&mut *conn)
            .await?;
    let version = match into_plan(latest)? {
        Some(latest) if latest.active && latest.terms == *terms => return Ok(latest),
        Some(latest) => latest.version + 1,
        None => 1,
    };
    retire_plan(conn, widget, code).await?;
    let price = |length| terms.prices.get(&length).map(|price: &Kopecks| price.0);
    sqlx::query(
        "INSERT INTO subscription_plans (id, widget_id, code, version, title, month_kopecks, quarter_kopecks,
             half_kopecks, year_kopecks, min_seats, max_seats, currency, features, active, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE, ?)",
    )
    .bind(id.to_string())
    .bind(widget.to_string())
    .bind(code.as_str())
    .bind(version)
    .bind(&terms.title)
    .bind(price(PeriodLength::Month))
    .bind(price(PeriodLength::Quarter))
    .bind(price(PeriodLength::HalfYear))
    .bind(price(PeriodLength::Year))
    .bind(terms.min_seats)
    .bind(terms.max_seats)
    .bind(terms.currency.as_str())
    .bind(encode_json("plan's features", &terms.features)?)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record(conn, Subject::Widget(widget)).await?;
    let (code, terms) = (code.clone(), terms.clone());
    Ok(Plan { id, widget_id: widget, code, version, terms, active: true, created_at: now })
}

/// Withdraws a plan from the offer; `false` if it was not on offer. Subscriptions keep their version.
pub async fn retire_plan(conn: &mut Conn, widget: WidgetId, code: &PlanCode) -> StoreResult<bool> {
    let retired = sqlx::query(
        "UPDATE subscription_plans SET active = FALSE WHERE widget_id = ? AND code = ? AND active = TRUE",
    )
    .bind(widget.to_string())
    .bind(code.as_str())
    .execute(&mut *conn)
    .await?;
    let is_retired = retired.rows_affected() > 0;
    if is_retired {
        cache_invalidations::record(conn, Subject::Widget(widget)).await?;
    }
    Ok(is_retired)
}
