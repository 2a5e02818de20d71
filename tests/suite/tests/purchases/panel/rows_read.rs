//! How many rows the server reads for a page: as many as it shows, and not as many as there are. An index leads to the page, whatever
//! the filter and the order.

mod crowd;
mod orders;

use flysk_admin::freeze;
use flysk_domain::Clock as _;
use flysk_store::Pool;
use flysk_suite::bench::fill::{Filled, Volume, fill};
use poem::http::Method;
use sqlx::{MySqlPool, Row as _};

use super::harness::{Panel, Signed, connect_for_reading, serve_on};
use crate::harness::TestApp;

/// Calls, ledger entries and jobs of the filled database, each; a tenth as many installs.
const ROWS: u32 = 40_000;
/// Rows of a page, and one that tells that there are more.
const PAGE_ROWS: u32 = 51;
/// Most rows read to find the ids of a page.
const MOST_FOR_IDS: u64 = 150;
/// The same where only an estimate bounds them, see [`most_for_ids`]: a fifth of the jobs.
const MOST_FOR_RARE_JOBS: u64 = 8_000;
/// Most rows read for the rows of a page, each with what it is joined with.
const MOST_FOR_RECORDS: u64 = 500;
/// Most rows read to count a list: each one from an index and from the server's temporary table.
const MOST_FOR_COUNT: u64 = 2 * 1_001;
/// Most rows read for one kind of the timeline, of which a page shows 100.
const MOST_FOR_KIND: u64 = 1_000;
/// Most rows read for a result of the search box and for the page of an account.
const MOST_FOR_FOUND: u64 = 800;
/// Most rows read for the start page: 30 days of each figure, twice, and five rows of each list.
const MOST_FOR_HOME: u64 = 5_000;

/// Every list with every filter, by frequent, rare and absent values.
const LISTS: [&str; 135] = [
    "/accounts",
    "/accounts?platform=kommo",
    "/accounts?host=company",
    "/accounts?host=company77",
    "/accounts?name=компания",
    "/accounts?name=Компания 77",
    "/installs",
    "/installs?status=active",
    "/installs?status=reconnect",
    "/installs?account=:account",
    "/installs?widget=:widget",
    "/calls",
    "/calls?state=done",
    "/calls?state=no_balance",
    "/calls?state=converting",
    "/calls?account=:account",
    "/calls?account=:account&state=failed",
    "/calls?note=777",
    "/subscriptions",
    "/subscriptions?state=trialing",
    "/subscriptions?state=active",
    "/subscriptions?account=:account",
    "/subscriptions?widget=:widget",
    "/subscriptions?review=yes",
    "/invoices",
    "/invoices?state=open",
    "/invoices?state=paid",
    "/invoices?kind=renewal",
    "/invoices?kind=change",
    "/invoices?kind=start&state=paid",
    "/invoices?subscription=:subscription",
    "/invoices?install=:install",
    "/payments",
    "/payments?state=paid",
    "/payments?state=review",
    "/payments?payment=6000000077",
    "/payments?invoice=:invoice",
    "/payments?install=:install",
    "/receipts",
    "/receipts?state=unclear",
    "/receipts?refused=yes",
    "/receipts?invoice=:invoice",
    "/transfer-invoices",
    "/transfer-invoices?state=issued",
    "/transfer-invoices?state=expired",
    "/transfer-invoices?number=:number",
    "/transfer-invoices?inn=7707083893",
    "/transfer-invoices?due_from=2020-01-01",
    "/transfer-invoices?due_until=2020-01-01",
    "/transfer-invoices?vendor=:vendor",
    "/transfer-invoices?install=:install",
    "/transfer-invoices?invoice=:invoice",
    "/wallets",
    "/wallets?install=:install",
    "/wallets?widget=:widget",
    "/wallets?empty=yes",
    "/purchases",
    "/purchases?state=paid",
    "/purchases?state=review",
    "/purchases?payment=5000000077",
    "/purchases?wallet=:wallet",
    "/purchases?disputed=yes",
    "/notifications",
    "/notifications?state=applied",
    "/notifications?state=ignored",
    "/notifications?order=:order",
    "/notifications?payment=7000000077",
    "/discrepancies",
    "/discrepancies?compared=:day",
    "/discrepancies?kind=amount",
    "/discrepancies?kind=unknown",
    "/jobs",
    "/jobs?state=done",
    "/jobs?state=dead",
    "/jobs?queue=panel",
    "/jobs?kind=calls.store_transcript",
    "/jobs?kind=calls.store_transcript&state=dead",
    "/jobs?account=:account",
    "/jobs?correlation=bench-77",
    "/events",
    "/events?state=failed",
    "/events?kind=test",
    "/events?widget=:widget",
    "/events?widget=:widget&state=failed",
    "/events?install=:install",
    "/events?from=2020-01-01",
    "/events?until=2020-01-01",
    "/audit",
    "/audit?operator=:operator",
    "/audit?action=install.switch_on",
    "/audit?kind=install",
    "/audit?kind=wallet",
    "/audit?subject=:install",
    "/audit?correlation=bench-77",
    "/vendors",
    "/vendors?name=x",
    "/vendors?inn=7707083893",
    "/vendors?terminal=yes",
    "/widgets",
    "/widgets?vendor=:vendor",
    "/widgets?name=виджет",
    "/widgets?platform=kommo",
    "/widgets?flycoins=yes",
    "/widgets?subscriptions=yes",
    "/plans",
    "/plans?widget=:widget",
    "/plans?code=bench",
    "/plans?state=sold",
    "/packages",
    "/packages?widget=:widget",
    "/packages?code=bench",
    "/packages?state=retired",
    "/prices",
    "/prices?service=flysense.recognition",
    "/prices?on=2026-12-01",
    "/transfers",
    "/transfers?vendor=:vendor",
    "/transfers?inn=7707083893",
    "/transfers?why=unknown",
    "/operators",
    "/operators?role=owner",
    "/operators?state=working",
    "/bulk",
    "/bulk?state=done",
    "/bulk?action=event.replay",
    "/bulk?operator=:operator",
    "/bulk-results?act=:act",
    "/bulk-results?act=:act&outcome=refused",
    "/api-errors",
    "/api-errors?request=bench-77",
    "/api-errors?widget=:widget",
    "/api-errors?widget=:widget&operation=getInstall",
    "/api-errors?widget=:widget&code=402",
    "/api-errors?widget=:widget&code=install_not_found",
    "/api-errors?widget=:widget&request=bench-77",
];
/// What is typed into the search box.
const TYPED: [&str; 11] = [
    ":account",
    "company77.amocrm.ru",
    "company7",
    "Компания 7",
    "777",
    "6000000077",
    "7707083893",
    ":number",
    "bench-77",
    "buh%40example.test",
    "%2B79161234567",
];
/// Fields of a list's form that are no filters.
const PLACE_FIELDS: [&str; 3] = ["day", "sort", "hide"];

/// Most rows read to find the ids of a page of a list.
fn most_for_ids(list: &str) -> u64 {
    match list {
        // Jobs have no index of state and id, in which each claim and each end would move a job. The server looks through the dead
        // ones, or through all from the newest on until it has found a page of them.
        "/jobs?state=dead" => MOST_FOR_RARE_JOBS,
        // The dead ones of all kinds, in their index.
        "/jobs?kind=calls.store_transcript&state=dead" => u64::from(ROWS / 40),
        // Invoices of a period of due days have any ids.
        "/transfer-invoices?due_from=2020-01-01" => u64::from(ROWS / 8),
        _ => MOST_FOR_IDS,
    }
}

/// A panel on a filled database. It reads by one connection, which knows how many rows it has read.
struct Counted {
    panel: Panel,
    reads: Pool,
    /// Values of the places in the lists.
    values: Vec<(&'static str, String)>,
}

impl Counted {
    async fn open(pool: MySqlPool) -> Self {
        let app = TestApp::open(pool).await;
        let filled = Box::pin(fill(&app.pool, Volume::of(ROWS), &app.clock)).await.unwrap();
        crowd::write(&app.pool, &filled).await;
        let reads = connect_for_reading(&app, 1).await;
        let url = serve_on(&app, "127.0.0.1", &[], reads.clone()).await;
        let values = values(&app.pool, &filled).await;
        Self { panel: Panel { app, url }, reads, values }
    }

    /// The text with real ids.
    fn real(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
    }

    /// Rows that the panel's connection has read.
    async fn total(&self) -> u64 {
        let mut conn = self.reads.acquire().await.unwrap();
        let counters =
            sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(&mut *conn).await.unwrap();
        counters.iter().map(|counter| counter.get_unchecked::<String, _>(1).parse::<u64>().unwrap()).sum()
    }

    /// Rows that are read for a page. The first time opens its tables.
    async fn rows_of_page(&self, signed: &Signed<'_>, path: &str) -> u64 {
        let mut read = 0;
        for _ in 0..2 {
            let (start, before) = (self.total().await, self.total().await);
            let answer = self.panel.get_as(&signed.cookie, path).await;
            assert!(answer.status().as_u16() < 400, "{path}: {}", answer.text().await.unwrap());
            // Reading the counters reads rows, too.
            read = (self.total().await - before).saturating_sub(before - start);
        }
        read
    }
}

/// Ids of rows of the busy install, and of others.
async fn values(pool: &Pool, filled: &Filled) -> Vec<(&'static str, String)> {
    let queries = [
        (":wallet", "SELECT wallet_id FROM coin_purchases GROUP BY wallet_id ORDER BY COUNT(*) DESC LIMIT 1"),
        (":subscription", "SELECT MIN(id) FROM subscriptions"),
        (":invoice", "SELECT MIN(id) FROM subscription_invoices"),
        (":order", "SELECT MIN(order_id) FROM tbank_notifications"),
        (":vendor", "SELECT MIN(id) FROM vendors"),
        (":day", "SELECT CAST(MAX(day) AS CHAR) FROM tbank_discrepancies"),
    ];
    let number = flysk_domain::platform::transfers::InvoiceNumber::of_serial(77).unwrap();
    let mut values = vec![
        (":install", filled.busy_install.to_string()),
        (":account", filled.busy_account.0.to_string()),
        (":widget", "wgt_00000000000000000000000007".to_owned()),
        (":operator", "opr_00000000000000000000000000".to_owned()),
        (":act", "blk_00000000000000000000000000".to_owned()),
        (":number", number.get().to_string()),
    ];
    for (place, query) in queries {
        let value: String = sqlx::query_scalar(query).fetch_one(pool).await.unwrap();
        values.push((place, value));
    }
    values
}

/// Names of the filters of a list's form; `None` if the page is no list.
fn filters(page: &str) -> Option<Vec<String>> {
    let form = page.split_once("<form class=\"filters")?.1.split("</form>").next()?;
    let names = form.split(" name=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    Some(names.filter(|name| !PLACE_FIELDS.contains(&name.as_str())).collect())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_reads_what_it_shows_and_not_what_there_is(pool: MySqlPool) {
    let counted = Counted::open(pool).await;
    let signed = counted.panel.sign_in_with("anna", "owner", &["bulk"]).await;
    every_filter_is_measured(&counted, &signed).await;
    let mut excess = Vec::new();
    for list in LISTS {
        measure_list(&counted, list, &mut excess).await;
        let read = counted.rows_of_page(&signed, &counted.real(list)).await;
        if read > most_for_ids(list) + MOST_FOR_RECORDS + MOST_FOR_COUNT {
            excess.push(format!("{list}: {read} rows for the page with its count"));
        }
    }
    Box::pin(orders::measure(&counted, &signed, &mut excess)).await;
    let install = counted.real("/installs/:install/timeline");
    let timeline = signed.page(&install).await;
    let kinds: Vec<&str> =
        timeline.split("/timeline?kind=").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(kinds.len() > 10, "{kinds:?}");
    let whole = u64::try_from(kinds.len()).unwrap() * MOST_FOR_KIND;
    let kinds = kinds.iter().map(|kind| (format!("{install}?kind={kind}"), MOST_FOR_KIND));
    let typed = TYPED.map(|text| (counted.real(&format!("/search?q={text}")), MOST_FOR_FOUND));
    let others = [
        (install.clone(), whole),
        (format!("{install}?whole=yes"), whole),
        (counted.real("/accounts/:account"), MOST_FOR_FOUND),
        ("/".to_owned(), MOST_FOR_HOME),
    ];
    for (path, most) in kinds.chain(typed).chain(others) {
        let read = counted.rows_of_page(&signed, &path).await;
        if read > most {
            excess.push(format!("{path}: {read} rows, at most {most}"));
        }
    }
    assert!(excess.is_empty(), "{excess:#?}");
}

/// Reads a page of a list from both ends, without its count.
async fn measure_list(counted: &Counted, list: &str, excess: &mut Vec<String>) {
    let address = counted.real(list);
    let (path, query) = address.split_once('?').unwrap_or((address.as_str(), ""));
    let frozen = freeze(path, query, counted.panel.app.clock.now()).unwrap();
    for newest_first in [true, false] {
        let (mut ids, mut read) = (Vec::new(), 0);
        for _ in 0..2 {
            let (start, before) = (counted.total().await, counted.total().await);
            let mut conn = counted.reads.acquire().await.unwrap();
            ids = if newest_first {
                frozen.ids(&mut conn, None, PAGE_ROWS).await.unwrap()
            } else {
                frozen.ids_up(&mut conn, None, PAGE_ROWS).await.unwrap()
            };
            drop(conn);
            read = (counted.total().await - before).saturating_sub(before - start);
        }
        if read > most_for_ids(list) {
            excess.push(format!("{list}, newest first {newest_first}: {read} rows for {} ids", ids.len()));
        }
        let (start, before) = (counted.total().await, counted.total().await);
        let shown = frozen.rows(&mut counted.reads.acquire().await.unwrap(), &ids).await.unwrap();
        let read = (counted.total().await - before).saturating_sub(before - start);
        if read > MOST_FOR_RECORDS {
            excess.push(format!("{list}: {read} rows for {} rows of the page", shown.len()));
        }
    }
}

/// No list and no filter of the panel is missing above.
async fn every_filter_is_measured(counted: &Counted, signed: &Signed<'_>) {
    let routes = flysk_admin::routes::table();
    let shown = routes.iter().filter(|route| route.method == Method::GET && !route.path.contains(':'));
    let mut lists = 0;
    for path in shown.map(|route| route.path).filter(|path| !path.contains("/sign-in")) {
        let wanted = if path == "/bulk-results" { "/bulk-results?act=:act" } else { path };
        let answer = counted.panel.get_as(&signed.cookie, &counted.real(wanted)).await;
        let page = answer.text().await.unwrap();
        let Some(filters) = filters(&page) else { continue };
        lists += 1;
        for name in filters {
            let is_measured = LISTS.iter().any(|&list| {
                let (measured, query) = list.split_once('?').unwrap_or((list, ""));
                measured == path && query.split('&').any(|pair| pair.starts_with(&format!("{name}=")))
            });
            assert!(is_measured, "the filter {name} of {path} is not measured");
        }
    }
    assert!(lists > 15, "only {lists} lists were found");
}
