//! Pages of accounts in alphabetical order. Each reads a range of an index that ends with the number of the account, so that a
//! page begins after the host or name and the number of the account before it.

use flysk_domain::TextEnum as _;
use sqlx::{MySql, QueryBuilder};

use super::{AccountFilter, prefix};
use crate::admin::listing::Keyset;
use crate::admin::sorting::{Edge, SortColumn, SortValue, key_of};
use crate::{Conn, StoreResult};

/// Keys of the accounts that match, in the order of their domains or of their names.
pub(super) async fn keys(
    conn: &mut Conn,
    filter: &AccountFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let rows = match column {
        SortColumn::Name => by_name(conn, filter, keyset).await?,
        _ => by_host(conn, filter, keyset).await?,
    };
    Ok(rows.iter().map(|(text, id)| key_of(text, &id.to_string())).collect())
}

async fn by_host(
    conn: &mut Conn,
    filter: &AccountFilter,
    keyset: &Keyset,
) -> StoreResult<Vec<(String, u64)>> {
    let mut query =
        QueryBuilder::new("SELECT host, id FROM accounts FORCE INDEX (accounts_host) WHERE platform = ");
    query.push_bind(filter.crm.as_str());
    push_prefixes(&mut query, filter);
    let edge = SortColumn::Domain.edge(&keyset.from).and_then(text_and_number);
    match (edge, keyset.descending) {
        (None, false) => query.push(" ORDER BY host, id LIMIT "),
        (None, true) => query.push(" ORDER BY host DESC, id DESC LIMIT "),
        (Some((host, id)), false) => query
            .push(" AND (host > ")
            .push_bind(host.clone())
            .push(" OR (host = ")
            .push_bind(host)
            .push(" AND id > ")
            .push_bind(id)
            .push(")) ORDER BY host, id LIMIT "),
        (Some((host, id)), true) => query
            .push(" AND (host < ")
            .push_bind(host.clone())
            .push(" OR (host = ")
            .push_bind(host)
            .push(" AND id < ")
            .push_bind(id)
            .push(")) ORDER BY host DESC, id DESC LIMIT "),
    };
    query.push_bind(keyset.limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

async fn by_name(
    conn: &mut Conn,
    filter: &AccountFilter,
    keyset: &Keyset,
) -> StoreResult<Vec<(String, u64)>> {
    let mut query =
        QueryBuilder::new("SELECT name, id FROM accounts FORCE INDEX (accounts_name) WHERE platform = ");
    query.push_bind(filter.crm.as_str());
    push_prefixes(&mut query, filter);
    let edge = SortColumn::Name.edge(&keyset.from).and_then(text_and_number);
    match (edge, keyset.descending) {
        (None, false) => query.push(" ORDER BY name, id LIMIT "),
        (None, true) => query.push(" ORDER BY name DESC, id DESC LIMIT "),
        (Some((name, id)), false) => query
            .push(" AND (name > ")
            .push_bind(name.clone())
            .push(" OR (name = ")
            .push_bind(name)
            .push(" AND id > ")
            .push_bind(id)
            .push(")) ORDER BY name, id LIMIT "),
        (Some((name, id)), true) => query
            .push(" AND (name < ")
            .push_bind(name.clone())
            .push(" OR (name = ")
            .push_bind(name)
            .push(" AND id < ")
            .push_bind(id)
            .push(")) ORDER BY name DESC, id DESC LIMIT "),
    };
    query.push_bind(keyset.limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// The account that a page follows: its text and its number.
fn text_and_number(edge: Edge) -> Option<(String, u64)> {
    match edge.value {
        Some(SortValue::Text(text)) => Some((text, edge.id.parse().ok()?)),
        _ => None,
    }
}

/// Pushes the filter, apart from the service.
pub(super) fn push_prefixes(query: &mut QueryBuilder<MySql>, filter: &AccountFilter) {
    if let Some(host) = &filter.host {
        query.push(" AND host LIKE ").push_bind(prefix(host));
    }
    if let Some(name) = &filter.name {
        query.push(" AND name LIKE ").push_bind(prefix(name));
    }
}
