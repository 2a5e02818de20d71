//! Every order of every list, with every filter: the first page, and pages in the middle in both directions.

use flysk_admin::freeze;
use flysk_domain::Clock as _;

use super::{Counted, LISTS, MOST_FOR_COUNT, MOST_FOR_RECORDS, PAGE_ROWS, ROWS, Signed, most_for_ids};

/// Rows before the page in the middle of a list.
const ROWS_BEFORE: u32 = ROWS / 100;
/// Orders of all lists with all of their filters; fewer mean that they are not found on the pages.
const LEAST_ORDERS: usize = 200;
/// Lists that an index has in the order that is asked for; with the other filters the page keeps the order by time.
const LEAST_SERVED: usize = 50;

/// Values of the orders of a list's form, apart from the one without a value.
fn orders(page: &str) -> Vec<String> {
    let Some((_, rest)) = page.split_once("<select name=\"sort\">") else { return Vec::new() };
    let select = rest.split("</select>").next().unwrap_or_default();
    let values = select.split("<option value=\"").skip(1).filter_map(|option| option.split_once('"'));
    values.map(|(value, _)| value.to_owned()).filter(|value| !value.is_empty()).collect()
}

/// Measures the lists in every order.
pub(super) async fn measure(counted: &Counted, signed: &Signed<'_>, excess: &mut Vec<String>) {
    let (mut measured, mut served) = (0, 0);
    for list in LISTS {
        let address = counted.real(list);
        let separator = if address.contains('?') { '&' } else { '?' };
        for order in orders(&signed.page(&address).await) {
            let sorted = format!("{address}{separator}sort={order}");
            measured += 1;
            served += usize::from(measure_order(counted, signed, (list, &sorted), excess).await);
        }
    }
    assert!(measured >= LEAST_ORDERS, "only {measured} orders");
    assert!(served >= LEAST_SERVED, "only {served} orders by a column");
}

/// Measures a list in one order; whether it is sorted by a column.
async fn measure_order(
    counted: &Counted,
    signed: &Signed<'_>,
    (list, address): (&str, &str),
    excess: &mut Vec<String>,
) -> bool {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let frozen = freeze(path, query, counted.panel.app.clock.now()).unwrap();
    let before = frozen.ids(&mut counted.reads.acquire().await.unwrap(), None, ROWS_BEFORE).await.unwrap();
    let most = most_for_ids(list);
    for after in [None, before.last()] {
        let (mut found, mut read) = (0, 0);
        // The first time opens the tables.
        for _ in 0..2 {
            let (start, begun) = (counted.total().await, counted.total().await);
            let mut conn = counted.reads.acquire().await.unwrap();
            found = frozen.ids(&mut conn, after.map(String::as_str), PAGE_ROWS).await.unwrap().len();
            drop(conn);
            read = (counted.total().await - begun).saturating_sub(begun - start);
        }
        if read > most {
            excess.push(format!("{address} after {after:?}: {read} rows for {found} ids"));
        }
    }
    if let Some(edge) = before.last() {
        let pairs = [("before", edge)];
        let edge = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let read = counted.rows_of_page(signed, &format!("{address}&{edge}")).await;
        if read > most + MOST_FOR_RECORDS + MOST_FOR_COUNT {
            excess.push(format!("{address} {edge}: {read} rows for the page with its count"));
        }
    }
    before.first().is_some_and(|key| key.contains('~'))
}
