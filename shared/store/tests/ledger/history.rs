//! Pages, statistics, prices.

use chrono::{Duration, FixedOffset};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use flysk_domain::platform::ledger::statistics::{Period, group};
use flysk_domain::platform::ledger::{Command, TransactionKind};
use flysk_store::ledger::{self, Cursor, HistoryFilter, Instruction};
use serde_json::json;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::bank::{Bank, charge};

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn pages_follow_each_other_without_gaps(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    bank.done(wallet, bank.credit(100, None)).await;
    for amount in 1..=7 {
        // Pairs of one moment are told apart by their ids.
        bank.clock.advance(Duration::seconds(amount % 2));
        let instruction = Instruction {
            reference: Some(format!("звонок {amount}")),
            details: Some(json!({"quantity": amount})),
            ..bank.instruction(charge(amount))
        };
        bank.apply(wallet, &[instruction]).await.unwrap();
    }
    let mut conn = bank.pool.acquire().await.unwrap();
    let filter = HistoryFilter { kinds: vec![TransactionKind::Charge], ..HistoryFilter::default() };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = ledger::list_transactions(&mut conn, wallet, &filter, cursor, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        cursor = Some(Cursor { at: last.at, id: last.id });
        seen.extend(page);
    }
    let mut amounts: Vec<i64> = seen.iter().map(|row| row.available.0).collect();
    assert!(seen.windows(2).all(|pair| pair[0].at >= pair[1].at));
    amounts.sort_unstable();
    assert_eq!(amounts, [-7, -6, -5, -4, -3, -2, -1]);
    let one = ledger::find_transaction(&mut conn, seen[0].id).await.unwrap().unwrap();
    assert_eq!(one, seen[0]);
    assert!(one.reference.unwrap().starts_with("звонок") && one.details.unwrap()["quantity"].is_i64());
    let late = HistoryFilter { from: Some(bank.now() + Duration::seconds(1)), ..HistoryFilter::default() };
    assert_eq!(ledger::list_transactions(&mut conn, wallet, &late, None, 3).await.unwrap(), []);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn statistics_come_from_the_entries(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let bank = Bank::open(options, connect).await;
    let wallet = bank.wallet().await;
    let began = bank.now();
    bank.done(wallet, bank.credit(100, None)).await;
    let paid = bank.done(wallet, charge(30)).await;
    bank.done(wallet, Command::Refund { charge: paid.transaction, amount: MicroCoins(10) }).await;
    let mut conn = bank.pool.acquire().await.unwrap();
    let until = bank.now() + Duration::seconds(1);
    let spendings = ledger::list_spendings(&mut conn, wallet, began, until).await.unwrap();
    let groups = group(spendings, Period::Month, FixedOffset::east_opt(3 * 3600).unwrap()).unwrap();
    let totals = groups.values().next().unwrap();
    assert_eq!((totals.paid, totals.returned, totals.charges), (MicroCoins(30), MicroCoins(10), 1));
    assert_eq!(
        ledger::list_spendings(&mut conn, wallet, until, until + Duration::days(1)).await.unwrap(),
        []
    );
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_new_price_is_a_new_version_from_its_moment_on(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let bank = Bank::open(options, connect).await;
    let mut conn = bank.pool.acquire().await.unwrap();
    let first = PriceRule::recognition().unwrap();
    let tariff = Tariff::PerMinute { rate: MicroCoins(3_000_000), at_least_s: 15 };
    let second = PriceRule { version: 2, tariff, ..first.clone() };
    let summary = PriceRule::summary().unwrap();
    let (now, tomorrow) = (bank.now(), bank.now() + Duration::days(1));
    ledger::insert_price_rule(&mut conn, &first, now, now).await.unwrap();
    ledger::insert_price_rule(&mut conn, &second, tomorrow, now).await.unwrap();
    ledger::insert_price_rule(&mut conn, &summary, now, now).await.unwrap();
    assert!(ledger::insert_price_rule(&mut conn, &second, now, now).await.is_err());
    assert_eq!(ledger::list_price_rules_in_force(&mut conn, now).await.unwrap(), [first, summary.clone()]);
    assert_eq!(ledger::list_price_rules_in_force(&mut conn, tomorrow).await.unwrap(), [second, summary]);
    assert_eq!(ledger::list_price_rules_in_force(&mut conn, now - Duration::days(1)).await.unwrap(), []);
}
