//! Table `price_rules`: versions of prices.

use chrono::{DateTime, Utc};
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use sqlx::types::Json;

use crate::{Conn, StoreError, StoreResult};

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

/// The rule in force for each service: the youngest that has begun; of several that began together, the
/// highest version.
pub async fn list_price_rules_in_force(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<Vec<PriceRule>> {
    let rows: Vec<(String, u32, Json<Tariff>)> = sqlx::query_as(
        "SELECT r.service, r.version, r.tariff FROM price_rules r
         WHERE r.valid_from <= ? AND NOT EXISTS (
             SELECT 1 FROM price_rules n WHERE n.service = r.service AND n.valid_from <= ?
                 AND (n.valid_from > r.valid_from OR (n.valid_from = r.valid_from AND n.version > r.version)))
         ORDER BY r.service",
    )
    .bind(now)
    .bind(now)
    .fetch_all(conn)
    .await?;
    let rule = |(service, version, tariff): (String, u32, Json<Tariff>)| -> Result<PriceRule, StoreError> {
        Ok(PriceRule { service: super::read("service", &service)?, version, tariff: tariff.0 })
    };
    rows.into_iter().map(rule).collect()
}
