//! The dry run of a bulk act tells how much money its jobs move at the bank.

use flysk_jobs::platform::billing::RefundPayment;
use flysk_store::jobs::JobState;
use sqlx::MySqlPool;

use super::bulk;
use super::harness::Panel;
use crate::harness::PRICE;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_dry_run_tells_the_money_of_its_jobs_before_anything_changes(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    // All purchases are paid first: that performs due jobs.
    let paid = [panel.app.paid().await, panel.app.paid().await];
    let billing = panel.sign_in("boris", "billing").await;
    for id in paid {
        let form = [("roubles", ""), ("seen", "0"), ("reason", "Передумал")];
        billing.act(&format!("/purchases/{id}/refund"), &form).await;
    }
    bulk::insert_dead(&panel, 3).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    let preview = async |action: &str, query: &str| {
        let path = format!("/bulk/preview?action={action}&list=/jobs&query={query}");
        signed.page(&path).await.replace('\u{a0}', " ")
    };
    let page = preview("job.cancel", "state%3Dqueued").await;
    assert_eq!(2 * PRICE, 100_000);
    assert!(page.contains("возвраты: 1 000 ₽ (возвратов: 2)") && !page.contains("списания с карт"), "{page}");
    let page = preview("job.replay", "kind%3Dtest.copy").await;
    assert!(page.contains("не двигаются"), "{page}");
    let path = "/bulk/preview?action=event.replay&list=/events&query=";
    assert!(signed.page(path).await.contains("не двигаются"));
    assert_eq!(panel.app.jobs_of::<RefundPayment>(JobState::Queued).await.len(), 2, "nothing has changed");
    // Refused: these jobs wait.
    let refunds = "kind%3Dbilling.refund_payment";
    let page = preview("job.replay", refunds).await;
    assert!(page.contains("не двигаются"), "{page}");
    sqlx::query("UPDATE coin_purchase_refunds SET state = 'done' LIMIT 1")
        .execute(&panel.app.pool)
        .await
        .unwrap();
    let page = preview("job.cancel", refunds).await;
    assert!(page.contains("возвраты: 500 ₽ (возвратов: 1)"), "the other money is returned: {page}");
}
