//! Packages, prices and plans of a vendor's own widgets.

use flysk_store::platform::ledger;
use flysk_store::platform::{purchases, subscriptions};
use flysk_store::portal::prices;
use sqlx::MySqlPool;

use super::deliveries::rows_read;
use super::harness::Portal;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vendor_offers_packages_and_sets_prices_of_its_services(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    assert!(!member.page("/portal/packages").await.contains("data-act=\"offer\""), "there is no widget yet");
    let widget = portal.give_widget(vendor).await;
    let id = widget.to_string();
    let package = [("widget", id.as_str()), ("code", "big"), ("title", "Большой"), ("roubles", "900")];
    member.act("/portal/packages/offer", &package).await;
    assert!(member.refused("/portal/packages/offer", &package, 422).await.contains("уже продаётся"));
    let mut conn = portal.panel.app.conn().await;
    let offered = purchases::list_packages_on_offer(&mut conn, widget).await.unwrap();
    assert!(offered.iter().any(|package| package.code.as_str() == "big"));
    assert!(member.page("/portal/packages").await.contains("Большой"));
    // A form that was opened before another change of the package is refused.
    let stale = [("widget", id.as_str()), ("code", "big"), ("seen", "")];
    assert!(member.refused("/portal/packages/retire", &stale, 409).await.contains("тем временем изменил"));
    member.act("/portal/packages/retire", &[("widget", &id), ("code", "big")]).await;
    let price = [("widget", id.as_str()), ("service", "summary"), ("unit", "piece"), ("rate", "2,5")];
    member.act("/portal/prices/set", &price).await;
    let stale = [
        ("widget", id.as_str()),
        ("service", "summary"),
        ("unit", "piece"),
        ("rate", "9"),
        ("seen", "flysense.summary=0"),
    ];
    assert!(member.refused("/portal/prices/set", &stale, 409).await.contains("тем временем изменил"));
    let versions = ledger::list_price_versions(&mut conn).await.unwrap();
    assert!(versions.iter().any(|version| version.rule.service.as_str() == "flysense.summary"));
    assert!(member.page("/portal/prices").await.contains("flysense.summary"));
    for (field, value) in [("service", "другое"), ("rate", "-1"), ("unit", "year")] {
        let wrong = price.map(|(name, kept)| (name, if name == field { value } else { kept }));
        member.refused("/portal/prices/set", &wrong, 422).await;
    }
    for action in ["package.offer", "package.retire", "price.set"] {
        assert_eq!(portal.panel.record_of(action).await.operator_login, "vera@romashka.example");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn prices_of_other_vendors_are_not_read(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let (vendor, other) = (portal.vendor("romashka").await, portal.vendor("lopukh").await);
    portal.give_widget(vendor).await;
    // Thousands of prices, of a widget whose code begins like the vendor's, too.
    let fill = "INSERT INTO price_rules (service, version, tariff, valid_from, created_at)
        SELECT CONCAT(IF(a.n > 40, 'flysense-two.', 'flysens.'), 'price_', a.n), b.n,
               '{\"kind\": \"per_piece\", \"rate\": 1000000}', NOW(6), NOW(6)
        FROM (SELECT ROW_NUMBER() OVER (ORDER BY table_name, column_name) AS n FROM information_schema.columns LIMIT 80) a,
             (SELECT ROW_NUMBER() OVER (ORDER BY table_name, column_name) AS n FROM information_schema.columns LIMIT 50) b";
    let app = &portal.panel.app;
    sqlx::query(fill).execute(&app.pool).await.unwrap();
    sqlx::query("ANALYZE TABLE price_rules").execute(&app.pool).await.unwrap();
    let mut conn = app.conn().await;
    let mut read = Vec::new();
    // The first execution prepares the statements and opens the tables.
    for _ in 0..2 {
        let (start, before) = (rows_read(&mut conn).await, rows_read(&mut conn).await);
        let versions = prices::list(&mut conn, vendor).await.unwrap();
        // Reading the counters reads rows, too.
        read.push((rows_read(&mut conn).await - before).saturating_sub(before - start));
        assert!(!versions.is_empty());
        assert!(versions.iter().all(|version| version.rule.service.as_str().starts_with("flysense.")));
    }
    assert!(read[1] < 400, "{} rows were read", read[1]);
    assert!(prices::list(&mut conn, other).await.unwrap().is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_changed_plan_is_a_new_version(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let widget = portal.give_widget(vendor).await.to_string();
    let plan = |month: &'static str| {
        [("code", "pro"), ("title", "Про"), ("month", month), ("min_seats", "1"), ("max_seats", "")]
    };
    let with_widget = |fields: &[(&'static str, &'static str); 5]| -> Vec<(&'static str, String)> {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned()));
        fields.chain([("widget", widget.clone())]).collect()
    };
    let mut path = String::new();
    for month in ["500", "600"] {
        let fields = with_widget(&plan(month));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        path = member.act("/portal/plans/offer", &fields).await;
    }
    let page = member.page(&path).await;
    assert!(page.contains("версия 2") && page.contains("Другие версии"), "{page}");
    let stale = with_widget(&plan("700"));
    let stale: Vec<(&str, &str)> =
        stale.iter().map(|(name, value)| (*name, value.as_str())).chain([("seen", "1")]).collect();
    member.refused("/portal/plans/offer", &stale, 409).await;
    member.act("/portal/plans/retire", &[("widget", &widget), ("code", "pro")]).await;
    let id = path.trim_start_matches("/portal/plans/").parse().unwrap();
    let plan = subscriptions::find_plan(&mut *portal.panel.app.conn().await, id).await.unwrap().unwrap();
    assert!(!plan.active);
}
