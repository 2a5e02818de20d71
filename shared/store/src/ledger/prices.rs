//! Table `price_rules`: versions of prices.

use chrono::{DateTime, Utc};
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use sqlx::types::Json;

use crate::{Conn, StoreResult};

/// Adds a version of a price, in force from some moment on. [`StoreError::Taken`] if the version exists.
pub async fn insert_price_rule(
    conn: &mut Conn,
    rule: &PriceRule,
    valid_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO price_rules (service, version, tariff, valid_from, created_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(rule.service.as_str())
    .bind(rule.version)
    .bind(Json(rule.tariff))
    .bind(valid_from)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Of each service the youngest rule that has begun; of several that began together, the highest version.
const IN_FORCE: &str = " AND r.valid_from <= ? AND NOT EXISTS (
             SELECT 1 FROM price_rules n WHERE n.service = r.service AND n.valid_from <= ?
                 AND (n.valid_from > r.valid_from OR (n.valid_from = r.valid_from AND n.version > r.version)))
         ORDER BY r.service";
const SELECT: &str = "SELECT r.service, r.version, r.tariff FROM price_rules r WHERE r.service";

/// The rules in force for some services, by service. A service without a price is missing.
pub async fn list_prices_of(
    conn: &mut Conn,
    services: &[Service],
    now: DateTime<Utc>,
) -> StoreResult<Vec<PriceRule>> {
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let places = vec!["?"; services.len()].join(", ");
    let sql = format!("{SELECT} IN ({places}){IN_FORCE}");
    let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql));
    for service in services {
        query = query.bind(service.to_string());
    }
    let rows: Vec<(String, u32, Json<Tariff>)> = query.bind(now).bind(now).fetch_all(conn).await?;
    rows.into_iter().map(rule).collect()
}

/// The rules in force for all services of the widget `code`, by service.
pub async fn list_prices_of_widget(
    conn: &mut Conn,
    code: &str,
    now: DateTime<Utc>,
) -> StoreResult<Vec<PriceRule>> {
    // A code has none of the signs that mean something to LIKE.
    let sql = format!("{SELECT} LIKE ?{IN_FORCE}");
    let rows: Vec<(String, u32, Json<Tariff>)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(format!("{code}.%"))
        .bind(now)
        .bind(now)
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(rule).collect()
}

/// A version of a price, and from when on it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersion {
    /// The price.
    pub rule: PriceRule,
    /// From when on.
    pub valid_from: DateTime<Utc>,
}

/// Every version of every price there is, by service and beginning.
pub async fn list_price_versions(conn: &mut Conn) -> StoreResult<Vec<PriceVersion>> {
    let rows: Vec<(String, u32, Json<Tariff>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT service, version, tariff, valid_from FROM price_rules ORDER BY service, valid_from, version",
    )
    .fetch_all(conn)
    .await?;
    let version = |(service, number, tariff, valid_from)| {
        Ok(PriceVersion { rule: rule((service, number, tariff))?, valid_from })
    };
    rows.into_iter().map(version).collect()
}

/// The number the next version of a price gets. Two who ask at once are given the same; the primary key lets
/// one of them write.
pub async fn next_price_version(conn: &mut Conn, service: &Service) -> StoreResult<u32> {
    let last: Option<u32> = sqlx::query_scalar("SELECT MAX(version) FROM price_rules WHERE service = ?")
        .bind(service.as_str())
        .fetch_one(conn)
        .await?;
    Ok(last.map_or(1, |version| version.saturating_add(1)))
}

fn rule((service, version, tariff): (String, u32, Json<Tariff>)) -> StoreResult<PriceRule> {
    Ok(PriceRule { service: super::read("service", &service)?, version, tariff: tariff.0 })
}
