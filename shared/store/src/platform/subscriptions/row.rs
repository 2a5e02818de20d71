//! Reads of `subscriptions`.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{AccountId, CardId, InstallId, PlanId, SubscriptionId, WidgetId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::subscriptions::{AnchorDay, Period, PeriodLength, Subscription, Terms};
use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// A subscription with its place in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// `sub_…`, ordered by the time of creation.
    pub id: SubscriptionId,
    /// Row of `installs`, which has the widget and the account.
    pub install_id: InstallId,
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// Service that the account belongs to.
    pub crm: Crm,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// Version, incremented by every change.
    pub version: u32,
    /// State, terms and periods.
    pub subscription: Subscription,
    /// Card that is charged for renewals; `None` if renewal is off.
    pub card_id: Option<CardId>,
    /// When the next step is due.
    pub next_due_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    install_id: String,
    widget_id: String,
    platform: String,
    account_id: u64,
    state: String,
    version: u32,
    trial_from: Option<NaiveDate>,
    trial_until: Option<NaiveDate>,
    plan_id: Option<String>,
    seat_kopecks: Option<i64>,
    seats: Option<u32>,
    months: Option<u32>,
    anchor_day: Option<u32>,
    period_no: u32,
    period_from: Option<NaiveDate>,
    period_until: Option<NaiveDate>,
    prepaid_from: Option<NaiveDate>,
    prepaid_until: Option<NaiveDate>,
    is_granted: bool,
    cancels: bool,
    reminded_days: Option<u32>,
    needs_person: bool,
    last_charge_on: Option<NaiveDate>,
    card_id: Option<String>,
    next_due_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[expect(clippy::needless_pass_by_value, reason = "a `map_err` argument")]
fn invalid(what: &'static str, reason: impl ToString) -> StoreError {
    StoreError::InvalidRow { what, reason: reason.to_string() }
}

/// A period of two columns; `None` if both are NULL.
fn period(
    what: &'static str,
    from: Option<NaiveDate>,
    until: Option<NaiveDate>,
) -> StoreResult<Option<Period>> {
    match (from, until) {
        (None, None) => Ok(None),
        (Some(from), Some(until)) => Period::new(from, until).map(Some).map_err(|error| invalid(what, error)),
        _ => Err(invalid(what, "one end is missing")),
    }
}

/// Terms of four columns.
pub(super) fn decode_terms(plan: &str, seat_kopecks: i64, seats: u32, months: u32) -> StoreResult<Terms> {
    Ok(Terms {
        plan: decode_text::<PlanId>("plan id", plan)?,
        seat_price: Kopecks(seat_kopecks),
        seats,
        length: PeriodLength::try_from(months).map_err(|error| invalid("period's length", error))?,
    })
}

impl TryFrom<Row> for SubscriptionRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let terms = match (row.plan_id, row.seat_kopecks, row.seats, row.months) {
            (Some(plan), Some(price), Some(seats), Some(months)) => {
                Some(decode_terms(&plan, price, seats, months)?)
            }
            _ => None,
        };
        let anchor = row
            .anchor_day
            .map(|day| AnchorDay::new(day).ok_or_else(|| invalid("anchor day", day)))
            .transpose()?;
        Ok(Self {
            id: decode_text("subscription id", &row.id)?,
            install_id: decode_text("install id", &row.install_id)?,
            widget_id: decode_text("widget id", &row.widget_id)?,
            crm: decode_text("platform", &row.platform)?,
            account_id: AccountId(row.account_id),
            version: row.version,
            subscription: Subscription {
                state: decode_text("subscription state", &row.state)?,
                trial: period("trial", row.trial_from, row.trial_until)?,
                terms,
                anchor,
                period_no: row.period_no,
                period: period("period", row.period_from, row.period_until)?,
                prepaid: period("prepaid period", row.prepaid_from, row.prepaid_until)?,
                is_granted: row.is_granted,
                cancels: row.cancels,
                reminded_days: row.reminded_days,
                needs_person: row.needs_person,
                last_charge_on: row.last_charge_on,
            },
            card_id: row.card_id.as_deref().map(|id| decode_text("card id", id)).transpose()?,
            next_due_at: row.next_due_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// A [`Row`] of [`PREFIXED_COLUMNS`].
pub(super) struct PrefixedRow(Row);

impl<'r> sqlx::FromRow<'r, MySqlRow> for PrefixedRow {
    fn from_row(row: &'r MySqlRow) -> sqlx::Result<Self> {
        Ok(Self(Row {
            id: row.try_get("s_id")?,
            install_id: row.try_get("s_install_id")?,
            widget_id: row.try_get("s_widget_id")?,
            platform: row.try_get("s_platform")?,
            account_id: row.try_get("s_account_id")?,
            state: row.try_get("s_state")?,
            version: row.try_get("s_version")?,
            trial_from: row.try_get("s_trial_from")?,
            trial_until: row.try_get("s_trial_until")?,
            plan_id: row.try_get("s_plan_id")?,
            seat_kopecks: row.try_get("s_seat_kopecks")?,
            seats: row.try_get("s_seats")?,
            months: row.try_get("s_months")?,
            anchor_day: row.try_get("s_anchor_day")?,
            period_no: row.try_get("s_period_no")?,
            period_from: row.try_get("s_period_from")?,
            period_until: row.try_get("s_period_until")?,
            prepaid_from: row.try_get("s_prepaid_from")?,
            prepaid_until: row.try_get("s_prepaid_until")?,
            is_granted: row.try_get("s_is_granted")?,
            cancels: row.try_get("s_cancels")?,
            reminded_days: row.try_get("s_reminded_days")?,
            needs_person: row.try_get("s_needs_person")?,
            last_charge_on: row.try_get("s_last_charge_on")?,
            card_id: row.try_get("s_card_id")?,
            next_due_at: row.try_get("s_next_due_at")?,
            created_at: row.try_get("s_created_at")?,
            updated_at: row.try_get("s_updated_at")?,
        }))
    }
}

impl TryFrom<PrefixedRow> for SubscriptionRow {
    type Error = StoreError;

    fn try_from(row: PrefixedRow) -> Result<Self, StoreError> {
        row.0.try_into()
    }
}

/// Columns of a [`Row`]; alias `s` is the table.
const COLUMNS: &str =
    "s.id, s.install_id, s.widget_id, s.platform, s.account_id, s.state, s.version, s.trial_from,
    s.trial_until, s.plan_id, s.seat_kopecks, s.seats, s.months, s.anchor_day, s.period_no, s.period_from,
    s.period_until, s.prepaid_from, s.prepaid_until, s.is_granted, s.cancels, s.reminded_days, s.needs_person,
    s.last_charge_on, s.card_id, s.next_due_at, s.created_at, s.updated_at";

/// The same with a prefix, for rows that also contain an invoice.
pub(super) const PREFIXED_COLUMNS: &str =
    "s.id AS s_id, s.install_id AS s_install_id, s.widget_id AS s_widget_id, s.platform AS s_platform,
    s.account_id AS s_account_id, s.state AS s_state, s.version AS s_version, s.trial_from AS s_trial_from,
    s.trial_until AS s_trial_until, s.plan_id AS s_plan_id, s.seat_kopecks AS s_seat_kopecks,
    s.seats AS s_seats, s.months AS s_months, s.anchor_day AS s_anchor_day, s.period_no AS s_period_no,
    s.period_from AS s_period_from, s.period_until AS s_period_until, s.prepaid_from AS s_prepaid_from,
    s.prepaid_until AS s_prepaid_until, s.is_granted AS s_is_granted, s.cancels AS s_cancels,
    s.reminded_days AS s_reminded_days, s.needs_person AS s_needs_person,
    s.last_charge_on AS s_last_charge_on, s.card_id AS s_card_id, s.next_due_at AS s_next_due_at,
    s.created_at AS s_created_at, s.updated_at AS s_updated_at";

const SELECT_SUBSCRIPTION: &str = sql!("SELECT ", COLUMNS, " FROM subscriptions s WHERE ");

fn into_subscription(row: Option<Row>) -> StoreResult<Option<SubscriptionRow>> {
    row.map(TryInto::try_into).transpose()
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_subscription(conn: &mut Conn, id: SubscriptionId) -> StoreResult<Option<SubscriptionRow>> {
    into_subscription(
        sqlx::query_as(sql!(SELECT_SUBSCRIPTION, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?,
    )
}

/// Without a lock; `None` before the first trial or purchase.
pub async fn find_subscription_of_install(
    conn: &mut Conn,
    install: InstallId,
) -> StoreResult<Option<SubscriptionRow>> {
    let row = sqlx::query_as(sql!(SELECT_SUBSCRIPTION, "install_id = ?")).bind(install.to_string());
    into_subscription(row.fetch_optional(conn).await?)
}

/// Reads a subscription and locks its row until the transaction ends.
///
/// The row is updated, not only locked: on a cluster a lock is local to a node, and of two transactions that updated the
/// same row only one commits. So every rule about the subscription, its invoices, payments, cards, seats and pending changes
/// that is decided under this lock holds on a cluster too.
pub async fn lock_subscription(conn: &mut Conn, id: SubscriptionId) -> StoreResult<SubscriptionRow> {
    hold(conn, id).await?;
    find_subscription(conn, id).await?.ok_or(StoreError::WrongState { what: "subscription" })
}

/// Locks the row of a subscription by writing it.
pub(super) async fn hold(conn: &mut Conn, id: SubscriptionId) -> StoreResult<()> {
    let held = sqlx::query("UPDATE subscriptions SET locks_taken = locks_taken + 1 WHERE id = ?")
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&held, "subscription")
}

/// As [`lock_subscription`], by the install; `None` if it has no subscription.
pub async fn lock_subscription_of_install(
    conn: &mut Conn,
    install: InstallId,
) -> StoreResult<Option<SubscriptionRow>> {
    let held = sqlx::query("UPDATE subscriptions SET locks_taken = locks_taken + 1 WHERE install_id = ?")
        .bind(install.to_string())
        .execute(&mut *conn)
        .await?;
    if held.rows_affected() == 0 {
        return Ok(None);
    }
    find_subscription_of_install(conn, install).await
}

/// Lists subscriptions for which a step is due, longest due first.
pub async fn list_due_subscriptions(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM subscriptions WHERE next_due_at <= ? ORDER BY next_due_at LIMIT ?",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| decode_text("subscription id", id)).collect()
}

/// Lists the subscriptions of a widget, by id, starting after `after`.
pub async fn list_subscriptions_of_widget(
    conn: &mut Conn,
    widget: WidgetId,
    after: Option<SubscriptionId>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionRow>> {
    let rows: Vec<Row> =
        sqlx::query_as(sql!(SELECT_SUBSCRIPTION, "widget_id = ? AND id > ? ORDER BY id LIMIT ?"))
            .bind(widget.to_string())
            .bind(after.map(|id| id.to_string()).unwrap_or_default())
            .bind(limit)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
