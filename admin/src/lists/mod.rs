//! Lists: filters and the order in the address, keyset pages, a capped count.

mod bulk_links;
mod columns;
mod count;
pub(crate) mod cursor;
mod export;
pub(crate) mod frozen;
mod place;
mod rendering;
pub(crate) mod sorting;
pub(crate) mod ticked;
pub(crate) mod views;

use std::future::Future;

use askama::Template;
use chrono::{DateTime, Utc};
use flysk_domain::admin::BulkAction;
use flysk_domain::id::OperatorId;
use flysk_store::admin::sorting::{SortColumn, ids_of};
use flysk_store::{Conn, StoreResult};
use futures::future;
use poem::Response;

use crate::http::{Fault, Pairs, Rank, Visit};
use crate::view::{Cell, Field, Form, Layout, RenderedTable, Row, format};
use columns::{ColumnChoice, Columns};
use count::CountLimit;
use cursor::Cursor;
use sorting::{Sort, SortChoice, Sorting};
use ticked::Ticked;
use views::ViewLink;

pub(crate) use flysk_store::admin::listing::Keyset;

/// A list. Its filter selects the same rows for page, count and export, because all of them call
/// [`List::ids`], or take the ticked rows of the address instead.
pub(crate) trait List: Send + Sync + 'static {
    /// The parsed filter.
    type Filter: Send + Sync;
    /// A row.
    type Record: Send + Sync;

    /// Title.
    const TITLE: &'static str;
    /// Path.
    const PATH: &'static str;
    /// Titles of the columns.
    const HEAD: &'static [&'static str];
    /// Text instead of an empty list.
    const EMPTY: &'static str;
    /// Explanation below the heading.
    const TEXT: &'static str = "";
    /// Whether ids sort by time, so that the list can jump to a date.
    const DATED: bool = true;

    /// Column of the table whose heading sorts by id.
    const ID_POSITION: usize = 0;
    /// Other columns by which the list can be sorted, each with an index.
    const SORTS: &'static [Sort] = &[];

    /// Whether jobs may read the list, for exports and bulk acts: then the table of frozen lists has its path. Lists of what only one
    /// operator sees are no files.
    const IS_EXPORTED: bool = true;
    /// Acts on all rows of the list.
    const BULK: &'static [BulkAction] = &[];

    /// Parses the filter.
    ///
    /// # Errors
    ///
    /// A refusal that names the field.
    fn filter(query: &Pairs) -> Result<Self::Filter, Fault>;
    /// Narrows the filter to the rows that the operator may see, if others may not.
    fn narrow(_filter: &mut Self::Filter, _operator: OperatorId) {}
    /// Whether an index has the rows of the filter in the order of a column of [`Self::SORTS`], or the table has few rows.
    fn can_sort_by(_filter: &Self::Filter, _column: SortColumn) -> bool {
        false
    }
    /// Column by which the rows of the filter are sorted if the address names no other; `None` for the id.
    fn implied_sort(_filter: &Self::Filter) -> Option<SortColumn> {
        None
    }
    /// Fields of the filter with their values.
    fn fields(query: &Pairs) -> Vec<Field>;
    /// The smallest id of rows created at this time.
    fn first_id_at(time: DateTime<Utc>) -> String;
    /// Ids of the rows that match, one page of them; their keys if the list is sorted, with [`Keyset::counting`] their number.
    fn ids(
        conn: &mut Conn,
        filter: &Self::Filter,
        keyset: &Keyset,
    ) -> impl Future<Output = StoreResult<Vec<String>>> + Send;
    /// The rows with these ids, in their order.
    fn records(
        conn: &mut Conn,
        ids: &[String],
    ) -> impl Future<Output = StoreResult<Vec<Self::Record>>> + Send;
    /// A row of the table.
    fn row(record: &Self::Record) -> Row;
    /// Id of the row, if it can be ticked for a bulk act.
    fn id(_record: &Self::Record) -> Option<String> {
        None
    }
    /// Links beside the heading.
    fn links(_query: &Pairs) -> Vec<Cell> {
        Vec::new()
    }
}

/// Context of a list.
#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    layout: Layout,
    path: &'static str,
    links: Vec<Cell>,
    text: &'static str,
    /// Forms of acts on the list as a whole, such as adding a row.
    acts: Vec<Form>,
    /// Links to the dry runs of acts on all rows of the filter. They are drawn with the list, which changes with the filter.
    bulk_links: Vec<Cell>,
    fields: Vec<Field>,
    day: Option<String>,
    orders: Vec<SortChoice>,
    /// Why the order is not the wanted one.
    order_notice: Option<String>,
    count: String,
    /// Address that counts further, if the number is not exact.
    count_more: Option<String>,
    table: RenderedTable,
    empty: &'static str,
    previous: Option<String>,
    next: Option<String>,
    views: Vec<ViewLink>,
    query: String,
    columns: Vec<ColumnChoice>,
    /// Acts on the ticked rows, if the operator may.
    ticked_acts: Vec<BulkAction>,
    /// Address of the page.
    target: String,
    /// The form that exports the list, if the operator may.
    export: Option<Form>,
}

/// Shows a page of a list.
pub(crate) async fn show<L: List, R: Rank>(visit: Visit<R>) -> Result<Response, Fault> {
    show_with_acts::<L, R>(visit, Vec::new()).await
}

/// [`show`] with forms above the filter.
pub(crate) async fn show_with_acts<L: List, R: Rank>(
    visit: Visit<R>,
    acts: Vec<Form>,
) -> Result<Response, Fault> {
    let query = &visit.request.query;
    let mut filter = L::filter(query)?;
    L::narrow(&mut filter, visit.who.id);
    let sorting = Sorting::of::<L>(query, &filter)?;
    let cursor = Cursor::of(query, sorting, L::first_id_at)?;
    let ticked = Ticked::of::<L>(query)?;
    let mut conn = visit.deps.read().await?;
    let mut keys = ticked::ids::<L>(&mut conn, ticked.as_ref(), &filter, &cursor.keyset()).await?;
    let (previous, next) = cursor.neighbours(&mut keys);
    let records = L::records(&mut conn, &ids_of(&keys)).await?;
    let (count_limit, columns) = (CountLimit::of(query), Columns::of(query, L::HEAD.len()));
    let reads = async {
        let counted = if previous.is_none() && next.is_none() {
            Some(u32::try_from(keys.len()).unwrap_or(u32::MAX))
        } else {
            let keyset = count_limit.keyset();
            CountLimit::counted(ticked::ids::<L>(&mut conn, ticked.as_ref(), &filter, &keyset).await)?
        };
        Ok::<_, Fault>((counted, views::of_list(&mut conn, &visit, L::PATH).await?))
    };
    let headings = columns.headings(sorting::headings::<L>(query, &filter, sorting));
    let has_acts = !bulk_links::ticked_acts(&visit, L::BULK).is_empty();
    let table = rendering::render::<L>(headings, &records, &columns, has_acts);
    // The server answers while the rows are rendered, which takes about as long. The statement is sent first.
    let (read, table) = future::join(reads, table).await;
    let (counted, views) = read?;
    drop(conn);
    let link = |(side, key): (&str, String)| Cursor::link(L::PATH, query, side, &key);
    let page = ListPage {
        layout: visit.layout(L::TITLE),
        path: L::PATH,
        links: L::links(query),
        text: L::TEXT,
        acts,
        bulk_links: bulk_links::links(&visit, L::PATH, L::BULK),
        fields: L::fields(query),
        day: L::DATED.then(|| query.get("day").unwrap_or_default().to_owned()),
        orders: sorting::choices::<L>(sorting),
        order_notice: sorting::notice::<L>(query, sorting),
        count: count_limit.text(counted),
        count_more: count_limit.link_to_more(counted, L::PATH, query),
        table: table?,
        empty: L::EMPTY,
        previous: previous.map(link),
        next: next.map(link),
        views,
        query: views::saved_query(query),
        columns: columns.choices(L::HEAD),
        ticked_acts: bulk_links::ticked_acts(&visit, L::BULK).to_vec(),
        target: visit.request.target(),
        export: export::form::<L, R>(&visit),
    };
    visit.page(&page)
}
