//! Events about wallets: low balances and expired holds.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::platform::events::EventKind;
use flysk_jobs::platform::flycoins::{ExpireHolds, PublishWalletEvents};
use flysk_queue::Job;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::ACCOUNT;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::charging::{BONUS, WalletClient};
use super::harness::{as_conn, trace};

/// Threshold of the low balance: 90 Flycoins.
const LOW: i64 = 90_000_000;

/// A client whose widget wants all events and has a threshold.
async fn client(pool: MySqlPool) -> WalletClient {
    let client = WalletClient::open(pool).await;
    let billing = json!({ "flycoins": {
        "welcome_bonus": { "amount_micro": BONUS, "lives_days": 30 }, "low_balance_micro": LOW,
    } });
    let changes = Changes {
        billing: Some(Some(billing)),
        event_kinds: Some(Some(EventKind::ALL.to_vec())),
        ..Changes::default()
    };
    let (widget, now) = (client.app.widget().await, client.app.clock.now());
    widgets::update(as_conn(&mut client.app.conn().await), widget.id, &changes, now).await.unwrap();
    client
}

async fn perform<J: Job>(client: &WalletClient, job: &J) {
    let mut unit = client.app.executor.outbox().begin(trace()).await.unwrap();
    unit.enqueue(job).await.unwrap();
    unit.commit().await.unwrap();
    client.app.run_due_jobs().await;
}

/// Data of the delivered events of a type.
fn told(client: &WalletClient, kind: &str) -> Vec<Value> {
    let events = client.app.vendor.state.received().into_iter().filter(|event| event.body["type"] == kind);
    events.map(|event| event.body["data"].clone()).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_balance_that_falls_below_the_threshold_is_told_once(pool: MySqlPool) {
    let client = client(pool).await;
    for _ in 0..3 {
        // 5 Flycoins each: the third charge crosses the threshold.
        assert_eq!(client.charge(120).await.status, StatusCode::CREATED);
    }
    client.charge(60).await;
    perform(&client, &PublishWalletEvents {}).await;
    let low = json!({ "available_micro": BONUS - 15_000_000, "threshold_micro": LOW });
    assert_eq!(told(&client, "flycoins.balance_low"), [low]);
    // After a top-up, the next fall is told again.
    client.credit(20_000_000, None).await;
    client.charge(600).await;
    perform(&client, &PublishWalletEvents {}).await;
    assert_eq!(told(&client, "flycoins.balance_low").len(), 2);
    client.close().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_expired_hold_is_told_and_a_released_one_is_not(pool: MySqlPool) {
    let client = client(pool).await;
    let hold = json!({ "account_id": ACCOUNT, "expires_in_s": 60,
        "lines": [{ "service": "flysense.recognition", "quantity": 24 }] });
    let expiring = client.write("/holds", hold.clone()).await;
    assert_eq!(expiring.status, StatusCode::CREATED, "{}", expiring.body);
    let released = client.write("/holds", hold).await.text("hold_id");
    client.write(&format!("/holds/{released}/release"), json!({})).await;
    client.app.advance(TimeDelta::minutes(2));
    perform(&client, &ExpireHolds {}).await;
    for _ in 0..2 {
        perform(&client, &PublishWalletEvents {}).await;
    }
    let expected = json!({ "hold_id": expiring.text("hold_id"), "amount_micro": 1_000_000 });
    assert_eq!(told(&client, "flycoins.hold_expired"), [expected]);
    let pending: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pending_wallet_events")
        .fetch_one(&client.app.pool)
        .await
        .unwrap();
    assert_eq!(pending, 0);
    client.close().await;
}
