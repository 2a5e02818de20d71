//! Table `coin_packages`: versioned packages. A version is immutable except for being on offer.

use chrono::{DateTime, Utc};
use flysk_domain::id::{PackageId, WidgetId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{PackageCode, PackageTerms};

use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// One version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Id of this version.
    pub id: PackageId,
    /// The widget that sells the package.
    pub widget_id: WidgetId,
    /// Code of the package, the same for all versions.
    pub code: PackageCode,
    /// Version number, from 1.
    pub version: u32,
    /// Title, price and coins.
    pub terms: PackageTerms,
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
            id: super::decode_text("package id", &row.id)?,
            widget_id: super::decode_text("widget id", &row.widget_id)?,
            code: super::decode_text("package code", &row.code)?,
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

/// Finds a version, on offer or not.
pub async fn find_package(conn: &mut Conn, id: PackageId) -> StoreResult<Option<Package>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, " id = ?")).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Lists the packages that a widget offers, cheapest first.
pub async fn list_packages_on_offer(conn: &mut Conn, widget: WidgetId) -> StoreResult<Vec<Package>> {
    let rows: Vec<Row> =
        sqlx::query_as(sql!(SELECT, "widget_id = ? AND active = TRUE ORDER BY price_kopecks, code"))
            .bind(widget.to_string())
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists all versions of a widget's packages, newest first.
pub async fn list_all_packages(conn: &mut Conn, widget: WidgetId) -> StoreResult<Vec<Package>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, "widget_id = ? ORDER BY code, version DESC"))
        .bind(widget.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists those of these versions that exist.
pub async fn list_packages_by_ids(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Package>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "id"));
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Offers a package under these terms: inserts a new version, unless the version on offer has the same terms. Requires
/// a transaction; of two concurrent calls one fails with [`StoreError::Duplicate`].
pub async fn set_package(
    conn: &mut Conn,
    id: PackageId,
    widget: WidgetId,
    code: &PackageCode,
    terms: &PackageTerms,
    now: DateTime<Utc>,
) -> StoreResult<Package> {
    let latest: Option<Row> =
        sqlx::query_as(sql!(SELECT, " widget_id = ? AND code = ? ORDER BY version DESC LIMIT 1 FOR UPDATE"))
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

/// Finds the package of a sum, or inserts it; it is not on offer. [`StoreError::WrongState`] if a package with this code has
/// other terms.
pub async fn package_for_sum(
    conn: &mut Conn,
    id: PackageId,
    widget: WidgetId,
    code: &PackageCode,
    terms: &PackageTerms,
    now: DateTime<Utc>,
) -> StoreResult<Package> {
    // A concurrent purchase of the same sum may insert it first.
    sqlx::query(
        "INSERT INTO coin_packages (id, widget_id, code, version, title, price_kopecks, coins_micro, bonus_micro,
                                    bonus_days, active, created_at)
         VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, FALSE, ?)
         ON DUPLICATE KEY UPDATE code = VALUES(code)",
    )
    .bind(id.to_string())
    .bind(widget.to_string())
    .bind(code.as_str())
    .bind(&terms.title)
    .bind(terms.price.0)
    .bind(terms.coins.0)
    .bind(terms.bonus.0)
    .bind(terms.bonus_days)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    let row: Row = sqlx::query_as(sql!(SELECT, " widget_id = ? AND code = ? AND version = 1 FOR UPDATE"))
        .bind(widget.to_string())
        .bind(code.as_str())
        .fetch_one(conn)
        .await?;
    let package = Package::try_from(row)?;
    if package.terms == *terms {
        Ok(package)
    } else {
        Err(StoreError::WrongState { what: "package of a sum" })
    }
}

/// Withdraws a package from the offer; `false` if it was not on offer.
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
