//! Rows that were changed behind the ledger's back, in new and in proven transactions.

use flysk_domain::id::{TransactionId, WalletId};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};

use crate::fixture::{Ledger, charge};

/// Old, proven charges and new ones of two wallets; the id of one charge of each.
async fn with_charges(ledger: &Ledger) -> ([WalletId; 2], [TransactionId; 2]) {
    let wallets = [ledger.wallet(1_000).await, ledger.wallet(1_000).await];
    let mut charges = Vec::new();
    for _ in 0..2 {
        let posted = ledger.run(wallets[0], charge(30)).await.unwrap();
        ledger.run(wallets[1], charge(40)).await.unwrap();
        charges.push(posted.transaction);
        if charges.len() == 1 {
            ledger.age();
            assert_eq!(ledger.verify_new().await.0, [""; 0]);
        }
    }
    (wallets, [charges[0], charges[1]])
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn changes_of_new_entries_and_of_balances_are_found(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let ledger = Ledger::open(options, connect, 4).await;
    let ([wallet, _], [_, new]) = with_charges(&ledger).await;
    let lot: String = sqlx::query_scalar("SELECT id FROM ledger_lots WHERE wallet_id = ?")
        .bind(wallet.to_string())
        .fetch_one(&ledger.pool)
        .await
        .unwrap();
    let available = |amount: i64| {
        format!("UPDATE wallets SET available_micro = available_micro + {amount} WHERE id = '{wallet}'")
    };
    let line = |amount: i64, line: i64| {
        format!(
            "UPDATE ledger_entries SET amount_micro = amount_micro + {amount} WHERE transaction_id = '{new}' AND line = {line}"
        )
    };
    let insert = format!(
        "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, lot_id, amount_micro)
         VALUES ('{new}', 0, '{wallet}', 'available', '{lot}', -30)"
    );
    let orphan = format!(
        "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, amount_micro)
         VALUES ('ltx_7ZZZZZZZZZZZZZZZZZZZZZZZZZ', 0, '{wallet}', 'sold', 5)"
    );
    let refunded = |amount: i64| {
        format!("UPDATE ledger_charges SET refunded_micro = {amount} WHERE transaction_id = '{new}'")
    };
    let held = |amount: i64| format!("UPDATE wallets SET held_micro = {amount} WHERE id = '{wallet}'");
    let left =
        |amount: i64| format!("UPDATE ledger_lots SET left_micro = left_micro + {amount} WHERE id = '{lot}'");
    let lots: &[&str] = &["transaction sums to zero", "wallet available", "lot left"];
    for (tamper, mend, by_new, by_all) in [
        (line(-1, 0), line(1, 0), lots, lots),
        (
            line(1, 1),
            line(-1, 1),
            &["transaction sums to zero", "charged"],
            &["transaction sums to zero", "charged"],
        ),
        // A lot without new entries is left to the whole verification.
        (
            format!("DELETE FROM ledger_entries WHERE transaction_id = '{new}' AND line = 0"),
            insert,
            &["transaction sums to zero", "wallet available"],
            lots,
        ),
        (
            orphan,
            "DELETE FROM ledger_entries WHERE transaction_id = 'ltx_7ZZZZZZZZZZZZZZZZZZZZZZZZZ'".to_owned(),
            &["entry of its transaction"],
            &["entry of its transaction"],
        ),
        (refunded(3), refunded(0), &["refunded"], &["refunded"]),
        (available(1), available(-1), &["wallet available"], &["wallet available"]),
        (held(2), held(0), &["wallet held", "open holds"], &["wallet held", "open holds"]),
        (left(1), left(-1), &["lot left"], &["lot left"]),
    ] {
        ledger.execute(std::slice::from_ref(&tamper)).await;
        for _ in 0..2 {
            assert_eq!(ledger.verify_new().await.0, by_new, "{tamper}");
        }
        assert_eq!(ledger.verify_all().await, by_all, "{tamper}");
        ledger.execute(&[mend]).await;
        assert_eq!(ledger.verify_new().await.0, [""; 0], "after the repair of {tamper}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn changes_of_proven_entries_are_found_by_the_whole_verification(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let ledger = Ledger::open(options, connect, 4).await;
    let ([wallet, _], [old, _]) = with_charges(&ledger).await;
    let behind = "ltx_00000000000000000000000000";
    let insert = [
        format!(
            "INSERT INTO ledger_transactions (id, wallet_id, kind, created_at) VALUES ('{behind}', '{wallet}', 'charge', NOW(6))"
        ),
        format!(
            "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, lot_id, amount_micro)
             SELECT '{behind}', line, wallet_id, account, lot_id, IF(line = 0, -5, 5) FROM ledger_entries
             WHERE transaction_id = '{old}'"
        ),
    ];
    let remove = [
        format!("DELETE FROM ledger_entries WHERE transaction_id = '{behind}'"),
        format!("DELETE FROM ledger_transactions WHERE id = '{behind}'"),
    ];
    let pay = |amount: i64| {
        [
            format!("UPDATE wallets SET available_micro = available_micro + {amount} WHERE id = '{wallet}'"),
            format!("UPDATE ledger_lots SET left_micro = left_micro + {amount} WHERE wallet_id = '{wallet}'"),
        ]
    };
    let altered = |amount: i64| {
        [format!(
            "UPDATE ledger_entries SET amount_micro = amount_micro + IF(line = 0, {amount}, -({amount}))
             WHERE transaction_id = '{old}'"
        )]
    };
    let none: &[&str] = &[];
    // An inserted charge; the same with the balances that it would have left; an altered charge; the same with its balances.
    for (tamper, mend, by_new, by_all) in [
        (insert.to_vec(), remove.to_vec(), none, &["wallet available", "lot left", "proven range"][..]),
        (
            [insert.to_vec(), pay(-5).to_vec()].concat(),
            [remove.to_vec(), pay(5).to_vec()].concat(),
            &["wallet available"],
            &["proven range"],
        ),
        (
            altered(1).to_vec(),
            altered(-1).to_vec(),
            none,
            &["wallet available", "lot left", "charged", "proven range"],
        ),
        (
            [altered(1).to_vec(), pay(1).to_vec()].concat(),
            [altered(-1).to_vec(), pay(-1).to_vec()].concat(),
            &["wallet available"],
            &["charged", "proven range"],
        ),
    ] {
        ledger.execute(&tamper).await;
        let found = ledger.verify_new().await.0;
        let of_balances: Vec<_> = found.into_iter().filter(|rule| *rule != "lot left").collect();
        assert_eq!(of_balances, by_new, "{tamper:?}");
        assert_eq!(ledger.verify_all().await, by_all, "{tamper:?}");
        ledger.execute(&mend).await;
        assert_eq!(ledger.verify_new().await.0, none, "after the repair of {tamper:?}");
        assert_eq!(ledger.verify_all().await, none, "after the repair of {tamper:?}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wrong_range_is_reported_until_it_is_right(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let ledger = Ledger::open(options, connect, 4).await;
    let (_, [_, new]) = with_charges(&ledger).await;
    let proofs = ledger.count("SELECT COUNT(*) FROM ledger_proofs").await;
    let change = |amount: i64| {
        [format!(
            "UPDATE ledger_entries SET amount_micro = amount_micro + {amount} WHERE transaction_id = '{new}' AND line = 1"
        )]
    };
    ledger.execute(&change(1)).await;
    ledger.age();
    for _ in 0..2 {
        assert_eq!(ledger.verify_new().await.0, ["transaction sums to zero", "charged"]);
        assert_eq!(ledger.count("SELECT COUNT(*) FROM ledger_proofs").await, proofs, "it is not proven");
    }
    ledger.execute(&change(-1)).await;
    assert_eq!(ledger.verify_new().await.0, [""; 0]);
    assert_eq!(ledger.count("SELECT COUNT(*) FROM ledger_proofs").await, proofs + 1);
}
