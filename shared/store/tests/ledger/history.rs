//! Pages of history, statistics, prices.

use chrono::Duration;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use flysk_domain::platform::ledger::statistics::DaySpent;
use flysk_domain::platform::ledger::{Command, Service, TransactionKind};
use flysk_store::platform::ledger::{self, Cursor, HistoryFilter, LedgerCommand};
use serde_json::json;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::ledger_fixture::{LedgerFixture, charge};

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_follow_each_other_without_gaps(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    fixture.done(wallet, fixture.credit(100, None)).await;
    for amount in 1..=7 {
        // Pairs with the same time are distinguished by their ids.
        fixture.clock.advance(Duration::seconds(amount % 2));
        let instruction = LedgerCommand {
            reference: Some(format!("звонок {amount}")),
            details: Some(json!({"quantity": amount})),
            ..fixture.instruction(charge(amount))
        };
        fixture.apply(wallet, &[instruction]).await.unwrap();
    }
    let mut conn = fixture.pool.acquire().await.unwrap();
    let mut seen = Vec::new();
    for (kinds, expected) in [
        (vec![], &[-7_i64, -6, -5, -4, -3, -2, -1, 100][..]),
        (vec![TransactionKind::Charge], &[-7, -6, -5, -4, -3, -2, -1]),
    ] {
        let filter = HistoryFilter { kinds, ..HistoryFilter::default() };
        let mut cursor = None;
        seen.clear();
        loop {
            let page =
                ledger::list_transactions(&mut conn, ledger::HistoryOf::Wallet(wallet), &filter, cursor, 3)
                    .await
                    .unwrap();
            let Some(last) = page.last() else { break };
            cursor = Some(Cursor { at: last.at, id: last.id });
            seen.extend(page);
        }
        let mut amounts: Vec<i64> = seen.iter().map(|row| row.available.0).collect();
        assert!(seen.windows(2).all(|pair| (pair[0].at, pair[0].id) > (pair[1].at, pair[1].id)));
        amounts.sort_unstable();
        assert_eq!(amounts, expected);
    }
    let one = ledger::find_transaction(&mut conn, seen[0].id).await.unwrap().unwrap();
    assert_eq!(one, seen[0]);
    assert!(one.reference.unwrap().starts_with("звонок") && one.details.unwrap()["quantity"].is_i64());
    let late = HistoryFilter { from: Some(fixture.now() + Duration::seconds(1)), ..HistoryFilter::default() };
    assert_eq!(
        ledger::list_transactions(&mut conn, ledger::HistoryOf::Wallet(wallet), &late, None, 3)
            .await
            .unwrap(),
        []
    );
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn statistics_group_entries_by_the_customers_day(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = fixture.wallet().await;
    // 22:30 UTC on 31 October is already November in Moscow.
    fixture.clock.set("2026-10-31T22:30:00Z".parse().unwrap());
    let began = fixture.now();
    fixture.done(wallet, fixture.credit(100, None)).await;
    let paid = fixture.done(wallet, charge(30)).await;
    fixture.clock.advance(Duration::hours(3));
    fixture.done(wallet, charge(7)).await;
    fixture.done(wallet, Command::Refund { charge: paid.transaction, amount: Some(MicroCoins(10)) }).await;
    let mut conn = fixture.pool.acquire().await.unwrap();
    let until = fixture.now() + Duration::seconds(1);
    let mut days = async |offset| {
        let spent = ledger::list_spent_by_day(&mut conn, wallet, (began, until), offset).await.unwrap();
        let told = |one: DaySpent| {
            (one.day.to_string(), one.totals.paid.0, one.totals.returned.0, one.totals.charges)
        };
        spent.into_iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(days(180).await, [("2026-11-01".to_owned(), 37, 10, 2)]);
    assert_eq!(days(0).await, [("2026-10-31".to_owned(), 30, 0, 1), ("2026-11-01".to_owned(), 7, 10, 1)]);
    let later = (until, until + Duration::days(1));
    assert_eq!(ledger::list_spent_by_day(&mut conn, wallet, later, 0).await.unwrap(), []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_new_price_is_a_new_version_from_its_moment_on(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let mut conn = fixture.pool.acquire().await.unwrap();
    let minute = |rate| Tariff::PerMinute { rate: MicroCoins(rate), at_least_s: 15 };
    let service: Service = "acme.listening".parse().unwrap();
    let first = PriceRule { service: service.clone(), version: 1, tariff: minute(2_500_000) };
    let second = PriceRule { version: 2, tariff: minute(3_000_000), ..first.clone() };
    let piece = Tariff::PerPiece { rate: MicroCoins(1) };
    let other = PriceRule { service: "acme.summary".parse().unwrap(), version: 1, tariff: piece };
    let both = [service, other.service.clone()];
    let (now, tomorrow) = (fixture.now(), fixture.now() + Duration::days(1));
    ledger::insert_price_rule(&mut conn, &first, now, now).await.unwrap();
    ledger::insert_price_rule(&mut conn, &second, tomorrow, now).await.unwrap();
    ledger::insert_price_rule(&mut conn, &other, now, now).await.unwrap();
    assert!(ledger::insert_price_rule(&mut conn, &second, now, now).await.is_err());
    let mut at = async |moment| ledger::list_prices_of(&mut conn, &both, moment).await.unwrap();
    assert_eq!(at(now).await, [first, other.clone()]);
    assert_eq!(at(tomorrow).await, [second, other]);
    assert_eq!(at(now - Duration::days(1)).await, []);
}

/// The migrations' default prices equal the domain's, so that no customer is charged another price than the one shown.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_schema_contains_flysenses_default_prices(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let mut conn = fixture.pool.acquire().await.unwrap();
    let defaults = [PriceRule::recognition().unwrap(), PriceRule::summary().unwrap()];
    let services = defaults.clone().map(|rule| rule.service);
    assert_eq!(ledger::list_prices_of(&mut conn, &services, fixture.now()).await.unwrap(), defaults);
}
