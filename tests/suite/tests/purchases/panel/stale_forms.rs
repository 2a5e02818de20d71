//! Of two operators who change one object at once, the second one is told so.

use flysk_domain::TextEnum as _;
use flysk_domain::platform::ledger::Service;
use flysk_store::platform::{ledger, purchases, vendors};
use sqlx::MySqlPool;

use super::harness::{Panel, value_of};

fn offer<'a>(roubles: &'a str, seen: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("widget", "flysense"),
        ("code", "big"),
        ("title", "Большой"),
        ("roubles", roubles),
        ("seen", seen),
        ("reason", "Новая цена"),
    ]
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_second_change_of_a_package_is_refused(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    // Both saw that there is no such package.
    let none = value_of(&anna.page("/packages").await, "seen");
    boris.act("/packages/offer", &offer("900", &none)).await;
    let page = anna.refused("/packages/offer", &offer("800", &none), 409).await;
    assert!(page.contains("тем временем изменил"), "{page}");
    // Both saw its first version.
    let first = value_of(&anna.page("/packages").await, "seen");
    boris.act("/packages/offer", &offer("700", &first)).await;
    anna.refused("/packages/offer", &offer("800", &first), 409).await;
    let retire = [("widget", "flysense"), ("code", "big"), ("seen", first.as_str()), ("reason", "Дорого")];
    anna.refused("/packages/retire", &retire, 409).await;
    let widget = panel.app.widget().await.id;
    let offered = purchases::list_packages_on_offer(&mut *panel.app.conn().await, widget).await.unwrap();
    let big = offered.iter().find(|package| package.code.as_str() == "big").unwrap();
    assert_eq!((big.version, big.terms.price.0), (2, 70_000));
    // A change of another package does not matter.
    let second = value_of(&anna.page("/packages").await, "seen");
    let other = offer("50", &second);
    let other = other.map(|(name, value)| (name, if name == "code" { "small" } else { value }));
    boris.act("/packages/offer", &other).await;
    anna.act("/packages/offer", &offer("800", &second)).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_second_change_of_a_price_is_refused(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let seen = value_of(&anna.page("/prices").await, "seen");
    let price = |rate: &'static str| {
        let seen = seen.as_str();
        [("service", "flysense.summary"), ("unit", "piece"), ("rate", rate), ("seen", seen), ("reason", "x")]
    };
    boris.act("/prices/set", &price("2")).await;
    assert!(anna.refused("/prices/set", &price("9"), 409).await.contains("тем временем изменил"));
    let service: Service = "flysense.summary".parse().unwrap();
    let versions = ledger::list_price_versions(&mut *panel.app.conn().await).await.unwrap();
    let newest = versions.iter().rfind(|version| version.rule.service == service).unwrap();
    let row = panel.record_of("price.set").await;
    assert_eq!(row.subject_id, format!("flysense.summary v{}", newest.rule.version));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_second_change_of_a_days_taxes_is_refused(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "operator").await, panel.sign_in("boris", "operator").await);
    let create = [("code", "romashka"), ("legal_name", "ООО «Ромашка»"), ("reason", "Договор 7")];
    let path = anna.act("/vendors/create", &create).await;
    let page = anna.page(&path).await;
    let form = page.split("data-act=\"taxes\"").nth(1).expect("the form of the taxes");
    let seen = value_of(form, "seen");
    let taxes = |from: &'static str, vat: &'static str| {
        let seen = seen.as_str();
        [("from", from), ("taxation", "osn"), ("vat", vat), ("seen", seen), ("reason", "С нового года")]
    };
    boris.act(&format!("{path}/taxes"), &taxes("2027-01-01", "vat22")).await;
    let page = anna.refused(&format!("{path}/taxes"), &taxes("2027-01-01", "none"), 409).await;
    assert!(page.contains("Налоги на этот день"), "{page}");
    // Those of another day stand for themselves.
    anna.act(&format!("{path}/taxes"), &taxes("2028-01-01", "none")).await;
    let vendor = path.rsplit('/').next().unwrap().parse().unwrap();
    let stored = vendors::list_taxes(&mut *panel.app.conn().await, vendor).await.unwrap();
    let told: Vec<(String, &str)> =
        stored.iter().map(|taxes| (taxes.valid_from.to_string(), taxes.vat.as_str())).collect();
    assert_eq!(told, [("2028-01-01".to_owned(), "none"), ("2027-01-01".to_owned(), "vat22")]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_version_of_a_plan_that_nobody_saw_is_not_taken_off_sale(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let offer = |month: &'static str, seen: &'static str| {
        [
            ("widget", "flysense"),
            ("code", "solo"),
            ("title", "Один"),
            ("month", month),
            ("min_seats", "1"),
            ("seen", seen),
            ("reason", "Новая цена"),
        ]
    };
    let first = boris.act("/plans/offer", &offer("500", "0")).await;
    let page = anna.page(&first).await;
    let form = page.split("data-act=\"retire\"").nth(1).expect("the form that takes it off sale");
    let seen = value_of(form, "seen");
    let retire = [("widget", "flysense"), ("code", "solo"), ("seen", seen.as_str()), ("reason", "Дорого")];
    let second = boris.act("/plans/offer", &offer("400", "1")).await;
    let page = anna.refused("/plans/retire", &retire, 409).await;
    assert!(page.contains("тем временем изменил"), "{page}");
    assert!(anna.page(&second).await.contains("data-act=\"retire\""), "it is still on sale");
    let current = retire.map(|(name, kept)| (name, if name == "seen" { "2" } else { kept }));
    anna.act("/plans/retire", &current).await;
}
