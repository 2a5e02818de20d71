//! Pages of accounts in alphabetical order. Each reads a range of an index that ends with the number of the account, so that a
//! page begins after the host or name and the number of the account before it.

use flysk_domain::TextEnum as _;
use flysk_domain::platform::crm::Crm;

use super::{AccountFilter, prefix};
use crate::admin::listing::Keyset;
use crate::{Conn, StoreResult};

/// The account that a page follows: its text and its number.
struct Edge {
    text: String,
    id: u64,
}

/// Numbers of accounts whose host matches a pattern.
pub(super) async fn by_host(
    conn: &mut Conn,
    filter: &AccountFilter,
    pattern: &str,
    keyset: &Keyset,
) -> StoreResult<Vec<u64>> {
    let mut edge = None;
    if let Ok(id) = keyset.from.parse::<u64>() {
        let text: Option<String> =
            sqlx::query_scalar("SELECT host FROM accounts WHERE platform = ? AND id = ?")
                .bind(filter.crm.as_str())
                .bind(id)
                .fetch_optional(&mut *conn)
                .await?;
        // An account that is gone has no place among the others.
        let Some(text) = text else { return Ok(Vec::new()) };
        edge = Some(Edge { text, id });
    }
    let mut query = sqlx::QueryBuilder::new("SELECT id FROM accounts WHERE platform = ");
    query.push_bind(filter.crm.as_str()).push(" AND host LIKE ").push_bind(pattern.to_owned());
    if let Some(name) = &filter.name {
        query.push(" AND name LIKE ").push_bind(prefix(name));
    }
    match (edge, keyset.descending) {
        (None, true) => query.push(" ORDER BY host, id LIMIT "),
        (None, false) => query.push(" ORDER BY host DESC, id DESC LIMIT "),
        (Some(edge), true) => query
            .push(" AND (host > ")
            .push_bind(edge.text.clone())
            .push(" OR (host = ")
            .push_bind(edge.text)
            .push(" AND id > ")
            .push_bind(edge.id)
            .push(")) ORDER BY host, id LIMIT "),
        (Some(edge), false) => query
            .push(" AND (host < ")
            .push_bind(edge.text.clone())
            .push(" OR (host = ")
            .push_bind(edge.text)
            .push(" AND id < ")
            .push_bind(edge.id)
            .push(")) ORDER BY host DESC, id DESC LIMIT "),
    };
    query.push_bind(keyset.limit);
    Ok(query.build_query_scalar().fetch_all(conn).await?)
}

/// Numbers of accounts whose name matches a pattern.
pub(super) async fn by_name(
    conn: &mut Conn,
    crm: Crm,
    pattern: &str,
    keyset: &Keyset,
) -> StoreResult<Vec<u64>> {
    let mut edge = None;
    if let Ok(id) = keyset.from.parse::<u64>() {
        let text: Option<String> =
            sqlx::query_scalar("SELECT name FROM accounts WHERE platform = ? AND id = ?")
                .bind(crm.as_str())
                .bind(id)
                .fetch_optional(&mut *conn)
                .await?;
        let Some(text) = text else { return Ok(Vec::new()) };
        edge = Some(Edge { text, id });
    }
    let mut query = sqlx::QueryBuilder::new("SELECT id FROM accounts WHERE platform = ");
    query.push_bind(crm.as_str()).push(" AND name LIKE ").push_bind(pattern.to_owned());
    match (edge, keyset.descending) {
        (None, true) => query.push(" ORDER BY name, id LIMIT "),
        (None, false) => query.push(" ORDER BY name DESC, id DESC LIMIT "),
        (Some(edge), true) => query
            .push(" AND (name > ")
            .push_bind(edge.text.clone())
            .push(" OR (name = ")
            .push_bind(edge.text)
            .push(" AND id > ")
            .push_bind(edge.id)
            .push(")) ORDER BY name, id LIMIT "),
        (Some(edge), false) => query
            .push(" AND (name < ")
            .push_bind(edge.text.clone())
            .push(" OR (name = ")
            .push_bind(edge.text)
            .push(" AND id < ")
            .push_bind(edge.id)
            .push(")) ORDER BY name DESC, id DESC LIMIT "),
    };
    query.push_bind(keyset.limit);
    Ok(query.build_query_scalar().fetch_all(conn).await?)
}
