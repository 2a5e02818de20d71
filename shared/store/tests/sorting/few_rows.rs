//! Lists of tables with few rows, which the server sorts without an index.

use flysk_domain::platform::crm::Crm;
use flysk_store::admin::listing::Keyset;
use flysk_store::admin::lists::offers::{OfferFilter, packages, plans};
use flysk_store::admin::lists::operators::{self, OperatorFilter};
use flysk_store::admin::lists::prices::{self, PriceFilter, PriceListRow};
use flysk_store::admin::lists::transfers::{self, QueuedOperationFilter};
use flysk_store::admin::lists::vendors::{self, VendorFilter};
use flysk_store::admin::lists::widgets::{self, WidgetFilter};
use flysk_store::admin::sorting::{SortColumn, ids_of};
use sqlx::{AssertSqlSafe, MySqlPool};

use super::{Numbers, ROWS, in_order, insert, tie};

/// A name of one of a few, so that most rows have it in common with others. They sort by their bytes as they sort by the alphabet.
fn name(numbers: &mut Numbers) -> &'static str {
    ["", "Альфа", "Бета ~", "Вера"][usize::try_from(numbers.below(4)).unwrap()]
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_sellers_and_operators_have_every_row_once_in_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    // The vendor that comes with the schema.
    sqlx::raw_sql("DELETE FROM vendors").execute(&mut *conn).await.unwrap();
    let columns = ("vendors", "vnd", "code, legal_name, terminal_key, terminal_password_sealed");
    insert(&mut conn, columns, |numbers, id| format!("'c-{id}', '{}', 'term-{id}', ''", name(numbers))).await;
    let own = VendorFilter { has_terminal: true, ..VendorFilter::default() };
    assert_sorted!(conn, vendors, own, SortColumn::Code, "code AS CHAR), id FROM vendors");
    assert_sorted!(conn, vendors, own, SortColumn::Name, "legal_name AS CHAR), id FROM vendors");

    let columns = ("widgets", "wgt", "code, name, platform, client_uuid, project_token_hash");
    insert(&mut conn, columns, |numbers, id| {
        format!("'c-{id}', '{}', 'kommo', '{id}', '{id}'", name(numbers))
    })
    .await;
    let kommo = WidgetFilter { crm: Some(Crm::Kommo), ..WidgetFilter::default() };
    assert_sorted!(conn, widgets, kommo, SortColumn::Code, "code AS CHAR), id FROM widgets");
    assert_sorted!(conn, widgets, kommo, SortColumn::Name, "name AS CHAR), id FROM widgets");

    let columns = ("operators", "opr", "login, name, role");
    insert(&mut conn, columns, |numbers, id| format!("'l-{id}', '{}', 'owner'", name(numbers))).await;
    let any = OperatorFilter::default();
    assert_sorted!(conn, operators, any, SortColumn::Code, "login AS CHAR), id FROM operators");
    assert_sorted!(conn, operators, any, SortColumn::Name, "name AS CHAR), id FROM operators");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_waiting_transfers_have_every_row_once_in_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let columns = ("bank_operations", "bop", "vendor_id, account_number, dedup_key, state, amount_kopecks");
    insert(&mut conn, columns, |numbers, id| {
        let state = if numbers.below(3) == 0 { "landed" } else { "queued" };
        format!("'', '', '{id}', '{state}', {}", tie(numbers))
    })
    .await;
    let any = QueuedOperationFilter::default();
    let waiting = "amount_kopecks AS CHAR), id FROM bank_operations WHERE state = 'queued'";
    assert_sorted!(conn, transfers, any, SortColumn::Amount, waiting);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_plans_and_packages_have_every_row_once_in_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    sqlx::raw_sql("SET SESSION sql_mode = ''").execute(&mut *conn).await.unwrap();
    let mut numbers = Numbers(7);
    for id in 0..ROWS {
        // Versions of a few codes.
        let (code, title, price) = (numbers.below(4), name(&mut numbers), tie(&mut numbers));
        let plan = format!(
            "INSERT INTO subscription_plans (id, widget_id, code, version, title, month_kopecks, min_seats, features)
             VALUES ('pln_{id:026}', '', 'c-{code}', {id}, '{title}', {price}, 1, '{{}}')"
        );
        let package = format!(
            "INSERT INTO coin_packages (id, widget_id, code, version, title, price_kopecks, coins_micro)
             VALUES ('pkg_{id:026}', '', 'c-{code}', {id}, '{title}', {price}, 1)"
        );
        for statement in [plan, package] {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *conn).await.unwrap();
        }
    }
    let any = OfferFilter::default();
    assert_sorted!(conn, plans, any, SortColumn::Code, "code AS CHAR), id FROM subscription_plans");
    assert_sorted!(conn, plans, any, SortColumn::Name, "title AS CHAR), id FROM subscription_plans");
    assert_sorted!(conn, packages, any, SortColumn::Code, "code AS CHAR), id FROM coin_packages");
    assert_sorted!(conn, packages, any, SortColumn::Name, "title AS CHAR), id FROM coin_packages");
    assert_sorted!(conn, packages, any, SortColumn::Amount, "price_kopecks AS CHAR), id FROM coin_packages");
}

/// Prices have no column of ids, so that the wanted order is that of the rows of the list.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_prices_have_every_row_once_in_order(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let mut numbers = Numbers(7);
    for id in 0..ROWS {
        let (code, day) = (numbers.below(4), tie(&mut numbers));
        let rule = format!(
            "INSERT INTO price_rules (service, version, tariff, valid_from, created_at)
             VALUES ('widget-{code}.calls', {id} + 1, '{{\"kind\": \"per_piece\", \"rate\": 1}}', '2026-12-0{day}',
                     '2026-11-30 00:00:{id:02}.5')"
        );
        sqlx::raw_sql(AssertSqlSafe(rule)).execute(&mut *conn).await.unwrap();
    }
    let filter = PriceFilter::default();
    let ids = prices::ids(&mut conn, &filter, &Keyset::oldest(100)).await.unwrap();
    let listed = prices::rows(&mut conn, &ids).await.unwrap();
    assert!(listed.len() > 60 && listed.is_sorted_by_key(|price| price.created_at), "{listed:#?}");
    for (column, descending) in [
        (SortColumn::Start, false),
        (SortColumn::Start, true),
        (SortColumn::Code, false),
        (SortColumn::Code, true),
    ] {
        let value = |price: &PriceListRow| match column {
            SortColumn::Start => price.valid_from.to_rfc3339(),
            _ => price.rule.service.as_str().to_owned(),
        };
        let mut wanted: Vec<_> = listed.iter().map(|price| (value(price), price.id.clone())).collect();
        wanted.sort();
        if descending {
            wanted.reverse();
        }
        let mut keys = Vec::<String>::new();
        loop {
            let from = keys.last().cloned().unwrap_or_default();
            let keyset = Keyset { from, ..Keyset::sorted(column, descending, 7) };
            let page = prices::ids(&mut conn, &filter, &keyset).await.unwrap();
            if page.is_empty() {
                break;
            }
            keys.extend(page);
        }
        let wanted: Vec<String> = wanted.into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids_of(&keys), wanted, "{column:?} {descending}");
    }
}
