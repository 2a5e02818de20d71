//! Table `price_rules`: versioned prices of services.

use chrono::{DateTime, Utc};
use flysk_domain::id::VendorId;
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use sqlx::QueryBuilder;
use sqlx::types::Json;

use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// Inserts a price version with its start time. Fails with [`StoreError::Duplicate`] if the version exists.
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

/// Selects, for each service, the rule with the latest start that is not in the future, and of equal starts the highest
/// version. The present time follows after each part.
const BEGUN: &str = "SELECT r.service, r.version, r.tariff FROM price_rules r WHERE r.valid_from <= ";
const NOT_FOLLOWED: &str = " AND NOT EXISTS (
        SELECT 1 FROM price_rules n WHERE n.service = r.service
            AND (n.valid_from > r.valid_from OR (n.valid_from = r.valid_from AND n.version > r.version))
            AND n.valid_from <= ";

/// The prices in force for the given services. A service without a price is missing from the result.
pub async fn list_prices_of(
    conn: &mut Conn,
    services: &[Service],
    now: DateTime<Utc>,
) -> StoreResult<Vec<PriceRule>> {
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(BEGUN);
    query.push_bind(now).push(NOT_FOLLOWED).push_bind(now).push(") AND r.service");
    push_in(&mut query, services.iter().map(ToString::to_string));
    query.push(" ORDER BY r.service");
    let rows: Vec<(String, u32, Json<Tariff>)> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(rule).collect()
}

/// The prices in force for all services of the widget `code`.
pub async fn list_prices_of_widget(
    conn: &mut Conn,
    code: &str,
    now: DateTime<Utc>,
) -> StoreResult<Vec<PriceRule>> {
    // A widget's code contains no wildcard of LIKE.
    let rows: Vec<(String, u32, Json<Tariff>)> =
        sqlx::query_as(sql!(BEGUN, "?", NOT_FOLLOWED, "?) AND r.service LIKE ? ORDER BY r.service"))
            .bind(now)
            .bind(now)
            .bind(format!("{code}.%"))
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(rule).collect()
}

/// A price version and its start time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersion {
    /// Service, number of the version, and tariff.
    pub rule: PriceRule,
    /// Start of validity.
    pub valid_from: DateTime<Utc>,
}

/// Lists all price versions, by service and start time.
pub async fn list_price_versions(conn: &mut Conn) -> StoreResult<Vec<PriceVersion>> {
    let rows: Vec<(String, u32, Json<Tariff>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT service, version, tariff, valid_from FROM price_rules ORDER BY service, valid_from, version",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(version).collect()
}

/// Lists the price versions of all services of a vendor's widget `code`, by service and start time. A widget of another vendor has
/// none.
pub async fn list_price_versions_of(
    conn: &mut Conn,
    vendor: VendorId,
    code: &str,
) -> StoreResult<Vec<PriceVersion>> {
    // A widget's code contains no wildcard of LIKE.
    let rows: Vec<(String, u32, Json<Tariff>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT r.service, r.version, r.tariff, r.valid_from FROM widgets w STRAIGHT_JOIN price_rules r
         WHERE w.code = ? AND w.vendor_id = ? AND r.service LIKE ? ORDER BY r.service, r.valid_from, r.version",
    )
    .bind(code)
    .bind(vendor.to_string())
    .bind(format!("{code}.%"))
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(version).collect()
}

/// The next free version number of a price. Concurrent callers get the same number; the primary key lets only one of
/// them insert it.
pub async fn next_price_version(conn: &mut Conn, service: &Service) -> StoreResult<u32> {
    let last: Option<u32> = sqlx::query_scalar("SELECT MAX(version) FROM price_rules WHERE service = ?")
        .bind(service.as_str())
        .fetch_one(conn)
        .await?;
    Ok(last.map_or(1, |version| version.saturating_add(1)))
}

fn version(
    (service, number, tariff, valid_from): (String, u32, Json<Tariff>, DateTime<Utc>),
) -> StoreResult<PriceVersion> {
    Ok(PriceVersion { rule: rule((service, number, tariff))?, valid_from })
}

fn rule((service, version, tariff): (String, u32, Json<Tariff>)) -> StoreResult<PriceRule> {
    Ok(PriceRule { service: super::decode_text("service", &service)?, version, tariff: tariff.0 })
}
