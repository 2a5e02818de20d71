//! The measured pages: first pages of all lists, filters, orders, search, timeline, and long pages.

use flysk_store::Pool;

use crate::bench::fill::Filled;

/// What is measured of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// First page of a list, with as many rows as the peer's list of the model.
    List {
        /// Name of the peer's model.
        model: &'static str,
    },
    /// A list with a filter or an order, a result of the search box, a timeline, or another page with tables.
    Look,
    /// 1,000 rows on one page.
    Long,
}

/// A measured page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// What is measured.
    pub(super) group: Group,
    /// Path and query.
    pub(super) path: String,
}

/// Lists of the panel and the peer's models. The peer shows 100 rows a page.
const LISTS: [(&str, &str); 14] = [
    ("/accounts", "account"),
    ("/installs", "install"),
    ("/calls", "call"),
    ("/subscriptions", "subscription"),
    ("/invoices", "invoice"),
    ("/payments", "payment"),
    ("/receipts", "receipt"),
    ("/wallets", "wallet"),
    ("/purchases", "purchase"),
    ("/notifications", "notification"),
    ("/discrepancies", "discrepancy"),
    ("/jobs", "job"),
    ("/events", "event"),
    ("/audit", "act"),
];
/// Filters with frequent, rare and absent values.
const FILTERS: [&str; 41] = [
    "/accounts?host=company",
    "/accounts?host=company77",
    "/installs?status=active",
    "/installs?status=reconnect",
    "/installs?account=:account",
    "/installs?widget=wgt_00000000000000000000000007",
    "/calls?state=done",
    "/calls?state=no_balance",
    "/calls?state=converting",
    "/calls?account=:account",
    "/calls?account=:account&state=failed",
    "/calls?note=777",
    "/jobs?state=done",
    "/jobs?state=dead",
    "/jobs?state=running",
    "/jobs?queue=panel",
    "/jobs?kind=calls.store_transcript",
    "/jobs?kind=calls.store_transcript&state=dead",
    "/jobs?account=:account",
    "/jobs?correlation=bench-77",
    "/events?state=failed",
    "/events?kind=test",
    "/events?install=:install",
    "/events?widget=wgt_00000000000000000000000007&state=failed",
    "/wallets?empty=yes",
    "/wallets?widget=wgt_00000000000000000000000007",
    "/purchases?state=review",
    "/purchases?disputed=yes",
    "/purchases?payment=5000000077",
    "/subscriptions?state=trialing",
    "/subscriptions?review=yes",
    "/subscriptions?account=:account",
    "/invoices?kind=change",
    "/invoices?kind=start&state=paid",
    "/payments?state=review",
    "/receipts?state=unclear",
    "/notifications?state=ignored",
    "/notifications?payment=7000000077",
    "/discrepancies?kind=amount",
    "/audit?action=install.switch_on",
    "/audit?subject=:install",
];
/// Each order by a column, without a filter and with one that the index begins with.
const SORTS: [&str; 14] = [
    "/accounts?sort=domain",
    "/accounts?sort=-name",
    "/subscriptions?sort=until",
    "/subscriptions?sort=-until&state=trialing",
    "/subscriptions?sort=next",
    "/invoices?sort=-amount",
    "/invoices?sort=-amount&state=open",
    "/invoices?sort=-paid",
    "/payments?sort=-amount",
    "/payments?sort=amount&state=review",
    "/purchases?sort=-amount",
    "/purchases?sort=amount&state=review",
    "/transfer-invoices?sort=-amount",
    "/transfer-invoices?sort=due",
];
/// Search box, timelines, and pages with tables.
const OTHERS: [&str; 13] = [
    "/search?q=:account",
    "/search?q=company77.amocrm.ru",
    "/search?q=company7",
    "/search?q=777",
    "/search?q=6000000077",
    "/search?q=bench-77",
    "/search?q=buh%40example.test",
    "/search?q=%2B79161234567",
    "/installs/:install/timeline",
    "/installs/:install/timeline?kind=call",
    "/accounts/:account",
    "/wallets/:wallet",
    "/",
];
const LONG: [&str; 3] = ["/calls?size=1000", "/jobs?size=1000", "/installs?size=1000"];

/// All measured pages, with the ids of a busy install.
pub(super) async fn all(pool: &Pool, filled: &Filled) -> anyhow::Result<Vec<Page>> {
    let (install, account) = (filled.busy_install.to_string(), filled.busy_account.0.to_string());
    let wallet: String = sqlx::query_scalar("SELECT id FROM wallets WHERE install_id = ?")
        .bind(&install)
        .fetch_one(pool)
        .await?;
    let real = |path: &str| {
        path.replace(":install", &install).replace(":account", &account).replace(":wallet", &wallet)
    };
    let lists = LISTS.iter().map(|&(path, model)| {
        let group = Group::List { model };
        Page { group, path: format!("{path}?size=100") }
    });
    let looks =
        FILTERS.iter().chain(&SORTS).chain(&OTHERS).map(|path| Page { group: Group::Look, path: real(path) });
    let long = LONG.iter().map(|path| Page { group: Group::Long, path: real(path) });
    Ok(lists.chain(looks).chain(long).collect())
}
