//! Payments of invoices: the list, the page of one, query to the bank, the end of a review; figures of subscriptions.

use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_jobs::platform::subscriptions::QueryInvoicePayment;
use flysk_jobs::platform::upkeep::RollUpFigures;
use flysk_store::jobs::JobState;
use flysk_store::platform::invoice_payments;
use sqlx::MySqlPool;

use super::bought::{attempt, opened, ordered, paid};
use super::harness::Panel;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_in_review_is_asked_about_and_resolved(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let invoice = ordered(&panel, &signed, "1").await;
    let id = opened(&panel, invoice).await;
    let (path, reason) = (format!("/payments/{id}"), [("reason", "Сверено с банком")]);
    signed.refused(&format!("{path}/resolve"), &reason, 409).await;
    let dispute = "UPDATE invoice_payments SET state = 'review', discrepancy = 'other_amount' WHERE id = ?";
    sqlx::query(dispute).bind(id.to_string()).execute(&panel.app.pool).await.unwrap();
    assert!(signed.page("/payments?state=review").await.contains(&path));
    assert!(!signed.page("/payments?state=paid").await.contains(&path));
    assert!(signed.page("/").await.contains(&path), "the start page shows it to operators");
    assert!(signed.page(&path).await.contains("оплачена другая сумма"));
    let support = panel.sign_in("sonya", "support").await;
    support.refused(&format!("{path}/resolve"), &reason, 403).await;
    let before = panel.app.jobs_of::<QueryInvoicePayment>(JobState::Queued).await.len();
    support.act(&format!("{path}/refresh"), &[("reason", "Клиент ждёт")]).await;
    assert_eq!(panel.app.jobs_of::<QueryInvoicePayment>(JobState::Queued).await.len(), before + 1);
    panel.record_of("payment.refresh").await;
    signed.act(&format!("{path}/resolve"), &reason).await;
    let ended = attempt(&panel, id).await;
    assert_eq!((ended.state, ended.error_code.as_deref()), (AttemptState::Failed, Some("closed")));
    assert!(ended.discrepancy.is_none());
    let open = invoice_payments::find_open_attempt(&mut *panel.app.conn().await, invoice).await.unwrap();
    assert!(open.is_none(), "another attempt may begin");
    signed.refused(&format!("{path}/resolve"), &reason, 409).await;
    let row = panel.record_of("payment.resolve_review").await;
    assert_eq!(row.subject_id, id.to_string());
    assert!(row.state_before.unwrap().contains("other_amount"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_is_found_by_the_banks_number_and_shows_what_the_bank_told(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let (invoice, id) = paid(&panel, &signed, "1").await;
    let path = format!("/payments/{id}");
    let number = attempt(&panel, id).await.payment_id.unwrap();
    for list in [
        format!("/payments?payment={number}"),
        format!("/payments?invoice={invoice}&state=paid"),
        format!("/payments?install={}", panel.app.install().await.id),
        format!("/notifications?order={id}"),
    ] {
        assert!(signed.page(&list).await.contains(&path), "{list}");
    }
    let found = panel.get_as(&signed.cookie, &format!("/search?q={number}")).await;
    assert_eq!(found.headers()["location"], path.as_str());
    let page = signed.page(&path).await;
    assert!(page.contains("AUTHORIZED") && page.contains("CONFIRMED"), "{page}");
    signed.refused(&format!("{path}/resolve"), &[("reason", "Незачем")], 409).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn figures_of_subscriptions_are_on_the_start_page_with_links_to_their_lists(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    paid(&panel, &signed, "1").await;
    panel.app.enqueue(&RollUpFigures {}).await;
    panel.app.run_due_jobs().await;
    let page = signed.page("/").await.replace('\u{a0}', " ");
    for (href, label, value) in [
        ("/invoices?state=paid", "Продажи подписок", "1 497 ₽"),
        ("/invoices?state=paid&#38;kind=start", "Первые оплаты подписок", "1"),
        ("/subscriptions?state=active", "Активные подписки", "1"),
        ("/subscriptions?state=trialing", "Идут пробные периоды", "0"),
        ("/payments?state=review", "Платежи на проверке", "0"),
    ] {
        let tile =
            format!("<a class=\"label\" href=\"{href}\">{label}</a>\n<div class=\"value\">{value}</div>");
        assert!(page.contains(&tile), "{tile}: {page}");
    }
    assert!(page.contains("Старейшее задание ждёт") && page.contains("Бэкенды не отвечают"), "{page}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_that_the_bank_never_decided_is_ended_on_the_page_of_its_invoice(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let invoice = ordered(&panel, &signed, "1").await;
    let id = opened(&panel, invoice).await;
    let (page, reason) = (format!("/invoices/{invoice}"), [("reason", "В кабинете банка денег нет")]);
    let clear = format!("{page}/clear-lock");
    assert!(!signed.page(&page).await.contains("Снять блокировку платежа"));
    assert!(signed.refused(&clear, &reason, 409).await.contains("Банк ещё может решить"));
    let long_ago = "UPDATE invoice_payments SET created_at = created_at - INTERVAL 4 HOUR WHERE id = ?";
    sqlx::query(long_ago).bind(id.to_string()).execute(&panel.app.pool).await.unwrap();
    assert!(signed.page(&page).await.contains("Снять блокировку платежа"));
    panel.sign_in("sonya", "support").await.refused(&clear, &reason, 403).await;
    assert_eq!(signed.act(&clear, &reason).await, page);
    let ended = attempt(&panel, id).await;
    assert_eq!((ended.state, ended.error_code.as_deref()), (AttemptState::Failed, Some("cleared")));
    assert!(signed.refused(&clear, &reason, 409).await.contains("нет незавершённого платежа"));
    let row = panel.record_of("invoice.clear_lock").await;
    assert_eq!((row.subject_id, row.reason.as_str()), (invoice.to_string(), "В кабинете банка денег нет"));
    assert!(row.state_after.unwrap().contains(&id.to_string()));
    let open = invoice_payments::find_open_attempt(&mut *panel.app.conn().await, invoice).await.unwrap();
    assert!(open.is_none(), "another attempt may begin");
}
