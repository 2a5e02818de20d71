//! Invoices: the page of one, refunds, marking as paid, voiding; closing receipts and cards.

use flysk_crypto::aad;
use flysk_domain::id::{CardId, InvoicePaymentId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{InvoiceState, SubscriptionState};
use flysk_store::platform::invoice_payments::{self, InvoiceRefund, NewCard, ReceiptState, RefundState};
use flysk_store::platform::subscriptions;
use sqlx::MySqlPool;

use super::bought::{attempt, invoice, opened, ordered, paid, path};
use super::harness::Panel;
use super::subscriptions::subscription;
use crate::harness::TestApp;
use crate::test_env::TERMINAL;

/// Price of three seats for a month, and for a year.
const MONTH: Kopecks = Kopecks(149_700);
const YEAR: Kopecks = Kopecks(1_497_150);

async fn refunds(app: &TestApp, id: flysk_domain::id::InvoiceId) -> Vec<InvoiceRefund> {
    invoice_payments::list_refunds_of_invoice(&mut *app.conn().await, id).await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_paid_invoice_tells_everything_and_is_refunded_once_per_form(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let (id, attempt_id) = paid(&panel, &signed, "1").await;
    let page = signed.page(&format!("/invoices/{id}")).await.replace('\u{a0}', " ");
    let order = attempt_id.to_string();
    for part in [order.as_str(), "CONFIRMED", "Можно вернуть до 1 497 ₽", "ждёт конца периода", "default"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let refund = format!("/invoices/{id}/refund");
    let form = |roubles: &'static str| [("roubles", roubles), ("seen", "0"), ("reason", "Не подошло")];
    for (roubles, told) in [("5000", "осталось"), ("0", "больше нуля"), ("много", "рубли с копейками")]
    {
        assert!(signed.refused(&refund, &form(roubles), 422).await.contains(told), "{roubles}");
    }
    let support = panel.sign_in("sonya", "support").await;
    support.refused(&refund, &form("500"), 403).await;
    assert!(refunds(&panel.app, id).await.is_empty());
    signed.act(&refund, &form("500")).await;
    signed.refused(&refund, &form("500"), 409).await;
    let stored = refunds(&panel.app, id).await;
    assert_eq!((stored.len(), stored[0].amount, stored[0].payment_row_id), (1, Kopecks(50_000), attempt_id));
    assert_eq!(stored[0].requested_by, "operator:anna");
    let row = panel.record_of("invoice.refund").await;
    assert_eq!((row.subject_id.as_str(), row.reason.as_str()), (id.to_string().as_str(), "Не подошло"));
    panel.app.run_due_jobs().await;
    assert_eq!(refunds(&panel.app, id).await[0].state, RefundState::Done);
    assert_eq!(invoice(&panel, id).await.refunded, Kopecks(50_000));
    assert!(signed.page(&format!("/invoices/{id}")).await.contains("Не подошло"));
    // The rest in one go.
    signed.act(&refund, &[("roubles", ""), ("seen", "50000"), ("reason", "Остаток")]).await;
    assert_eq!(invoice(&panel, id).await.refunded, MONTH);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_large_refund_of_an_invoice_waits_for_a_second_operator(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let (id, _) = paid(&panel, &anna, "12").await;
    let refund = format!("/invoices/{id}/refund");
    let form = [("roubles", ""), ("seen", "0"), ("reason", "Ошибка в договоре")];
    assert_eq!(anna.act(&refund, &form).await, format!("/invoices/{id}"));
    assert!(refunds(&panel.app, id).await.is_empty());
    let page = boris.page("/approvals").await;
    assert!(page.contains("возврат по счёту") && page.contains(&format!("/invoices/{id}")), "{page}");
    let approve = page.split("action=\"/approvals/").nth(1).unwrap().split('"').next().unwrap();
    let approve = format!("/approvals/{approve}");
    anna.refused(&approve, &[("reason", "Сама себе")], 422).await;
    boris.act(&approve, &[("reason", "Согласовано")]).await;
    let stored = refunds(&panel.app, id).await;
    assert_eq!((stored.len(), stored[0].amount), (1, YEAR));
    assert_eq!(stored[0].requested_by, "operator:anna");
    assert_eq!(panel.record_of("invoice.refund").await.operator_login, "boris");
    boris.refused(&approve, &[("reason", "Ещё раз")], 409).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_invoice_paid_by_a_transfer_is_marked_and_not_refunded_through_the_bank(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let id = ordered(&panel, &signed, "1").await;
    let refund = [("roubles", "500"), ("seen", "0"), ("reason", "Рано")];
    assert!(signed.refused(&format!("/invoices/{id}/refund"), &refund, 409).await.contains("не оплачен"));
    signed.act(&format!("/invoices/{id}/mark-paid"), &[("reason", "Платёжка 17")]).await;
    assert_eq!(invoice(&panel, id).await.state, InvoiceState::Paid);
    let page = signed.refused(&format!("/invoices/{id}/refund"), &refund, 409).await;
    assert!(page.contains("мимо Flysk"), "{page}");
    assert!(refunds(&panel.app, id).await.is_empty());
    assert_eq!(invoice(&panel, id).await.refunded, Kopecks::ZERO);
    signed.refused(&format!("/invoices/{id}/void"), &[("reason", "Поздно")], 409).await;
    assert_eq!(panel.record_of("invoice.mark_paid").await.reason, "Платёжка 17");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_void_invoice_is_found_by_its_state_and_its_install(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let id = ordered(&panel, &signed, "1").await;
    signed.act(&format!("/invoices/{id}/void"), &[("reason", "Выставлен по ошибке")]).await;
    assert_eq!(invoice(&panel, id).await.state, InvoiceState::Void);
    panel.record_of("invoice.void").await;
    let install = panel.app.install().await.id;
    let listed = signed.page(&format!("/invoices?state=void&install={install}")).await;
    assert!(listed.contains(&format!("/invoices/{id}")), "{listed}");
    assert!(!signed.page("/invoices?state=paid").await.contains(&format!("/invoices/{id}")));
    assert!(signed.page(&format!("/invoices/{id}")).await.contains("аннулировал оператор"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn closing_receipts_are_listed_by_state(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let (id, attempt_id) = paid(&panel, &signed, "1").await;
    let of_invoice = format!("/payments/{attempt_id}");
    assert!(signed.page("/receipts?state=waiting").await.contains(&of_invoice));
    assert!(!signed.page("/receipts?state=unclear").await.contains(&of_invoice));
    sqlx::query("UPDATE invoice_receipts SET state = 'unclear'").execute(&panel.app.pool).await.unwrap();
    assert!(signed.page("/receipts?state=unclear").await.contains(&of_invoice));
    assert!(signed.page(&format!("/receipts?invoice={id}")).await.contains(&of_invoice));
    assert!(signed.page("/").await.contains(&of_invoice), "the start page shows it to operators");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_decides_about_a_closing_receipt_once_it_is_in_doubt(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let (id, attempt_id) = paid(&panel, &signed, "1").await;
    let (page, act) = (format!("/invoices/{id}"), format!("/invoices/{id}/receipt"));
    let form = [("decision", "registered"), ("reason", "Есть в кабинете кассы")];
    assert!(!signed.page(&page).await.contains(&act), "the period runs");
    signed.refused(&act, &form, 409).await;
    let refused = "UPDATE invoice_receipts SET refused_at = created_at, error_code = '204'";
    sqlx::query(refused).execute(&panel.app.pool).await.unwrap();
    assert!(signed.page("/receipts?refused=yes").await.contains(&format!("/payments/{attempt_id}")));
    assert!(signed.page("/").await.contains("банк отказал"), "the start page shows it to operators");
    let unclear = "UPDATE invoice_receipts SET state = 'unclear', refused_at = NULL";
    sqlx::query(unclear).execute(&panel.app.pool).await.unwrap();
    assert!(!signed.page("/receipts?refused=yes").await.contains(&format!("/payments/{attempt_id}")));
    assert!(signed.page(&page).await.contains(&act));
    panel.sign_in("sonya", "support").await.refused(&act, &form, 403).await;
    signed.refused(&act, &[("reason", "Не знаю")], 422).await;
    signed.act(&act, &form).await;
    let receipt = invoice_payments::find_receipt_of_payment(&mut *panel.app.conn().await, attempt_id).await;
    assert_eq!(receipt.unwrap().expect("a receipt").state, ReceiptState::Sent);
    signed.refused(&act, &form, 409).await;
    let record = panel.record_of("invoice.decide_receipt").await;
    assert_eq!((record.subject_id, record.reason), (id.to_string(), "Есть в кабинете кассы".to_owned()));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_subscription_is_ended_at_once_when_all_money_of_its_period_is_returned(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let (id, _) = paid(&panel, &signed, "1").await;
    let page = path(&panel).await;
    let end = format!("{page}/end-refunded");
    assert!(!signed.page(&page).await.contains(&end));
    signed.refused(&end, &[("reason", "Рано")], 409).await;
    let all = [("roubles", ""), ("seen", "0"), ("reason", "Не подошло")];
    signed.act(&format!("/invoices/{id}/refund"), &all).await;
    assert_eq!(subscription(&panel).await.subscription.state, SubscriptionState::Active);
    assert!(!signed.page(&page).await.contains(&end), "the bank has not returned the money yet");
    let done = "UPDATE invoice_refunds SET state = 'done'";
    sqlx::query(done).execute(&panel.app.pool).await.unwrap();
    assert!(signed.page(&page).await.contains(&end));
    signed.act(&end, &[("reason", "Доступ больше не нужен")]).await;
    assert_eq!(subscription(&panel).await.subscription.state, SubscriptionState::Cancelled);
    assert_eq!(panel.record_of("subscription.end_refunded").await.reason, "Доступ больше не нужен");
}

/// The payer of an attempt has saved a card for renewals.
async fn save_card(panel: &Panel, attempt_id: InvoicePaymentId) -> CardId {
    let (card, install) = (CardId::generate(&panel.app.clock), panel.app.install().await);
    let sealed = panel.app.executor.app().keyring.seal(&"rebill-7".into(), &aad::card_rebill(card)).unwrap();
    let new = NewCard {
        id: card,
        install_id: install.id,
        terminal_key: TERMINAL,
        payment_row_id: attempt_id,
        rebill_sealed: &sealed,
        pan: Some("220000******0004"),
        now: attempt(panel, attempt_id).await.created_at,
    };
    let mut conn = panel.app.conn().await;
    invoice_payments::insert_card(&mut conn, &new).await.unwrap();
    let row = subscription(panel).await;
    subscriptions::set_card(&mut conn, row.id, Some(card), row.created_at).await.unwrap();
    card
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_saved_card_is_unlinked_for_its_owner(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let id = ordered(&panel, &signed, "1").await;
    let card = save_card(&panel, opened(&panel, id).await).await;
    let install = panel.app.install().await;
    let account = signed.page(&format!("/accounts/{}", install.account_id)).await;
    assert!(account.contains("220000******0004") && account.contains("для продлений"), "{account}");
    assert!(!account.contains("rebill-7"));
    let (unlink, text) = (format!("/installs/{}/unlink-card", install.id), card.to_string());
    let fields = [("card", text.as_str()), ("reason", "Просьба владельца")];
    panel.sign_in("sonya", "support").await.refused(&unlink, &fields, 403).await;
    signed.refused(&unlink, &[("card", ""), ("reason", "x")], 422).await;
    let foreign = CardId::generate(&panel.app.clock).to_string();
    signed.refused(&unlink, &[("card", foreign.as_str()), ("reason", "x")], 422).await;
    assert_eq!(signed.act(&unlink, &fields).await, path(&panel).await);
    let found = invoice_payments::find_card(&mut *panel.app.conn().await, card).await.unwrap().unwrap();
    assert!(found.unlinked_at.is_some() && subscription(&panel).await.card_id.is_none());
    signed.refused(&unlink, &fields, 409).await;
    let record = panel.record_of("card.unlink").await;
    assert!(record.state_before.unwrap().contains("220000******0004"));
    assert!(signed.page(&path(&panel).await).await.contains("отвязана"));
}

/// The seller has got a terminal of its own since the card was saved: it cannot be charged, so that renewal is not on.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_card_of_another_terminal_than_the_sellers_is_not_told_as_renewal(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let (_, attempt_id) = paid(&panel, &signed, "1").await;
    let page = path(&panel).await;
    let account = format!("/accounts/{}", panel.app.install().await.account_id);
    let renewal = async || {
        let shown = signed.page(&page).await;
        let told = shown.split("<dt>Автопродление</dt><dd>").nth(1).unwrap();
        told.split("</dd>").next().unwrap().trim().to_owned()
    };
    assert_eq!(renewal().await, "нет");
    save_card(&panel, attempt_id).await;
    assert_eq!(renewal().await, "да");
    let moved = "UPDATE vendors SET terminal_key = '1700000000001OWN'";
    sqlx::query(moved).execute(&panel.app.pool).await.unwrap();
    let told = renewal().await;
    assert!(told.starts_with("нет: карта сохранена на другом терминале"), "{told}");
    for shown in [&page, &account] {
        assert!(signed.page(shown).await.contains("для продлений, но списать нельзя"), "{shown}");
    }
    signed.act(&format!("{page}/cancel"), &[("reason", "Просьба клиента")]).await;
    assert!(renewal().await.contains("закончится с периодом"));
}
