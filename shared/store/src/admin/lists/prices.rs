//! List of the versions of prices. There are few, so that the server sorts them by any column.

use chrono::{DateTime, Utc};
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use sqlx::types::Json;
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Filter of versions; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct PriceFilter {
    /// Service with the code of its widget. It is ASCII, as the column is.
    pub service: Option<String>,
    /// Keeps the versions that are in force at this time: one for each service.
    pub at: Option<DateTime<Utc>>,
}

/// A version of a price in a list.
#[derive(Debug, Clone)]
pub struct PriceListRow {
    /// Time of its creation, service and version; the table has no other id.
    pub id: String,
    /// Service, number of the version, and tariff.
    pub rule: PriceRule,
    /// Start of validity.
    pub valid_from: DateTime<Utc>,
    /// Start of the next version of the service; `None` if there is none.
    pub valid_until: Option<DateTime<Utc>>,
    /// When it was set.
    pub created_at: DateTime<Utc>,
}

/// The smallest id of versions that were created at this time.
pub fn first_id_at(time: DateTime<Utc>) -> String {
    time.format("%Y%m%d%H%M%S%6f").to_string()
}

/// The versions, with ids of letters, digits and `_` that sort by the time of creation, as those of other tables do.
const NUMBERED: &str =
    "(SELECT CONVERT(CONCAT(DATE_FORMAT(created_at, '%Y%m%d%H%i%s%f'), '_', HEX(service), '_', version)
                                  USING ascii) COLLATE ascii_bin AS id,
                    service, version, tariff, valid_from, created_at FROM price_rules) p";

/// Ids of the versions that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &PriceFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(sql!(" FROM ", NUMBERED, " WHERE 1 = 1"));
    push_price_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &PriceFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match column {
            SortColumn::Start => query.push("valid_from AS sort_value FROM "),
            _ => query.push("service AS sort_value FROM "),
        };
        query.push(sql!(NUMBERED, " WHERE 1 = 1"));
        push_price_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_price_filter(query: &mut QueryBuilder<MySql>, filter: &PriceFilter) {
    if let Some(service) = &filter.service {
        query.push(" AND p.service = ").push_bind(service.clone());
    }
    if let Some(at) = filter.at {
        query
            .push(" AND p.valid_from <= ")
            .push_bind(at.naive_utc())
            .push(
                " AND NOT EXISTS (SELECT 1 FROM price_rules n WHERE n.service = p.service
                     AND (n.valid_from > p.valid_from OR (n.valid_from = p.valid_from AND n.version > p.version))
                     AND n.valid_from <= ",
            )
            .push_bind(at.naive_utc())
            .push(")");
    }
}

/// The versions with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<PriceListRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(sql!(
        "SELECT p.id, p.service, p.version, p.tariff, p.valid_from,
                (SELECT MIN(n.valid_from) FROM price_rules n WHERE n.service = p.service
                     AND (n.valid_from > p.valid_from OR (n.valid_from = p.valid_from AND n.version > p.version)))
                    AS valid_until,
                p.created_at
         FROM ",
        NUMBERED,
        " WHERE p.id"
    ));
    push_in(&mut query, ids.iter().cloned());
    let found: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    let rows = found.into_iter().map(TryInto::try_into).collect::<StoreResult<Vec<PriceListRow>>>()?;
    Ok(arrange(rows, ids, |row| row.id.clone()))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    service: String,
    version: u32,
    tariff: Json<Tariff>,
    valid_from: DateTime<Utc>,
    valid_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for PriceListRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let service = decode_text("service", &row.service)?;
        Ok(Self {
            id: row.id,
            rule: PriceRule { service, version: row.version, tariff: row.tariff.0 },
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            created_at: row.created_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_beginning_of_ids() {
        let time = DateTime::from_timestamp(1_796_000_000, 4_500).unwrap();
        assert_eq!(first_id_at(time), "20261130005320000004");
        assert!(first_id_at(time) < format!("{}_66_1", first_id_at(time)));
    }
}
