//! Renewals while more requests are due than the terminal admits.

use sqlx::MySqlPool;

use super::crowd::Crowd;
use super::harness::TestSubscriber;

/// Requests per second that the terminal admits.
const REQUESTS_PER_SECOND: u32 = 4;
/// Each renewal takes two requests.
const SUBSCRIPTIONS: usize = 8;
/// All cards are charged by then, in minutes after midnight.
const AFTERNOON: u32 = 15 * 60;

/// The order's number in a request.
fn order_of(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["OrderId"].as_str().expect("an order").to_owned()
}

/// A run that began with a question again would use up the limit, so that no charge is ever sent.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_charge_that_waits_for_the_limit_goes_on_where_it_was(pool: MySqlPool) {
    let first = TestSubscriber::open_limited(pool, REQUESTS_PER_SECOND).await;
    let mut crowd = Crowd::of(first, SUBSCRIPTIONS).await;
    let (boundary, since) = (crowd.boundary().await, crowd.first.sandbox.bank.control.next_seq());
    crowd.advance_to(boundary, AFTERNOON).await;
    let calls = crowd.first.sandbox.bank.control.calls_since(since);
    let orders_of = |path: &str| -> Vec<String> {
        let bodies = calls.iter().filter(|call| call.path == path).map(|call| call.body.as_str());
        bodies.map(order_of).collect()
    };
    // The reconciliation asks about the forms of the first period.
    let opened = orders_of("/v2/Init");
    let asked = orders_of("/v2/CheckOrder").into_iter().filter(|order| opened.contains(order)).count();
    let charged = calls.iter().filter(|call| call.path == "/v2/Charge").count();
    assert_eq!((opened.len(), charged, asked), (SUBSCRIPTIONS, SUBSCRIPTIONS, 0));
    crowd.assert_sound(boundary).await;
}
