//! Tables `price_campaigns` and `price_notices`: moves of customers to new prices, and the times of their notices.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{PlanId, PriceCampaignId, SubscriptionId, WidgetId};
use flysk_domain::money::Kopecks;

use crate::error::unless_duplicate;
use crate::platform::cache_invalidations;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Row of `price_campaigns`: the move of customers to a later version of their plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceCampaign {
    /// `pcm_…`, ordered by the time of creation.
    pub id: PriceCampaignId,
    /// The widget that sells the plan.
    pub widget_id: WidgetId,
    /// The version that customers have.
    pub from_plan: PlanId,
    /// The version that they get.
    pub to_plan: PlanId,
    /// First day, Moscow: the first period that begins on it or later has the new price.
    pub effective_on: NaiveDate,
    /// Operator who started the campaign: `operator:<name>`.
    pub started_by: String,
    /// Given by the operator, for the records.
    pub reason: String,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When it was stopped; `None` while it runs.
    pub stopped_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    widget_id: String,
    from_plan_id: String,
    to_plan_id: String,
    effective_on: NaiveDate,
    started_by: String,
    reason: String,
    created_at: DateTime<Utc>,
    stopped_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for PriceCampaign {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: decode_text("campaign id", &row.id)?,
            widget_id: decode_text("widget id", &row.widget_id)?,
            from_plan: decode_text("plan id", &row.from_plan_id)?,
            to_plan: decode_text("plan id", &row.to_plan_id)?,
            effective_on: row.effective_on,
            started_by: row.started_by,
            reason: row.reason,
            created_at: row.created_at,
            stopped_at: row.stopped_at,
        })
    }
}

const SELECT: &str =
    "SELECT id, widget_id, from_plan_id, to_plan_id, effective_on, started_by, reason, created_at,
    stopped_at FROM price_campaigns WHERE ";

fn into_campaigns(rows: Vec<Row>) -> StoreResult<Vec<PriceCampaign>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Starts a campaign; [`StoreError::Duplicate`] if another one for the same version runs.
pub async fn insert_campaign(conn: &mut Conn, campaign: &PriceCampaign) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO price_campaigns (id, widget_id, from_plan_id, to_plan_id, effective_on, running_slot, started_by,
             reason, created_at)
         VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)",
    )
    .bind(campaign.id.to_string())
    .bind(campaign.widget_id.to_string())
    .bind(campaign.from_plan.to_string())
    .bind(campaign.to_plan.to_string())
    .bind(campaign.effective_on)
    .bind(&campaign.started_by)
    .bind(&campaign.reason)
    .bind(campaign.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_campaign(conn: &mut Conn, id: PriceCampaignId) -> StoreResult<Option<PriceCampaign>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Lists all campaigns of a widget, newest first.
pub async fn list_campaigns(conn: &mut Conn, widget: WidgetId) -> StoreResult<Vec<PriceCampaign>> {
    let rows = sqlx::query_as(sql!(SELECT, "widget_id = ? ORDER BY id DESC"))
        .bind(widget.to_string())
        .fetch_all(conn)
        .await?;
    into_campaigns(rows)
}

/// Lists the campaigns that run.
pub async fn list_running_campaigns(conn: &mut Conn) -> StoreResult<Vec<PriceCampaign>> {
    into_campaigns(sqlx::query_as(sql!(SELECT, "running_slot = 1 ORDER BY id")).fetch_all(conn).await?)
}

/// Stops a campaign: it moves nobody any more. `false` if it does not run.
pub async fn stop_campaign(
    conn: &mut Conn,
    id: PriceCampaignId,
    stopped_by: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let stopped = sqlx::query(
        "UPDATE price_campaigns SET running_slot = NULL, stopped_at = ?, stopped_by = ?
         WHERE id = ? AND running_slot = 1",
    )
    .bind(now)
    .bind(stopped_by)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    let is_stopped = stopped.rows_affected() > 0;
    if is_stopped {
        cache_invalidations::record_campaign(conn, id).await?;
    }
    Ok(is_stopped)
}

/// Lists customers of a campaign who were not notified yet, by id, starting after `after`.
pub async fn list_customers_to_notify(
    conn: &mut Conn,
    campaign: &PriceCampaign,
    after: Option<SubscriptionId>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT s.id FROM subscriptions s
         LEFT JOIN price_notices n ON n.campaign_id = ? AND n.subscription_id = s.id
         WHERE s.plan_id = ? AND s.id > ? AND s.state IN ('active', 'renewing', 'past_due')
             AND n.subscription_id IS NULL
         ORDER BY s.id LIMIT ?",
    )
    .bind(campaign.id.to_string())
    .bind(campaign.from_plan.to_string())
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| decode_text("subscription id", id)).collect()
}

/// Contents of a customer's notice about a new price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceNotice {
    /// Row of `price_campaigns`.
    pub campaign_id: PriceCampaignId,
    /// The customer.
    pub subscription_id: SubscriptionId,
    /// Price of a seat for a period so far.
    pub old_price: Kopecks,
    /// Price of a seat for a period of the same length.
    pub new_price: Kopecks,
    /// Number of seats at the new price.
    pub seats: u32,
    /// First day of the first period with the new price, Moscow.
    pub applies_on: NaiveDate,
    /// When the customer was notified.
    pub noticed_at: DateTime<Utc>,
}

/// Records a notice; `false` if the customer was notified before.
pub async fn insert_price_notice(conn: &mut Conn, notice: &PriceNotice) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO price_notices (campaign_id, subscription_id, old_kopecks, new_kopecks, seats, applies_on, noticed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(notice.campaign_id.to_string())
    .bind(notice.subscription_id.to_string())
    .bind(notice.old_price.0)
    .bind(notice.new_price.0)
    .bind(notice.seats)
    .bind(notice.applies_on)
    .bind(notice.noticed_at)
    .execute(conn)
    .await;
    unless_duplicate(inserted)
}

/// A running campaign of which a customer was notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncedPrice {
    /// The version that the customer gets.
    pub to_plan: PlanId,
    /// First day of the campaign, Moscow.
    pub effective_on: NaiveDate,
    /// Prices as the customer was told.
    pub notice: PriceNotice,
}

#[derive(sqlx::FromRow)]
struct AnnouncedRow {
    campaign_id: String,
    to_plan_id: String,
    effective_on: NaiveDate,
    old_kopecks: i64,
    new_kopecks: i64,
    seats: u32,
    applies_on: NaiveDate,
    noticed_at: DateTime<Utc>,
}

/// Finds the running campaign that moves a customer from this version of a plan, if the customer was notified.
pub async fn find_announced_price(
    conn: &mut Conn,
    subscription: SubscriptionId,
    plan: PlanId,
) -> StoreResult<Option<AnnouncedPrice>> {
    let row: Option<AnnouncedRow> = sqlx::query_as(
        "SELECT n.campaign_id, c.to_plan_id, c.effective_on, n.old_kopecks, n.new_kopecks, n.seats, n.applies_on,
             n.noticed_at
         FROM price_notices n JOIN price_campaigns c ON c.id = n.campaign_id
         WHERE n.subscription_id = ? AND c.from_plan_id = ? AND c.running_slot = 1",
    )
    .bind(subscription.to_string())
    .bind(plan.to_string())
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(AnnouncedPrice {
            to_plan: decode_text("plan id", &row.to_plan_id)?,
            effective_on: row.effective_on,
            notice: PriceNotice {
                campaign_id: decode_text("campaign id", &row.campaign_id)?,
                subscription_id: subscription,
                old_price: Kopecks(row.old_kopecks),
                new_price: Kopecks(row.new_kopecks),
                seats: row.seats,
                applies_on: row.applies_on,
                noticed_at: row.noticed_at,
            },
        })
    })
    .transpose()
}

/// Customers of a version of a plan with the same length of the period and price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct PlanCustomers {
    /// Length of the period, months.
    pub months: u32,
    /// Price of a seat for a period, kopecks.
    pub seat_kopecks: i64,
    /// Number of customers.
    pub customers: i64,
    /// Number of their seats.
    pub seats: i64,
}

/// Counts the customers of a version of a plan whose subscription runs, by length and price.
pub async fn count_plan_customers(conn: &mut Conn, plan: PlanId) -> StoreResult<Vec<PlanCustomers>> {
    let rows = sqlx::query_as(
        "SELECT months, seat_kopecks, COUNT(*) AS customers, CAST(SUM(seats) AS SIGNED) AS seats FROM subscriptions
         WHERE plan_id = ? AND state IN ('active', 'renewing', 'past_due')
         GROUP BY months, seat_kopecks ORDER BY months, seat_kopecks",
    )
    .bind(plan.to_string())
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Counts the customers whom a campaign has notified.
pub async fn count_price_notices(conn: &mut Conn, campaign: PriceCampaignId) -> StoreResult<u64> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM price_notices WHERE campaign_id = ?")
        .bind(campaign.to_string())
        .fetch_one(conn)
        .await?;
    Ok(u64::try_from(count).unwrap_or_default())
}
