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
use crate::screens::{
    accounts, api_errors, audit, bank, bulk, calls, events, installs, invoices, jobs, operators, packages,
    payments, plans, prices, purchases, receipts, subscriptions, transfer_invoices, transfers, vendors,
    wallets, widgets,
};
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

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// No list has this path, or it cannot be exported.
    #[error("`{0}` is no list")]
    UnknownList(String),
    /// The filter does not fit the list.
    #[error("the filter is not valid: {0}")]
    InvalidFilter(String),
}

/// The list at a path, with the filter of a query string (without `?`), as it was at a time.
///
/// # Errors
///
/// The path is no list, or the filter does not fit it.
pub fn freeze(path: &str, query: &str, at: DateTime<Utc>) -> Result<Box<dyn FrozenList>, FreezeError> {
    let query = Pairs::parse(query.as_bytes());
    freeze_pairs(path, &query, at).map_err(|fault| match fault {
        Fault::NotFound => FreezeError::UnknownList(path.to_owned()),
        fault => FreezeError::InvalidFilter(fault.to_string()),
    })
}

/// [`freeze`] for a page, which shows the refusal.
pub(crate) fn freeze_pairs(
    path: &str,
    query: &Pairs,
    at: DateTime<Utc>,
) -> Result<Box<dyn FrozenList>, Fault> {
    match path {
        accounts::Accounts::PATH => boxed::<accounts::Accounts>(query, at),
        installs::Installs::PATH => boxed::<installs::Installs>(query, at),
        wallets::Wallets::PATH => boxed::<wallets::Wallets>(query, at),
        purchases::Purchases::PATH => boxed::<purchases::Purchases>(query, at),
        subscriptions::Subscriptions::PATH => boxed::<subscriptions::Subscriptions>(query, at),
        invoices::Invoices::PATH => boxed::<invoices::Invoices>(query, at),
        payments::Payments::PATH => boxed::<payments::Payments>(query, at),
        receipts::Receipts::PATH => boxed::<receipts::Receipts>(query, at),
        transfer_invoices::TransferInvoices::PATH => boxed::<transfer_invoices::TransferInvoices>(query, at),
        calls::Calls::PATH => boxed::<calls::Calls>(query, at),
        jobs::Jobs::PATH => boxed::<jobs::Jobs>(query, at),
        events::Events::PATH => boxed::<events::Events>(query, at),
        api_errors::ApiErrors::PATH => boxed::<api_errors::ApiErrors>(query, at),
        bank::Notifications::PATH => boxed::<bank::Notifications>(query, at),
        bank::Discrepancies::PATH => boxed::<bank::Discrepancies>(query, at),
        vendors::Vendors::PATH => boxed::<vendors::Vendors>(query, at),
        widgets::Widgets::PATH => boxed::<widgets::Widgets>(query, at),
        plans::Plans::PATH => boxed::<plans::Plans>(query, at),
        packages::Packages::PATH => boxed::<packages::Packages>(query, at),
        prices::Prices::PATH => boxed::<prices::Prices>(query, at),
        transfers::Transfers::PATH => boxed::<transfers::Transfers>(query, at),
        operators::Operators::PATH => boxed::<operators::Operators>(query, at),
        bulk::BulkActs::PATH => boxed::<bulk::BulkActs>(query, at),
        bulk::Results::PATH => boxed::<bulk::Results>(query, at),
        audit::AuditLog::PATH => boxed::<audit::AuditLog>(query, at),
        _ => Err(Fault::NotFound),
    }
}

fn boxed<L: List>(query: &Pairs, at: DateTime<Utc>) -> Result<Box<dyn FrozenList>, Fault> {
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
