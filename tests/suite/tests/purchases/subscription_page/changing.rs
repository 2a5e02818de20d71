//! Changes of a subscription: seats, plan, length, the card, cancelling.

use flysk_domain::id::InvoiceId;
use flysk_domain::platform::subscriptions::{InvoiceState, SubscriptionState};
use flysk_simulators::tbank::Ending;
use flysk_suite::environment::ADMIN;
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{EMPTY_LATER, TestPage, assert_says};
use crate::harness::GOOD_CARD;

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn more_seats_work_after_the_payment_and_fewer_wait_for_the_next_period(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    page.advance_to("2027-02-14", "12:00:00").await;
    let visit = page.visit(ADMIN).await;
    let seats = |number| [("change", "seats"), ("seats", number)];
    let quote = visit.done("/quotes", &seats("5")).await;
    let shown = visit.shown(&quote).await;
    // 2 × 990 ₽ for 14 of 28 days.
    assert_says(
        &shown,
        &[
            "Места: 3 → 5 мест",
            "Доплата до конца периода: тариф «Про», 5 мест вместо 3, 14.02.2027–27.02.2027",
            "id=\"total\">990 ₽",
            "округлена один раз до копейки",
            "сразу после оплаты",
        ],
    );
    let invoice = visit.done(&format!("{quote}/apply"), &[]).await;
    assert_says(&visit.shown(&invoice).await, &["Сейчас следующие периоды оплачивает карта •••• 0004"]);
    visit.begin_to_pay(&invoice, false).await;
    page.pay(&page.last_attempt().await, GOOD_CARD).unwrap();
    page.sandbox.run_due().await.unwrap();
    assert_says(&visit.shown("").await, &["<dd>5 мест</dd>", "карта •••• 0004"]);

    let quote = visit.done("/quotes", &seats("2")).await;
    let shown = visit.shown(&quote).await;
    assert_says(
        &shown,
        &[
            "Места: 5 → 2 места",
            "со следующего периода, 28.02.2027",
            "Следующий период будет стоить <strong>1 980 ₽</strong>",
            "Подтвердить",
        ],
    );
    assert!(!shown.contains("id=\"lines\""), "nothing is to be paid");
    assert_eq!(visit.done(&format!("{quote}/apply"), &[]).await, "?done=applied");
    assert_says(&visit.shown("").await, &["Места: 5 → 2 места", "спишем 1 980 ₽", "<dd>5 мест</dd>"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn changes_that_wait_are_withdrawn_each_by_itself(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    let visit = page.visit(ADMIN).await;
    let start = page.offer("start", "Старт", 49_000).await.to_string();
    for change in [
        vec![("change", "seats"), ("seats", "2")],
        vec![("change", "plan"), ("plan", start.as_str())],
        vec![("change", "length"), ("months", "12")],
    ] {
        let quote = visit.done("/quotes", &change).await;
        visit.done(&format!("{quote}/apply"), &[]).await;
    }
    let all = ["Места: 3 → 2 места", "Тариф: «Про» → «Старт»", "Срок оплаты: 1 месяц → 12 месяцев"];
    let shown = visit.shown("").await;
    assert_says(&shown, &all);
    assert_says(&shown, &["Со следующего периода, 28.02.2027", "спишем 9 800 ₽"]);
    for _ in 0..2 {
        assert_eq!(
            visit.done("/pending/plan/withdraw", &[]).await,
            "?done=withdrawn",
            "twice is no more than once"
        );
    }
    let shown = visit.shown("?done=withdrawn").await;
    assert_says(&shown, &[all[0], all[2], "Запланированное изменение отменено"]);
    assert!(!shown.contains(all[1]));
    // Asking for the present number withdraws the change of it.
    let quote = visit.done("/quotes", &[("change", "seats"), ("seats", "3")]).await;
    assert_says(&visit.shown(&quote).await, &["Запланированное изменение будет отменено"]);
    visit.done(&format!("{quote}/apply"), &[]).await;
    assert!(!visit.shown("").await.contains(all[0]));
    let same = visit.fails("/quotes", &[("change", "seats"), ("seats", "3")], StatusCode::CONFLICT).await;
    assert_says(&same, &["менять нечего"]);
    visit.fails("/pending/colour/withdraw", &[], StatusCode::NOT_FOUND).await;
}

/// Two quotes of one state: the second is stale once the first is applied, and its invoice replaces the open one.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_quote_of_a_former_state_shows_what_changed(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    let visit = page.visit(ADMIN).await;
    let first = visit.done("/quotes", &[("change", "seats"), ("seats", "4")]).await;
    let second = visit.done("/quotes", &[("change", "seats"), ("seats", "6")]).await;
    let invoice = visit.done(&format!("{first}/apply"), &[]).await;
    let told = visit.fails(&format!("{second}/apply"), &[], StatusCode::CONFLICT).await;
    assert_says(&told, &["изменились подписка или тариф", "Нынешний неоплаченный счёт аннулируется"]);
    let back = visit.done(&format!("{invoice}/discard"), &[]).await;
    assert_eq!(back, "?done=discarded");
    assert_eq!(visit.done(&format!("{invoice}/discard"), &[]).await, invoice, "pressed twice");
    assert_says(&visit.shown(&invoice).await, &["Отозван"]);
    let all = page.invoices().await.unwrap();
    let discarded = all.iter().find(|found| invoice.ends_with(&found.id.to_string())).unwrap();
    assert_eq!(discarded.state, InvoiceState::Void);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unlinked_card_is_never_charged_and_the_page_says_so(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, EMPTY_LATER).await;
    page.advance_to("2027-03-01", "00:00:00").await;
    assert_eq!(page.calls("Charge"), 1);
    let visit = page.visit(ADMIN).await;
    for _ in 0..2 {
        assert_eq!(visit.done("/card/unlink", &[]).await, "?done=unlinked");
    }
    let shown = visit.shown("?done=unlinked").await;
    assert_says(&shown, &["Карта отвязана", "id=\"no-card\"", "Оплатите счёт ниже"]);
    assert!(!shown.contains("id=\"card\""));
    page.advance_days(3).await;
    assert_eq!(page.calls("Charge"), 1, "planned charges stop");
    // The same invoice is paid by hand with another card, with a new consent.
    let visit = page.visit(ADMIN).await;
    let open = page.invoices().await.unwrap().pop().unwrap();
    visit.begin_to_pay(&format!("/invoices/{}", open.id), true).await;
    page.pay(&page.last_attempt().await, GOOD_CARD).unwrap();
    page.sandbox.run_due().await.unwrap();
    assert_says(&visit.shown("").await, &["Подписка активна", "Включено: карта •••• 0004"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_cancellation_is_revocable_until_the_end_and_immediate_when_overdue(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, EMPTY_LATER).await;
    let visit = page.visit(ADMIN).await;
    for _ in 0..2 {
        assert_eq!(visit.done("/cancel", &[]).await, "?done=cancelled");
    }
    let shown = visit.shown("?done=cancelled").await;
    assert_says(
        &shown,
        &[
            "Подписка отменена, но ещё действует",
            "Оплачена до 27.02.2027",
            "После этого дня виджет отключится",
            "Возобновить",
        ],
    );
    assert!(!shown.contains("id=\"cancel\""));
    for _ in 0..2 {
        assert_eq!(visit.done("/restore", &[]).await, "?done=restored");
    }
    assert_says(&visit.shown("").await, &["Подписка активна", "id=\"cancel\""]);
    page.advance_to("2027-03-02", "15:00:00").await;
    let visit = page.visit(ADMIN).await;
    assert_says(&visit.fails("/restore", &[], StatusCode::CONFLICT).await, &["Возобновлять нечего"]);
    for _ in 0..2 {
        assert_eq!(visit.done("/cancel", &[]).await, "?done=cancelled");
    }
    let shown = visit.shown("").await;
    assert_says(&shown, &["Подписка отменена", "Виджет не работает", "Оформить снова"]);
    assert_eq!(page.row().await.unwrap().subscription.state, SubscriptionState::Cancelled);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_cancellation_during_a_charge_says_that_one_is_being_made(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    let bank = &page.sandbox.bank.state;
    let rebill = bank.payments().iter().rev().find_map(|payment| payment.rebill_id).expect("a saved card");
    bank.script_rebill(rebill, vec![Ending::Hangs]).unwrap();
    page.advance_to("2027-02-28", "13:00:00").await;
    let visit = page.visit(ADMIN).await;
    assert_says(&visit.shown("").await, &["Одно списание банк уже проводит"]);
    assert_eq!(visit.done("/cancel", &[]).await, "?done=cancelled");
    let shown = visit.shown("?done=cancelled").await;
    assert_says(&shown, &["Подписка отменена. Одно списание банк уже проводит"]);
    assert!(!shown.contains("Списаний больше не будет"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_history_has_pages_receipts_and_refunds(pool: MySqlPool) {
    let page = TestPage::subscribed(pool, GOOD_CARD).await;
    page.advance_to("2027-03-02", "12:00:00").await;
    let bought = page.invoices().await.unwrap().remove(0);
    add_older_invoices(&page, bought.id).await;
    let visit = page.visit(ADMIN).await;
    assert_says(&visit.shown("").await, &["Вся история"]);
    let first = visit.shown("/invoices").await;
    assert_eq!(first.matches("class=\"state paid\"").count(), 20);
    let older = first.split("?before=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let second = visit.shown(&format!("/invoices?before={older}")).await;
    assert_eq!(second.matches("class=\"state paid\"").count(), 2);
    assert!(!second.contains("?before="));
    assert_says(
        &visit.refused("/invoices?before=x", StatusCode::BAD_REQUEST).await,
        &["Откройте страницу ещё раз"],
    );
    let shown = visit.shown(&format!("/invoices/{}", bought.id)).await;
    assert_says(&shown, &["Чек предоплаты на 2 970 ₽", "Чек полного расчёта отправлен на почту"]);
}

/// Copies a paid invoice twenty times, as if it were paid on earlier days: years of renewals would take minutes.
async fn add_older_invoices(page: &TestPage, id: InvoiceId) {
    let copies = "INSERT INTO subscription_invoices (id, subscription_id, install_id, widget_id, vendor_id, kind, state, plan_id,
            seat_kopecks, seats, months, period_no, period_from, period_until, zone, title, lines_json, total_kopecks,
            contact_sealed, paid_at, paid_by, created_at, updated_at)
        SELECT CONCAT('inv_', LPAD(numbers.n, 26, '0')), i.subscription_id, i.install_id, i.widget_id, i.vendor_id, i.kind, i.state,
            i.plan_id, i.seat_kopecks, i.seats, i.months, i.period_no, i.period_from, i.period_until, i.zone, i.title,
            i.lines_json, i.total_kopecks, i.contact_sealed, i.paid_at, i.paid_by,
            i.created_at - INTERVAL numbers.n DAY, i.updated_at
        FROM subscription_invoices i
        JOIN (SELECT a.d * 5 + b.d + 1 AS n
              FROM (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) a
              JOIN (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) b) numbers
        WHERE i.id = ?";
    let inserted = sqlx::query(copies).bind(id.to_string()).execute(&page.sandbox.pool).await.unwrap();
    assert_eq!(inserted.rows_affected(), 20);
}
