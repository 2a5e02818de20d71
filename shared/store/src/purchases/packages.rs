//! Table `coin_packages`. A version is never changed but for being on offer or not.

use chrono::{DateTime, Utc};
use flysk_domain::id::{PackageId, WidgetId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{PackageCode, PackageTerms};

use crate::{Conn, StoreError, StoreResult};

/// One version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// This version.
    pub id: PackageId,
    /// Whose.
    pub widget_id: WidgetId,
    /// The package through all versions.
    pub code: PackageCode,
    /// Counts versions, from 1.
    pub version: u32,
    /// What it says.
    pub terms: PackageTerms,
    /// On offer.
    pub active: bool,
    /// When it was set.
    pub created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    widget_id: String,
    code: String,
    version: u32,
    title: String,
    price_kopecks: i64,
    coins_micro: i64,
    bonus_micro: i64,
    bonus_days: Option<u32>,
    active: bool,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Package {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: super::read_text("package id", &row.id)?,
            widget_id: super::read_text("widget id", &row.widget_id)?,
            code: super::read_text("package code", &row.code)?,
            version: row.version,
            terms: PackageTerms {
                title: row.title,
                price: Kopecks(row.price_kopecks),
                coins: MicroCoins(row.coins_micro),
                bonus: MicroCoins(row.bonus_micro),
                bonus_days: row.bonus_days,
            },
            active: row.active,
            created_at: row.created_at,
        })
    }
}

const SELECT: &str = "SELECT id, widget_id, code, version, title, price_kopecks, coins_micro, bonus_micro,
    bonus_days, active, created_at FROM coin_packages WHERE ";

async fn many(conn: &mut Conn, rest: &'static str, widget: WidgetId) -> StoreResult<Vec<Package>> {
    let sql = format!("{SELECT}{rest}");
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(widget.to_string()).fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// One version, on offer or not.
pub async fn find_package(conn: &mut Conn, id: PackageId) -> StoreResult<Option<Package>> {
    let sql = format!("{SELECT} id = ?");
    let row: Option<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// What a widget offers, the cheapest first.
pub async fn list_packages_on_offer(conn: &mut Conn, widget: WidgetId) -> StoreResult<Vec<Package>> {
    many(conn, "widget_id = ? AND active = TRUE ORDER BY price_kopecks, code", widget).await
}

/// Every version of a widget's packages, the newest first.
pub async fn list_all_packages(conn: &mut Conn, widget: WidgetId) -> StoreResult<Vec<Package>> {
    many(conn, "widget_id = ? ORDER BY code, version DESC", widget).await
}

/// Offers a package under these terms: a new version, unless it is on offer under just these. Run in a
/// transaction; of two at once one fails with [`StoreError::Taken`].
pub async fn set_package(
    conn: &mut Conn,
    id: PackageId,
    widget: WidgetId,
    code: &PackageCode,
    terms: &PackageTerms,
    now: DateTime<Utc>,
) -> StoreResult<Package> {
    let sql = format!("{SELECT} widget_id = ? AND code = ? ORDER BY version DESC LIMIT 1 FOR UPDATE");
    let latest: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(widget.to_string())
        .bind(code.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    let latest = latest.map(Package::try_from).transpose()?;
    let version = match latest {
        Some(latest) if latest.active && latest.terms == *terms => return Ok(latest),
        Some(latest) => latest.version + 1,
        None => 1,
    };
    retire_package(conn, widget, code).await?;
    let package = Package {
        id,
        widget_id: widget,
        code: code.clone(),
        version,
        terms: terms.clone(),
        active: true,
        created_at: now,
    };
    sqlx::query(
        "INSERT INTO coin_packages (id, widget_id, code, version, title, price_kopecks, coins_micro, bonus_micro,
                                    bonus_days, active, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE, ?)",
    )
    .bind(id.to_string())
    .bind(widget.to_string())
    .bind(code.as_str())
    .bind(version)
    .bind(&terms.title)
    .bind(terms.price.0)
    .bind(terms.coins.0)
    .bind(terms.bonus.0)
    .bind(terms.bonus_days)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(package)
}

/// Takes a package off the offer; `false` if it was not on it.
pub async fn retire_package(conn: &mut Conn, widget: WidgetId, code: &PackageCode) -> StoreResult<bool> {
    let retired = sqlx::query(
        "UPDATE coin_packages SET active = FALSE WHERE widget_id = ? AND code = ? AND active = TRUE",
    )
    .bind(widget.to_string())
    .bind(code.as_str())
    .execute(conn)
    .await?;
    Ok(retired.rows_affected() > 0)
}
