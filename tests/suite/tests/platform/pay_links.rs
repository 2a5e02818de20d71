//! The page where an invoice is paid, in the events that ask for a payment.

use flysk_domain::Clock as _;
use flysk_domain::id::{InvoiceId, SubscriptionId};
use flysk_domain::platform::events::{EventKind, SubscriptionChanged};
use flysk_services::events::{NewEvent, emit};
use flysk_services::mail::invoice_pay_link;
use flysk_simulators::{Act, Script};
use flysk_store::platform::widgets::{self, Changes};
use reqwest::Method;
use serde_json::Value;
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};

/// The next period is not paid.
fn unpaid(app: &TestApp, invoice: InvoiceId) -> SubscriptionChanged {
    SubscriptionChanged {
        subscription_id: SubscriptionId::generate(&app.clock),
        state: "past_due",
        access_level: "grace",
        access_reason: "payment_overdue",
        access_until: None,
        plan_id: None,
        seats: Some(3),
        months: Some(1),
        period_from: None,
        period_until: None,
        cancels: false,
        invoice_id: Some(invoice),
        days_before: None,
        charges_on: None,
    }
}

/// Events that ask for a payment, whose answers repeat the link, and another one about the same invoice.
async fn told_of_a_debt(pool: MySqlPool) -> (TestApp, String) {
    let app = TestApp::installed(pool).await;
    let changes = Changes { event_kinds: Some(Some(EventKind::ALL.to_vec())), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    let invoice = InvoiceId::generate(&app.clock);
    let worker = app.executor.app();
    let url = invoice_pay_link(&worker.config().http.public_url, &worker.keyring, invoice).to_string();
    let answer = Act::Answer { status: 200, headers: Vec::new(), body: format!("thanks for {url}") };
    app.vendor.control.script(Script::next("/events", answer).times(2));
    let data = unpaid(&app, invoice);
    let kinds = [
        EventKind::SubscriptionPaymentFailed,
        EventKind::SubscriptionPastDue,
        EventKind::SubscriptionRenewed,
    ];
    let events = kinds.map(|kind| NewEvent::new(kind, &data).unwrap());
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    emit(&mut unit, &app.clock, app.install_id().await, &events, app.clock.now()).await.unwrap();
    unit.commit().await.unwrap();
    app.run_due_jobs().await;
    (app, url)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_backend_gets_the_page_where_an_unpaid_invoice_is_paid(pool: MySqlPool) {
    let (app, url) = told_of_a_debt(pool).await;
    let calls = app.vendor.control.calls_to("POST", "/events");
    let sent: Vec<Value> = calls.iter().map(|call| serde_json::from_str(&call.body).unwrap()).collect();
    for (kind, is_told) in [
        ("subscription.payment_failed", true),
        ("subscription.past_due", true),
        ("subscription.renewed", false),
    ] {
        let delivered = sent.iter().find(|event| event["type"] == kind).unwrap();
        let expected = if is_told { Value::from(url.as_str()) } else { Value::Null };
        assert_eq!(delivered["data"]["pay_url"], expected, "{delivered}");
        let path = format!("/v1/backend/events?type={kind}");
        let (_, listed) = app.backend(Method::GET, &path, None).await;
        assert_eq!(listed["items"][0]["data"], delivered["data"], "as delivered: {listed}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_permission_to_pay_is_in_no_log_of_events(pool: MySqlPool) {
    let (app, url) = told_of_a_debt(pool).await;
    let signature = url.rsplit('/').next().unwrap();
    for query in [
        "SELECT COUNT(*) FROM lifecycle_events WHERE INSTR(data, ?) > 0",
        "SELECT COUNT(*) FROM lifecycle_attempts WHERE INSTR(answer_head, ?) > 0",
    ] {
        let found: i64 = sqlx::query_scalar(query).bind(signature).fetch_one(&app.pool).await.unwrap();
        assert_eq!(found, 0, "{query}");
    }
    let heads: Vec<String> = sqlx::query_scalar(
        "SELECT answer_head FROM lifecycle_attempts WHERE answer_head LIKE 'thanks for %'",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(heads, vec![format!("thanks for {}", url.replace(signature, "…")); 2]);
}
