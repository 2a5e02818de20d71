//! Renewals of a crowd whose jobs begin in batches.

use chrono::{DateTime, FixedOffset, TimeDelta};
use flysk_sandbox::Pace;
use sqlx::MySqlPool;

use super::crowd::Crowd;

/// Charges of one hour are due together.
const BATCHES: Pace = Pace { step: TimeDelta::hours(1), jobs_at_once: 8, batches: true };
const SUBSCRIPTIONS: usize = 6;

/// The bank tells of each charge twice before it answers. No job applies that before the answer does.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn in_batches_answers_to_charges_end_their_notifications(pool: MySqlPool) {
    let mut crowd = Crowd::open(pool, SUBSCRIPTIONS).await;
    let boundary = crowd.boundary().await;
    let afternoon: DateTime<FixedOffset> = format!("{boundary}T14:00:00+03:00").parse().unwrap();
    let sandbox = &crowd.first.sandbox;
    let events = sandbox.advance_at(afternoon.to_utc(), BATCHES).await.unwrap();
    let charges = events.iter().filter(|event| event.what.is_call("/v2/Charge")).count();
    assert_eq!(charges, SUBSCRIPTIONS);
    let applied = events.iter().filter(|event| event.what.is_job("billing.apply_tbank_notification")).count();
    assert_eq!(applied, 0, "{events:#?}");
    let told: Vec<(String, String)> = sqlx::query_as(
        "SELECT n.state, j.state FROM tbank_notifications n JOIN jobs j ON j.dedup_key = n.id
             JOIN invoice_payments p ON p.id = n.order_id AND p.kind = 'charge'",
    )
    .fetch_all(&sandbox.pool)
    .await
    .unwrap();
    let ended = ("applied".to_owned(), "cancelled".to_owned());
    assert_eq!(told, vec![ended; 2 * SUBSCRIPTIONS], "AUTHORIZED and CONFIRMED of each");
    crowd.assert_sound(boundary).await;
}
