//! A vendor with a widget of its own beside another vendor: its pages, filters and forms reach nothing of the other one.

use flysk_admin::{Access, routes};
use flysk_suite::environment::ACCOUNT;
use poem::http::Method;
use sqlx::MySqlPool;

use super::deliveries::{addressed, test_event};
use super::harness::{Member, Portal};
use super::widgets::registered;

/// Paths of all pages without an id.
fn pages() -> Vec<&'static str> {
    let all = routes::table().into_iter();
    let pages = all.filter(|route| route.method == Method::GET && route.access == Access::Vendor);
    let paths: Vec<&str> = pages.map(|route| route.path).filter(|path| !path.contains(':')).collect();
    assert!(paths.len() >= 8, "{paths:?}");
    paths
}

/// All pages of a member with each of these queries.
async fn read_all(member: &Member<'_>, queries: &[String]) -> Vec<(String, String)> {
    let mut read = Vec::new();
    for path in pages() {
        for query in queries {
            let address = format!("{path}{query}");
            read.push((address.clone(), member.page(&address).await));
        }
    }
    read
}

/// Sells something of each kind; returns words that tell it.
async fn sell(member: &Member<'_>, widget: &str) -> [String; 3] {
    let own = |fields: &[(&'static str, &'static str)]| -> Vec<(&'static str, String)> {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned()));
        fields.chain([("widget", widget.to_owned())]).collect()
    };
    let package = own(&[("code", "daisy"), ("title", "Ромашковый пакет"), ("roubles", "900")]);
    let price = own(&[("service", "daisy"), ("unit", "piece"), ("rate", "2,5")]);
    let plan = own(&[("code", "daisy"), ("title", "Ромашковый тариф"), ("month", "500"), ("min_seats", "1")]);
    for (path, fields) in [("packages/offer", package), ("prices/set", price), ("plans/offer", plan)] {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        member.act(&format!("/portal/{path}"), &fields).await;
    }
    ["Ромашковый пакет", "flysense.daisy", "Ромашковый тариф"].map(str::to_owned)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vendor_with_a_widget_sees_nothing_of_another_one(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let (first, second) = (portal.vendor("romashka").await, portal.vendor("lopukh").await);
    let vera = portal.member(first, "vera@romashka.example").await;
    let widget = addressed(&portal, first).await;
    let event = test_event(&vera, widget).await;
    let sold = sell(&vera, &widget.to_string()).await;
    let telling: Vec<String> =
        [widget.to_string(), event, vera.email.clone()].into_iter().chain(sold).collect();
    let boris = portal.member(second, "boris@lopukh.example").await;
    let (path, _) = registered(&boris).await;
    let own = path.trim_start_matches("/portal/widgets/");

    // Each of these words is somewhere for their vendor, so its absence means something.
    let for_vera = read_all(&vera, &[String::new()]).await;
    for told in &telling {
        assert!(for_vera.iter().any(|(_, page)| page.contains(told.as_str())), "nowhere: {told}");
    }
    let newest = u64::MAX;
    let queries = [
        String::new(),
        format!("?widget={own}"),
        format!("?widget={own}&account={ACCOUNT}"),
        format!("?widget={own}&outcome=delivered"),
        format!("?widget={own}&before={newest}"),
    ];
    for (address, page) in read_all(&boris, &queries).await {
        for told in &telling {
            assert!(!page.contains(told.as_str()), "{address} tells {told}: {page}");
        }
    }

    // The account is known to the other vendor's widget only.
    let test = format!("{path}/test-event");
    let account = ACCOUNT.to_string();
    boris.refused(&test, &[("account", account.as_str())], 422).await;
    boris.refused(&test, &[("account", "")], 409).await;
    let events: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM lifecycle_events WHERE widget_id = ?")
        .bind(own)
        .fetch_one(&portal.panel.app.pool)
        .await
        .unwrap();
    assert_eq!(events, 0);
}
