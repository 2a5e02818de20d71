//! A list with its filter as it was when an export or a bulk act was requested. Jobs read its rows.
//!
//! It applies the filter of the page by the function of the page ([`ticked::ids`]), so that both select the same rows. Rows that
//! were created after the request are left out.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::admin::BulkAction;
use flysk_services::exports::Value;
use flysk_store::admin::sorting::ids_of;
use flysk_store::{Conn, StoreResult};

use super::columns::Columns;
use super::sorting::Sorting;
use super::ticked::{self, Ticked};
use super::{Keyset, List};
use crate::http::{Fault, Pairs};
use crate::view::{Cell, Field};

/// A read of a frozen list.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'a>>;

/// A list with its filter.
pub trait FrozenList: fmt::Debug + Send + Sync {
    /// Title of the list, in Russian.
    fn title(&self) -> &'static str;

    /// Which rows the list selects, in Russian.
    fn selection(&self) -> &str;

    /// Acts on all rows of the list.
    fn bulk_actions(&self) -> &'static [BulkAction];

    /// Titles of the chosen columns.
    fn head(&self) -> Vec<&'static str>;

    /// Ids of the rows that follow `after` in the order of the list; their keys if it is sorted. `None` begins with the first row.
    fn ids<'a>(&'a self, conn: &'a mut Conn, after: Option<&str>, limit: u32) -> Reading<'a, Vec<String>>;

    /// Ids of the rows that follow `after`, the oldest first; `None` begins with the oldest. Acts take this order, so that what
    /// they repeat happens in the order in which it happened before.
    fn ids_up<'a>(&'a self, conn: &'a mut Conn, after: Option<&str>, limit: u32) -> Reading<'a, Vec<String>>;

    /// The rows with these ids, or keys, in their order.
    fn rows<'a>(&'a self, conn: &'a mut Conn, ids: &'a [String]) -> Reading<'a, Vec<Vec<Value>>>;
}

/// The list with the filter of a query string, as it was at a time.
///
/// # Errors
///
/// The filter does not fit the list, or only pages may read it.
pub(crate) fn freeze_list<L: List>(query: &Pairs, at: DateTime<Utc>) -> Result<Box<dyn FrozenList>, Fault> {
    if !L::IS_EXPORTED {
        return Err(Fault::NotFound);
    }
    // Ids have milliseconds: rows of the same one were there.
    let bound = L::first_id_at(at + TimeDelta::milliseconds(1));
    let newest = Keyset::newest(0).from;
    let ticked = Ticked::of::<L>(query)?;
    let filter = L::filter(query)?;
    Ok(Box::new(Frozen::<L> {
        selection: selection_of::<L>(query, ticked.as_ref()),
        ticked,
        sorting: Sorting::of::<L>(query, &filter)?,
        filter,
        columns: Columns::of(query, L::HEAD.len()),
        bound: if L::DATED { bound } else { newest },
    }))
}

/// The filter as its form shows it, or the number of the ticked rows.
fn selection_of<L: List>(query: &Pairs, ticked: Option<&Ticked>) -> String {
    if let Some(ticked) = ticked {
        return format!("отмеченные строки, всего {}", ticked.count());
    }
    let set: Vec<String> = L::fields(query).iter().filter_map(Field::set_text).collect();
    if set.is_empty() { "все строки списка".to_owned() } else { set.join("; ") }
}

struct Frozen<L: List> {
    selection: String,
    /// Rows that count instead of the filter.
    ticked: Option<Ticked>,
    filter: L::Filter,
    sorting: Sorting,
    columns: Columns,
    /// Ids of the list are smaller.
    bound: String,
}

impl<L: List> Frozen<L> {
    /// Rows that follow `after` in the order of the list.
    fn keyset(&self, after: Option<&str>, limit: u32) -> Keyset {
        let start = self.sorting.keyset(limit);
        let from = match after {
            Some(after) => after.to_owned(),
            None if self.sorting == Sorting::NEWEST_FIRST => self.bound.clone(),
            None => start.from.clone(),
        };
        let bound = self.sorting.column.filter(|_| L::DATED).map(|_| self.bound.clone());
        Keyset { from, bound, ..start }
    }

    /// Removes rows that were created after the request, which the oldest ones first lead to at last.
    fn cut(&self, mut ids: Vec<String>) -> Vec<String> {
        if L::DATED {
            ids.retain(|id| *id < self.bound);
        }
        ids
    }
}

impl<L: List> fmt::Debug for Frozen<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen").field("path", &L::PATH).field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl<L: List> FrozenList for Frozen<L> {
    fn title(&self) -> &'static str {
        L::TITLE
    }

    fn selection(&self) -> &str {
        &self.selection
    }

    fn bulk_actions(&self) -> &'static [BulkAction] {
        L::BULK
    }

    fn head(&self) -> Vec<&'static str> {
        self.columns.head(L::HEAD)
    }

    fn ids<'a>(&'a self, conn: &'a mut Conn, after: Option<&str>, limit: u32) -> Reading<'a, Vec<String>> {
        let keyset = self.keyset(after, limit);
        Box::pin(async move {
            let ids = ticked::ids::<L>(conn, self.ticked.as_ref(), &self.filter, &keyset).await?;
            Ok(if self.sorting.column.is_none() { self.cut(ids) } else { ids })
        })
    }

    fn ids_up<'a>(&'a self, conn: &'a mut Conn, after: Option<&str>, limit: u32) -> Reading<'a, Vec<String>> {
        let from = after.unwrap_or_default().to_owned();
        Box::pin(async move {
            let keyset = Keyset { from, ..Keyset::oldest(limit) };
            Ok(self.cut(ticked::ids::<L>(conn, self.ticked.as_ref(), &self.filter, &keyset).await?))
        })
    }

    fn rows<'a>(&'a self, conn: &'a mut Conn, ids: &'a [String]) -> Reading<'a, Vec<Vec<Value>>> {
        Box::pin(async move {
            let records = L::records(conn, &ids_of(ids)).await?;
            let values =
                |record| self.columns.row(L::row(record)).cells.into_iter().map(Value::from).collect();
            Ok(records.iter().map(values).collect())
        })
    }
}

impl From<Cell> for Value {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Empty => Self::Empty,
            Cell::Text(text)
            | Cell::Code(text)
            | Cell::Amount(text)
            | Cell::Block(text)
            | Cell::Link { text, .. }
            | Cell::State { label: text, .. } => Self::Text(text),
            Cell::Measure { value, .. } => Self::Number(value.to_string()),
            Cell::Time(time) => Self::Time(time),
        }
    }
}
