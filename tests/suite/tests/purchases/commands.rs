//! Commands about packages, plans and purchases, and their effects for buyers.

use chrono::Days;
use flysk_domain::Clock as _;
use flysk_domain::id::PurchaseId;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_simulators::tbank::Behaviour;
use flysk_suite::environment::ACCOUNT;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{BONUS, COINS, GOOD_CARD, TestApp};

/// Packages shown to a buyer, with their codes.
async fn on_offer(app: &TestApp) -> Vec<(String, Value)> {
    let (_, listed) = app.get("/v1/flycoins/packages").await;
    let listed = listed["items"].as_array().expect("a list").clone();
    listed.into_iter().map(|one| (one["code"].as_str().unwrap().to_owned(), one)).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_adds_and_withdraws_packages(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let told = app.worker(&["package:list", "flysense"]).await.told();
    assert!(told.lines().count() == 1 && told.contains("on sale") && told.contains("Стартовый"), "{told}");

    let set = ["package:set", "flysense", "big", "--title", "Большой", "--price", "300000", "--bonus", "600"];
    let set = [&set[..], &["--bonus-days", "90"]].concat();
    let told = app.worker(&set).await.told();
    assert!(told.starts_with("`big` version 1 is on sale as pkg_"), "{told}");
    let told = app.worker(&set).await.told();
    assert!(told.starts_with("`big` version 1 was already on sale as pkg_"), "{told}");
    let offer = on_offer(&app).await;
    let (_, big) = offer.iter().find(|(code, _)| code == "big").expect("buyers see it");
    assert_eq!((&big["price_kopecks"], &big["coins_micro"]), (&json!(300_000), &json!(3_000_000_000_i64)));
    assert_eq!((&big["bonus_micro"], &big["bonus_days"]), (&json!(600_000_000), &json!(90)));

    let told = app.worker(&[&set[..], &["--coins", "3100"]].concat()).await.told();
    assert!(told.starts_with("`big` version 2 is on sale as"), "{told}");
    let told = app.worker(&["package:list", "flysense", "--all"]).await.told();
    for (version, state) in [("v1", "retired"), ("v2", "on sale")] {
        let line = told.lines().find(|line| line.contains("big") && line.contains(version)).expect(version);
        assert!(line.contains(state) && line.contains("3000.00 roubles"), "{told}");
    }
    let columns: Vec<_> = told.lines().map(|line| line.find(" roubles")).collect();
    assert!(columns.iter().all(|column| *column == columns[0]), "the lines stand under each other: {told}");
    let retire = ["package:retire", "flysense", "big"];
    assert_eq!(app.worker(&retire).await.told(), "`big` is no longer on sale.\n");
    assert_eq!(on_offer(&app).await.len(), 1);
    let refused = app.worker(&retire).await.refused(1);
    assert!(refused.contains("`flysense` does not offer `big`"), "{refused}");
}

/// Packages that cannot be sold are rejected, and each error names the reason.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn packages_that_cannot_be_sold_are_rejected_with_a_reason(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let usual = [("widget", "flysense"), ("code", "big"), ("--title", "Большой"), ("--price", "300000")];
    for (change, code, sentence) in [
        (("widget", "nobody"), 1, "no widget has the code `nobody`"),
        (("code", "Big"), 1, "a package's code is 1 to 64 of a-z, 0-9 and `-`"),
        (("--title", " "), 1, "a package's title is 1 to 64 characters on one line"),
        (("--price", "99"), 1, "a package costs 1 to 1,000,000 roubles"),
        (("--price", "9223372036854775807"), 1, "too high a price"),
        (("--price", "3000.00"), 2, "invalid value '3000.00' for '--price <KOPECKS>'"),
        (("--coins", "0"), 1, "a package contains more than 0"),
        (("--coins", "9223372036854775807"), 1, "too many coins"),
        (("--bonus-days", "30"), 1, "a bonus is valid for 1 to"),
    ] {
        let mut fields: Vec<(&str, &str)> = usual.into_iter().filter(|(name, _)| *name != change.0).collect();
        fields.push(change);
        let mut args = vec!["package:set"];
        // Positional arguments first, in order.
        for name in ["widget", "code"] {
            args.extend(fields.iter().find(|field| field.0 == name).map(|field| field.1));
        }
        args.extend(
            fields.iter().filter(|field| field.0.starts_with('-')).flat_map(|&(name, value)| [name, value]),
        );
        let refused = app.worker(&args).await.refused(code);
        assert!(refused.contains(sentence), "{args:?}: {refused}");
    }
    for args in [&["package:list", "nobody"][..], &["package:retire", "nobody", "start"]] {
        let refused = app.worker(args).await.refused(1);
        assert!(refused.contains("no widget has the code `nobody`"), "{refused}");
    }
    assert_eq!(on_offer(&app).await.len(), 1);
}

/// Plans that cannot be sold are rejected, and each error names the reason.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn plans_that_cannot_be_sold_are_rejected_with_a_reason(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let good = ["--price", "1=49900"];
    let with_good = |more: &[&'static str]| [&good[..], more].concat();
    for (terms, code, sentence) in [
        (with_good(&["--currency", "USD"]), 1, "T-Bank charges roubles"),
        (with_good(&["--price", "1=59900"]), 1, "a length has one price"),
        (with_good(&["--min-seats", "0"]), 1, "seats are 1 to 10000"),
        (with_good(&["--min-seats", "5", "--max-seats", "4"]), 1, "seats are 1 to 10000"),
        (with_good(&["--min-seats=-1"]), 2, "invalid value '-1' for '--min-seats"),
        (with_good(&["--min-seats=1.5"]), 2, "invalid value '1.5' for '--min-seats"),
        (vec!["--price", "2=49900"], 1, "a period has 1, 3, 6 or 12 months"),
        (vec!["--price", "1=0"], 1, "a seat costs 0.01 to 1,000,000 roubles"),
        (vec!["--price", "1=499.00"], 1, "`499.00` is not an amount in kopecks"),
        (vec!["--price", "1=99999999999999999999"], 1, "is not an amount in kopecks"),
        (vec!["--price", "1=99"], 1, "costs 1 rouble to 99,999,999.99 roubles a period"),
    ] {
        let set = [&["plan:set", "flysense", "pro", "--title", "Про"][..], terms.as_slice()].concat();
        let refused = app.worker(&set).await.refused(code);
        assert!(refused.contains(sentence), "{set:?}: {refused}");
    }
    let listed = app.worker(&["plan:list", "flysense", "--all"]).await.told();
    assert_eq!(listed, "`flysense` has no plans on sale.\n");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn before_a_widget_begins_to_sell_an_operator_reads_who_loses_access(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let sell = ["widget:update", "flysense", "--uses-subscriptions", "true", "--trial-days", "14"];
    let asked = app.worker(&sell).await;
    assert_eq!(asked.code, 1, "{asked:?}");
    assert!(asked.out.contains(&format!("account {ACCOUNT} loses access on ")), "{asked:?}");
    assert!(asked.err.contains("--confirm-access-loss"), "{asked:?}");
    assert!(!app.widget().await.uses_subscriptions, "nothing has changed");
    let told = app.worker(&[&sell[..], &["--confirm-access-loss"]].concat()).await.told_beside_log();
    assert!(told.contains("1 trials started"), "{told}");
    assert!(app.widget().await.uses_subscriptions);
    // It sells already, so nobody loses anything by it.
    let told = app.worker(&sell).await.told_beside_log();
    assert!(!told.contains("loses access") && told.contains("0 trials started"), "{told}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_shows_and_refunds_a_purchase(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let (paid, unpaid) = (app.paid().await, app.opened().await);
    let id = paid.to_string();
    let show = ["purchase:show", &id];
    let told = app.worker(&show).await.told();
    assert!(told.starts_with(&format!("{id}  paid\n")) && told.contains("CONFIRMED"), "{told}");
    assert!(told.contains("500.00 roubles, refunded 0.00"), "{told}");

    let part = ["purchase:refund", &id, "--kopecks", "10000"];
    let told = app.worker(&part).await.told();
    assert!(told.contains(": 100.00 roubles for 100.000000 coins and 10.000000 bonus coins."), "{told}");
    let refused = app.worker(&part).await.refused(1);
    assert!(refused.contains("another refund of the purchase is under way"), "{refused}");
    app.run_due_jobs().await;
    assert_eq!(app.balance().await, (COINS + BONUS) * 4 / 5);
    let (_, view) = app.get(&format!("/v1/flycoins/purchases/{id}")).await;
    assert_eq!(view["refunded_kopecks"], 10_000);
    let told = app.worker(&show).await.told();
    assert!(told.contains("refunded 100.00") && told.contains("100.00 roubles, done"), "{told}");

    let (unpaid, stranger) = (unpaid.to_string(), PurchaseId::generate(&app.clock).to_string());
    let nowhere = format!("purchase {stranger} not found");
    for (args, code, sentence) in [
        (&["purchase:refund", &id, "--kopecks", "40001"][..], 1, "at most 400.00 roubles can be refunded"),
        (&["purchase:refund", &id, "--kopecks", "0"], 1, "an amount must be above zero"),
        (&["purchase:refund", &unpaid, "--all"], 1, "the purchase is not paid"),
        (&["purchase:refund", &stranger, "--all"], 1, &nowhere),
        (&["purchase:refund", &id], 2, "<--kopecks <KOPECKS>|--all>"),
        (&["purchase:refund", &id, "--all", "--kopecks", "1"], 2, "cannot be used with"),
        (&["purchase:show", &stranger], 1, &nowhere),
        (&["purchase:refresh", &stranger], 1, &nowhere),
        (&["purchase:show", "17"], 2, "`17` is not a valid id: expected `pur_` and 26 characters"),
    ] {
        let refused = app.worker(args).await.refused(code);
        assert!(refused.contains(sentence), "{args:?}: {refused}");
    }
    assert_eq!(app.balance().await, (COINS + BONUS) * 4 / 5);
}

/// A notification was lost: an operator queries the bank, for one purchase and for a whole day.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_refreshes_purchases_from_the_bank(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    app.bank.state.behave(Behaviour { notification_copies: 0, ..Behaviour::default() });
    let id = app.opened().await;
    app.pay(id, GOOD_CARD);
    let day = app.find(id).await.updated_at.date_naive();
    let compare = async |day: &str| {
        let told = app.worker(&["purchases:reconcile", "--day", day]).await.told();
        assert!(told.contains(&format!("purchases:discrepancies --day {day}")), "{told}");
        app.run_due_jobs().await;
        app.worker(&["purchases:discrepancies", "--day", day]).await.told()
    };
    let told = compare(&day.to_string()).await;
    assert!(told.starts_with("paid_at_the_bank ") && told.contains(&id.to_string()), "{told}");
    let told = app.worker(&["purchase:refresh", &id.to_string()]).await.told();
    assert_eq!(told, format!("The bank will be queried about {id}.\n"));
    app.run_due_jobs().await;
    assert_eq!((app.find(id).await.state, app.balance().await), (PurchaseState::Paid, COINS + BONUS));

    let earlier = (day - Days::new(3)).to_string();
    assert_eq!(compare(&earlier).await, format!("No discrepancies are known for {earlier}.\n"));
    let later = (app.clock.now().date_naive() + Days::new(2)).to_string();
    let refused = app.worker(&["purchases:reconcile", "--day", &later]).await.refused(1);
    assert!(refused.contains(&format!("{later} is in the future")), "{refused}");
    let refused = app.worker(&["purchases:discrepancies", "--day", "yesterday"]).await.refused(2);
    assert!(refused.contains("invalid value 'yesterday' for '--day <YYYY-MM-DD>'"), "{refused}");
}
