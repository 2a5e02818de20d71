//! List of amoCRM accounts, by their number in amoCRM, or by the beginning of their host or name.

mod alphabetical;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::platform::crm::Crm;
use sqlx::QueryBuilder;

use self::alphabetical::push_prefixes;
use crate::admin::listing::{Keyset, arrange};
use crate::admin::sorting::SortColumn;
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of accounts; `None` selects any.
#[derive(Debug, Clone)]
pub struct AccountFilter {
    /// Keeps accounts of amoCRM, or of Kommo.
    pub crm: Crm,
    /// Beginning of the host.
    pub host: Option<String>,
    /// Beginning of the name, in any case.
    pub name: Option<String>,
}

impl AccountFilter {
    /// All accounts of a service.
    pub fn all(crm: Crm) -> Self {
        Self { crm, host: None, name: None }
    }
}

/// An account of amoCRM that has, or had, a widget of the platform.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AccountRow {
    /// amoCRM or Kommo, whose numbers of accounts are apart.
    #[sqlx(try_from = "TextColumn", rename = "platform")]
    pub crm: Crm,
    /// Number in amoCRM.
    pub id: u64,
    /// Last one that amoCRM confirmed, such as `example.amocrm.ru`.
    pub host: String,
    /// When the host was last confirmed.
    pub host_at: Option<DateTime<Utc>>,
    /// As amoCRM spells it.
    pub name: String,
    /// Number of installs.
    pub installs: i64,
    flysense_status: Option<String>,
    /// When it became known.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl AccountRow {
    /// Whether FlySense is active in the account; `None` if it never was.
    pub fn flysense(&self) -> Option<AccountStatus> {
        self.flysense_status.as_deref().and_then(|status| status.parse().ok())
    }
}

impl AccountFilter {
    /// The column whose index has the accounts that match the beginning of a host or of a name; `None` without one.
    pub const fn implied_sort(&self) -> Option<SortColumn> {
        if self.host.is_some() {
            Some(SortColumn::Domain)
        } else if self.name.is_some() {
            Some(SortColumn::Name)
        } else {
            None
        }
    }

    /// Whether an index has the rows of the filter in the order of a column, so that a page reads no others.
    pub const fn can_sort_by(&self, column: SortColumn) -> bool {
        match column {
            SortColumn::Domain => self.name.is_none() || self.host.is_some(),
            SortColumn::Name => self.host.is_none(),
            _ => false,
        }
    }
}

/// Numbers of the accounts that match, one page of them; their keys if the list is sorted.
///
/// With the beginning of a host or of a name they are always in alphabetical order, and the order that otherwise begins with the
/// newest begins with A: an index has the accounts that match in that order only, so that the others are not read.
pub async fn ids(conn: &mut Conn, filter: &AccountFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if keyset.counts {
        return number_of(conn, filter, keyset.limit).await;
    }
    let keys = match (keyset.sort, filter.implied_sort()) {
        (Some(column), _) => alphabetical::keys(conn, filter, column, keyset).await?,
        (None, Some(column)) => {
            let keyset = Keyset { descending: !keyset.descending, ..keyset.clone() };
            alphabetical::keys(conn, filter, column, &keyset).await?
        }
        (None, None) => by_number(conn, filter.crm, keyset).await?,
    };
    Ok(keyset.in_order(keys))
}

/// Counts the accounts that match, up to a limit; the count is the only element.
async fn number_of(conn: &mut Conn, filter: &AccountFilter, limit: u32) -> StoreResult<Vec<String>> {
    let mut query =
        QueryBuilder::new("SELECT CAST(COUNT(*) AS CHAR) FROM (SELECT 1 FROM accounts WHERE platform = ");
    query.push_bind(filter.crm.as_str());
    push_prefixes(&mut query, filter);
    query.push(" LIMIT ").push_bind(limit).push(") counted");
    Ok(query.build_query_scalar().fetch_all(conn).await?)
}

async fn by_number(conn: &mut Conn, crm: Crm, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let edge: u64 = keyset.from.parse().unwrap_or(if keyset.descending { u64::MAX } else { 0 });
    let mut query = QueryBuilder::new("SELECT CAST(id AS CHAR) FROM accounts WHERE platform = ");
    query.push_bind(crm.as_str());
    if keyset.descending {
        query.push(" AND id < ").push_bind(edge).push(" ORDER BY id DESC LIMIT ");
    } else {
        query.push(" AND id > ").push_bind(edge).push(" ORDER BY id LIMIT ");
    }
    query.push_bind(keyset.limit);
    Ok(query.build_query_scalar().fetch_all(conn).await?)
}

/// The accounts with these numbers, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<AccountRow>> {
    let numbers: Vec<u64> = ids.iter().filter_map(|id| id.parse().ok()).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT a.platform, a.id, a.host, a.host_at, a.name, a.created_at, a.updated_at,
                (SELECT COUNT(*) FROM installs i WHERE i.platform = a.platform AND i.account_id = a.id) AS installs,
                (SELECT f.status FROM flysense_accounts f WHERE f.account_id = a.id AND a.platform = 'amocrm') AS flysense_status
         FROM accounts a WHERE a.platform IN ('amocrm', 'kommo') AND a.id",
    );
    push_in(&mut query, numbers);
    let rows: Vec<AccountRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}

/// A pattern for `LIKE` that matches texts with this beginning.
pub(in crate::admin) fn prefix(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| if matches!(c, '%' | '_' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    format!("{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::prefix;

    #[test]
    fn wildcards_in_a_text_match_themselves() {
        assert_eq!(prefix("a_b%"), "a\\_b\\%%");
    }
}
