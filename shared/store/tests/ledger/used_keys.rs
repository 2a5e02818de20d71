//! Keys that were used before, in groups that take keys for new until they are stored.

use std::sync::Arc;

use flysk_domain::id::WalletId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::LedgerRefusal;
use flysk_store::platform::ledger::{CommandOutcome, LedgerCommand, WalletBatcher};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::ledger_fixture::{LedgerFixture, charge, key};
use crate::wallet_lanes::{filled, posted, submit_all};

fn batcher(fixture: &LedgerFixture) -> WalletBatcher {
    WalletBatcher::new(fixture.pool.clone(), Arc::new(fixture.clock.clone()))
}

fn keyed(fixture: &LedgerFixture, wallet: WalletId, amount: i64, text: &str) -> (WalletId, LedgerCommand) {
    (wallet, fixture.instruction(charge(amount)).keyed(key(text, &amount.to_string())))
}

/// Number of stored keys and of charges.
async fn count_stored(fixture: &LedgerFixture) -> (i64, i64) {
    sqlx::query_as("SELECT (SELECT COUNT(*) FROM idempotency_keys), (SELECT COUNT(*) FROM ledger_charges)")
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

/// The coins are gone, so that the repeated command would be refused.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_repeated_command_gets_its_result_though_it_would_be_refused(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallet = filled(&fixture, 1, 10).await[0];
    let batcher = batcher(&fixture);
    let (_, command) = keyed(&fixture, wallet, 10, "all");
    let first = posted(&batcher.submit(wallet, command).await);
    let commands = vec![
        keyed(&fixture, wallet, 10, "all"),
        keyed(&fixture, wallet, 9, "all"),
        keyed(&fixture, wallet, 1, "more"),
        (wallet, fixture.instruction(charge(1))),
    ];
    let outcomes: Vec<CommandOutcome> =
        submit_all(&batcher, commands).await.into_iter().map(Result::unwrap).collect();
    let refused = CommandOutcome::Refused(LedgerRefusal::Insufficient);
    assert_eq!(
        outcomes,
        [CommandOutcome::Replayed(first), CommandOutcome::KeyReused, refused.clone(), refused]
    );
    assert_eq!(count_stored(&fixture).await, (1, 1));
    assert_eq!(fixture.discrepancies().await, []);
}

/// One used key rolls a group back. It is repeated: the others of the group are executed once, and so are those of the next groups.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_used_key_keeps_no_other_command_of_its_group_from_its_effect(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let fixture = LedgerFixture::open(options, connect).await;
    let wallets = filled(&fixture, 10, 100).await;
    let first = posted(&batcher(&fixture).submit(wallets[3], keyed(&fixture, wallets[3], 5, "k-3").1).await);
    // One that has seen no used key yet.
    let batcher = batcher(&fixture);
    for round in 0..3 {
        let command = |(number, wallet): (usize, &WalletId)| {
            let round = if number == 3 { String::new() } else { format!("-{round}") };
            keyed(&fixture, *wallet, 5, &format!("k-{number}{round}"))
        };
        let outcomes = submit_all(&batcher, wallets.iter().enumerate().map(command).collect()).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            if number == 3 {
                assert!(
                    matches!(outcome, Ok(CommandOutcome::Replayed(answer)) if *answer == first),
                    "{outcome:?}"
                );
            } else {
                assert_eq!(posted(outcome).available, MicroCoins(95 - 5 * round), "{number}");
            }
        }
    }
    assert_eq!(count_stored(&fixture).await, (28, 28));
    assert_eq!(fixture.discrepancies().await, []);
}
