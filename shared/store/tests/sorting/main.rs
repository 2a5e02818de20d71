//! Pages of sorted lists: they have every row once, in order, whatever the ties, the direction and the size of the
//! pages, and although rows change between two of them.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::cmp::Ordering;

use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::subscriptions::{InvoiceState, SubscriptionState};
use flysk_store::Conn;
use flysk_store::admin::listing::Keyset;
use flysk_store::admin::lists::accounts::{self, AccountFilter};
use flysk_store::admin::lists::invoices::{self, InvoiceFilter};
use flysk_store::admin::lists::payments::{self, PaymentFilter};
use flysk_store::admin::lists::purchases::{self, PurchaseFilter};
use flysk_store::admin::lists::subscriptions::{self, SubscriptionFilter};
use flysk_store::admin::lists::transfer_invoices::{self, TransferInvoiceFilter};
use flysk_store::admin::sorting::{SortColumn, ids_of};
use sqlx::{AssertSqlSafe, MySqlPool};

/// Rows of each table.
const ROWS: u64 = 60;

/// Numbers that look like any others, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) % limit
    }
}

/// A value of one of a few, so that most rows have it in common with others.
fn tie(numbers: &mut Numbers) -> String {
    (1 + numbers.below(4)).to_string()
}

/// A day in December, or none.
fn day(numbers: &mut Numbers) -> String {
    match numbers.below(6) {
        0 => "NULL".to_owned(),
        day => format!("'2026-12-0{day}'"),
    }
}

/// A time with microseconds, or none.
fn time(numbers: &mut Numbers) -> String {
    match numbers.below(6) {
        0 => "NULL".to_owned(),
        hour => format!("'2026-12-01 0{hour}:00:00.{hour}5'"),
    }
}

/// Inserts rows; `values` makes the values of the columns that are not the same in all tables. The other columns are
/// empty.
async fn insert(
    conn: &mut Conn,
    (table, prefix, columns): (&str, &str, &str),
    mut values: impl FnMut(&mut Numbers, u64) -> String,
) {
    let mut numbers = Numbers(7);
    let rows: Vec<String> = (0..ROWS)
        .map(|number| {
            // Ids in no order.
            let id = number * 37 % ROWS;
            format!("('{prefix}_{id:026}', NOW(6), NOW(6), {})", values(&mut numbers, id))
        })
        .collect();
    let text =
        format!("INSERT INTO {table} (id, created_at, updated_at, {columns}) VALUES {}", rows.join(", "));
    sqlx::raw_sql("SET SESSION sql_mode = ''").execute(&mut *conn).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *conn).await.unwrap();
}

/// The ids of a table's rows in the order that a list should have: rows without a value last.
async fn in_order(conn: &mut Conn, selection: &str, descending: bool) -> Vec<String> {
    let text = format!("SELECT CAST({selection}");
    let mut rows: Vec<(Option<String>, String)> =
        sqlx::query_as(AssertSqlSafe(text)).fetch_all(conn).await.unwrap();
    let number = |value: &str| value.parse::<i64>().ok();
    let compare = |a: &str, b: &str| match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.cmp(b),
    };
    let turned = |ordering: Ordering| if descending { ordering.reverse() } else { ordering };
    rows.sort_by(|(a, a_id), (b, b_id)| {
        let values = match (a, b) {
            (Some(a), Some(b)) => turned(compare(a, b)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        values.then_with(|| turned(compare(a_id, b_id)))
    });
    rows.into_iter().map(|(_, id)| id).collect()
}

/// Compares the pages of a list, forwards and backwards, with the rows of its table.
macro_rules! assert_sorted {
    ($conn:ident, $list:ident, $filter:expr, $column:expr, $selection:expr) => {
        for descending in [false, true] {
            let wanted = in_order(&mut $conn, $selection, descending).await;
            assert!(wanted.len() > 4, "{}", $selection);
            for size in [1, 3, 7, 100] {
                let (mut keys, mut pages) = (Vec::<String>::new(), Vec::new());
                loop {
                    let from = keys.last().cloned().unwrap_or_default();
                    let keyset = Keyset { from, ..Keyset::sorted($column, descending, size) };
                    let page = $list::ids(&mut $conn, &$filter, &keyset).await.unwrap();
                    let Some(first) = page.first().cloned() else { break };
                    keys.extend(page.iter().cloned());
                    pages.push((first, page));
                }
                assert_eq!(ids_of(&keys), wanted, "{} {descending} {size}", $selection);
                for pair in pages.windows(2) {
                    let [(_, page), (first, _)] = pair else { continue };
                    let from = first.clone();
                    let keyset =
                        Keyset { from, reversed: true, ..Keyset::sorted($column, !descending, size) };
                    let before = $list::ids(&mut $conn, &$filter, &keyset).await.unwrap();
                    assert_eq!(&before, page, "{} {descending} {size}", $selection);
                }
            }
        }
    };
}

mod few_rows;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_invoices_and_payments_have_every_row_once_in_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let invoices = ("subscription_invoices", "inv", "subscription_id, state, total_kopecks, paid_at");
    insert(&mut conn, invoices, |numbers, id| {
        let state = if numbers.below(3) == 0 { "open" } else { "paid" };
        format!("'sub_{id:026}', '{state}', {}, {}", tie(numbers), time(numbers))
    })
    .await;
    let open = InvoiceFilter { state: Some(InvoiceState::Open), ..InvoiceFilter::default() };
    let of_amount = "total_kopecks AS CHAR), id FROM subscription_invoices";
    assert_sorted!(conn, invoices, InvoiceFilter::default(), SortColumn::Amount, of_amount);
    let of_open = "total_kopecks AS CHAR), id FROM subscription_invoices WHERE state = 'open'";
    assert_sorted!(conn, invoices, open, SortColumn::Amount, of_open);
    let of_paid = "paid_at AS CHAR), id FROM subscription_invoices";
    assert_sorted!(conn, invoices, InvoiceFilter::default(), SortColumn::Paid, of_paid);

    let payments = ("invoice_payments", "ipm", "invoice_id, terminal_key, state, amount_kopecks");
    insert(&mut conn, payments, |numbers, id| {
        let state = if numbers.below(3) == 0 { "review" } else { "paid" };
        format!("'inv_{id:026}', '{id}', '{state}', {}", tie(numbers))
    })
    .await;
    let review = PaymentFilter { state: "review".parse().ok(), ..PaymentFilter::default() };
    let of_all = "amount_kopecks AS CHAR), id FROM invoice_payments";
    assert_sorted!(conn, payments, PaymentFilter::default(), SortColumn::Amount, of_all);
    let of_review = "amount_kopecks AS CHAR), id FROM invoice_payments WHERE state = 'review'";
    assert_sorted!(conn, payments, review, SortColumn::Amount, of_review);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_subscriptions_have_every_row_once_in_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let columns =
        "install_id, widget_id, platform, account_id, state, trial_until, period_until, next_due_at";
    insert(&mut conn, ("subscriptions", "sub", columns), |numbers, id| {
        let state = if numbers.below(3) == 0 { "trialing" } else { "active" };
        let (widget, trial, until) = (numbers.below(2), day(numbers), day(numbers));
        let due = time(numbers);
        format!("'ins_{id:026}', 'wgt_{widget:026}', 'amocrm', {id}, '{state}', {trial}, {until}, {due}")
    })
    .await;
    let of_all = "COALESCE(period_until, trial_until) AS CHAR), id FROM subscriptions";
    assert_sorted!(conn, subscriptions, SubscriptionFilter::default(), SortColumn::Until, of_all);
    let state = Some(SubscriptionState::Trialing);
    let trialing = SubscriptionFilter { state, ..SubscriptionFilter::default() };
    let of_trialing =
        "COALESCE(period_until, trial_until) AS CHAR), id FROM subscriptions WHERE state = 'trialing'";
    assert_sorted!(conn, subscriptions, trialing, SortColumn::Until, of_trialing);
    let widget_id = format!("wgt_{:026}", 1).parse().ok();
    let of_widget = SubscriptionFilter { widget_id, ..SubscriptionFilter::default() };
    let selection =
        "COALESCE(period_until, trial_until) AS CHAR), id FROM subscriptions WHERE widget_id LIKE '%1'";
    assert_sorted!(conn, subscriptions, of_widget, SortColumn::Until, selection);
    let of_steps = "next_due_at AS CHAR), id FROM subscriptions";
    assert_sorted!(conn, subscriptions, SubscriptionFilter::default(), SortColumn::NextStep, of_steps);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_purchases_and_transfer_invoices_have_every_row_once_in_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let purchases = ("coin_purchases", "pur", "terminal_key, order_id, state, price_kopecks, contact_sealed");
    insert(&mut conn, purchases, |numbers, id| {
        let state = if numbers.below(3) == 0 { "review" } else { "paid" };
        format!("'', '{id}', '{state}', {}, ''", tie(numbers))
    })
    .await;
    let of_all = "price_kopecks AS CHAR), id FROM coin_purchases";
    assert_sorted!(conn, purchases, PurchaseFilter::default(), SortColumn::Amount, of_all);
    let review = PurchaseFilter { state: "review".parse().ok(), ..PurchaseFilter::default() };
    let of_review = "price_kopecks AS CHAR), id FROM coin_purchases WHERE state = 'review'";
    assert_sorted!(conn, purchases, review, SortColumn::Amount, of_review);

    let columns = "number, pays_invoice_id, state, total_kopecks, amount_kopecks, due_on, email_sealed";
    insert(&mut conn, ("transfer_invoices", "tin", columns), |numbers, id| {
        let state = if numbers.below(3) == 0 { "issued" } else { "paid" };
        let (amount, due) = (tie(numbers), 1 + numbers.below(4));
        format!("{id} + 1, 'inv_{id:026}', '{state}', {amount}, {amount}, '2026-12-0{due}', ''")
    })
    .await;
    let any = TransferInvoiceFilter::default();
    let of_all = "amount_kopecks AS CHAR), id FROM transfer_invoices";
    assert_sorted!(conn, transfer_invoices, any, SortColumn::Amount, of_all);
    let due = "due_on AS CHAR), id FROM transfer_invoices";
    assert_sorted!(conn, transfer_invoices, any, SortColumn::Due, due);
    let issued = TransferInvoiceFilter { state: "issued".parse().ok(), ..any.clone() };
    let of_issued = "due_on AS CHAR), id FROM transfer_invoices WHERE state = 'issued'";
    assert_sorted!(conn, transfer_invoices, issued, SortColumn::Due, of_issued);
    let until = TransferInvoiceFilter { due_until: "2026-12-03".parse().ok(), ..any };
    let of_days = "due_on AS CHAR), id FROM transfer_invoices WHERE due_on <= '2026-12-03'";
    assert_sorted!(conn, transfer_invoices, until, SortColumn::Due, of_days);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_accounts_have_every_row_once_in_alphabetical_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let mut numbers = Numbers(7);
    for id in 0..ROWS {
        let host = format!(
            "{}.amocrm.ru",
            ["a", "b-same", "b-other", "c"][usize::try_from(numbers.below(4)).unwrap()]
        );
        // Letters that sort by their bytes as they sort by the alphabet, and a name with the sign between value and id.
        let name = ["", "~7", "Альфа", "Бета ~"][usize::try_from(numbers.below(4)).unwrap()];
        let insert = "INSERT INTO accounts (platform, id, host, name, created_at, updated_at)
                      VALUES ('amocrm', ?, ?, ?, NOW(6), NOW(6))";
        sqlx::query(insert).bind(id * 37 % ROWS + 5).bind(host).bind(name).execute(&mut *conn).await.unwrap();
    }
    let all = AccountFilter::all(Crm::Amocrm);
    let of_hosts = "host AS CHAR), CAST(id AS CHAR) FROM accounts";
    assert_sorted!(conn, accounts, all, SortColumn::Domain, of_hosts);
    let same = AccountFilter { host: Some("b-".to_owned()), ..all.clone() };
    let of_same = "host AS CHAR), CAST(id AS CHAR) FROM accounts WHERE host LIKE 'b-%'";
    assert_sorted!(conn, accounts, same, SortColumn::Domain, of_same);
    let of_names = "name AS CHAR), CAST(id AS CHAR) FROM accounts";
    assert_sorted!(conn, accounts, all, SortColumn::Name, of_names);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn rows_that_change_between_pages_take_no_others_with_them(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let columns = ("subscription_invoices", "inv", "subscription_id, state, total_kopecks");
    insert(&mut conn, columns, |numbers, id| format!("'sub_{id:026}', 'paid', {}", tie(numbers))).await;
    let filter = InvoiceFilter::default();
    for descending in [false, true] {
        let before =
            in_order(&mut conn, "total_kopecks AS CHAR), id FROM subscription_invoices", descending).await;
        let (mut keys, mut moved) = (Vec::<String>::new(), Vec::new());
        loop {
            let from = keys.last().cloned().unwrap_or_default();
            let keyset = Keyset { from, ..Keyset::sorted(SortColumn::Amount, descending, 7) };
            let page = invoices::ids(&mut conn, &filter, &keyset).await.unwrap();
            if page.is_empty() {
                break;
            }
            keys.extend(page);
            // The row at the edge goes to the other end, where no page leads any more; every second one is deleted.
            let edge = ids_of(&keys).pop().unwrap();
            let change = match moved.len() % 2 {
                0 if descending => "UPDATE subscription_invoices SET total_kopecks = 9 WHERE id = ?",
                0 => "UPDATE subscription_invoices SET total_kopecks = 0 WHERE id = ?",
                _ => "DELETE FROM subscription_invoices WHERE id = ?",
            };
            sqlx::query(change).bind(&edge).execute(&mut *conn).await.unwrap();
            moved.push(edge);
        }
        assert!(moved.len() > 5);
        assert_eq!(ids_of(&keys), before, "every row once, where it was");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn rows_that_came_later_are_left_out_of_a_sorted_list_with_a_bound(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let columns = ("subscriptions", "sub", "install_id, platform, account_id, state, period_until");
    insert(&mut conn, columns, |numbers, id| {
        format!("'ins_{id:026}', 'amocrm', {id}, 'active', {}", day(numbers))
    })
    .await;
    let bound = format!("sub_{:026}", ROWS / 2);
    for descending in [false, true] {
        let keyset =
            Keyset { bound: Some(bound.clone()), ..Keyset::sorted(SortColumn::Until, descending, 1_000) };
        let keys = subscriptions::ids(&mut conn, &SubscriptionFilter::default(), &keyset).await.unwrap();
        let earlier = "period_until AS CHAR), id FROM subscriptions WHERE CAST(RIGHT(id, 9) AS SIGNED) < 30";
        assert_eq!(ids_of(&keys), in_order(&mut conn, earlier, descending).await);
    }
}
