//! The purchase: calculator, quote, consent, payment.

use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_store::platform::subscriptions as store;
use flysk_suite::environment::ADMIN;
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{EMAIL, TestPage, assert_says, value_of};
use crate::harness::GOOD_CARD;

fn start(plan: &str) -> [(&str, &str); 4] {
    [("change", "start"), ("plan", plan), ("seats", "3"), ("months", "1")]
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_purchase_goes_from_the_calculator_to_the_receipt(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let quote = visit.done("/quotes", &start(&plan)).await;
    let shown = visit.shown(&quote).await;
    assert_says(
        &shown,
        &[
            "Тариф «Про», 3 места, 1 месяц",
            "990 ₽ за место на 1 месяц × 3 места",
            "Тариф «Про», 3 места, 31.01.2027–27.02.2027",
            "id=\"total\">2 970 ₽",
            "Пробный период на этом закончится",
            "Расчёт действует до конца дня 31.01.2027 по Москве",
        ],
    );
    let invoice = visit.done(&format!("{quote}/apply"), &[]).await;
    let shown = visit.shown(&invoice).await;
    assert_says(&shown, &["Счёт на 2 970 ₽", "Я разрешаю ООО «Акме» (ИНН 7707083893)", "раз в месяц"]);
    assert!(shown.contains("id=\"consent\">"), "the consent is not ticked beforehand");
    assert_says(&visit.shown("").await, &["Счёт к оплате", "Пробный период"]);

    let payment = visit.begin_to_pay(&invoice, true).await;
    let waiting = visit.shown(&payment).await;
    assert_says(
        &waiting,
        &["Форма банка открыта", "data-follow", &page.sandbox.bank.url, "http-equiv=\"refresh\""],
    );
    let attempt = page.last_attempt().await;
    let returned = page.payments()[0].success_url.clone().unwrap();
    assert_eq!(returned, format!("{}{}{payment}?from=bank", page.sandbox.api_url, visit.path));
    let back = visit.shown(&format!("{payment}?from=bank")).await;
    assert_says(&back, &["Ждём подтверждение банка"]);
    assert!(!back.contains("data-follow"));

    page.pay(&attempt, GOOD_CARD).unwrap();
    page.sandbox.run_due().await.unwrap();
    let done = visit.shown(&format!("{payment}?from=bank")).await;
    assert_says(&done, &["Готово!", "Продление включено: карта •••• 0004"]);
    assert!(!done.contains("<script") && !done.contains("refresh"), "nothing is waited for");
    let paid = visit.shown(&invoice).await;
    assert_says(
        &paid,
        &["Оплачен 31.01.2027, 12:00 МСК", "Чек", "на 2 970 ₽: отправлен на почту 31.01.2027"],
    );
    assert!(!paid.contains("id=\"pay\""));
    let consents = store::list_consents(&mut page.sandbox.pool.acquire().await.unwrap(), page.subscription)
        .await
        .unwrap();
    assert_eq!(consents.len(), 1);
    assert!(consents[0].offer_text.contains("Я разрешаю ООО «Акме»") && !consents[0].ip_address.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn repeated_submits_make_one_invoice_and_one_payment(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let quote = visit.done("/quotes", &start(&plan)).await;
    let apply = format!("{quote}/apply");
    let invoice = visit.done(&apply, &[]).await;
    assert_eq!(visit.done(&apply, &[]).await, invoice);
    let reloaded = visit.get(&quote).await;
    assert_eq!(reloaded.status(), StatusCode::SEE_OTHER, "an applied quote leads to its invoice");
    let payment = visit.begin_to_pay(&invoice, false).await;
    assert_eq!(visit.begin_to_pay(&invoice, false).await, payment);
    assert_eq!((page.invoices().await.unwrap().len(), page.calls("Init")), (1, 1));
    // Another consent needs another form, and the bank closes the former one first.
    let offer = value_of(&visit.shown(&invoice).await, "offer");
    let agreed = [("email", EMAIL), ("offer", offer.as_str()), ("consent", "yes")];
    let told = visit.fails(&format!("{invoice}/payments"), &agreed, StatusCode::CONFLICT).await;
    assert_says(&told, &["уже идёт другая оплата", "id=\"consent\" checked", EMAIL]);
    page.sandbox.run_due().await.unwrap();
    assert_ne!(visit.begin_to_pay(&invoice, true).await, payment);
    let open = page.payments().iter().filter(|payment| payment.status == "NEW").count();
    assert_eq!(open, 1, "an open form is a live charge");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_stale_quote_shows_the_new_one_and_what_changed(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let quote = visit.done("/quotes", &start(&plan)).await;
    // The next day in Moscow: another period for the same sum.
    page.advance_to("2027-02-01", "00:00:00").await;
    let visit = page.visit(ADMIN).await;
    let told = visit.fails(&format!("{quote}/apply"), &[], StatusCode::CONFLICT).await;
    assert_says(
        &told,
        &[
            "Расчёт изменился",
            "Прежний расчёт действовал до конца дня 31.01.2027",
            "<del>Тариф «Про», 3 места, 31.01.2027–27.02.2027: 2 970 ₽</del>",
            "Тариф «Про», 3 места, 01.02.2027–28.02.2027",
        ],
    );
    let apply = told.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let apply = apply.strip_prefix(&visit.path).unwrap();
    assert!(!apply.contains(quote.as_str()), "the form applies the new quote");
    let invoice = visit.done(apply, &[]).await;
    assert_says(&visit.shown(&invoice).await, &["01.02.2027–28.02.2027", "Счёт на 2 970 ₽"]);
    // The plan is retired between quote and purchase.
    let quote = visit.done("/quotes", &start(&plan)).await;
    page.offer("pro", "Про", 120_000).await;
    let told = visit.fails(&format!("{quote}/apply"), &[], StatusCode::CONFLICT).await;
    assert_says(&told, &["Этот тариф больше не продаётся"]);
    assert_eq!(page.invoices().await.unwrap().len(), 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn wrong_input_is_told_beside_the_form(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let asked = async |plan: &str, seats: &str, months: &str, status: StatusCode| {
        let fields = [("change", "start"), ("plan", plan), ("seats", seats), ("months", months)];
        visit.fails("/quotes", &fields, status).await
    };
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    for seats in ["", "0", "-1", "2.5", "много", "99999999999999999999", "\"><script>alert(1)</script>"]
    {
        let told = asked(&plan, seats, "1", unprocessable).await;
        assert_says(&told, &["Введите число мест"]);
        assert!(!told.contains("<script"), "{told}");
    }
    assert_says(&asked(&plan, "3", "2", unprocessable).await, &["Выберите срок"]);
    assert_says(&asked("pln_1", "3", "1", unprocessable).await, &["Выберите тариф"]);
    assert_says(
        &asked(&plan, "10001", "1", StatusCode::CONFLICT).await,
        &["мест: от 1 до 10000.", "value=\"10001\""],
    );
    assert_says(&asked(&plan, "3", "3", StatusCode::CONFLICT).await, &["На такой срок тариф не продаётся"]);
    let renew = visit.fails("/quotes", &[("change", "renew")], StatusCode::CONFLICT).await;
    assert_says(&renew, &["Сначала оформите её"]);

    let quote = visit.done("/quotes", &start(&plan)).await;
    let invoice = visit.done(&format!("{quote}/apply"), &[]).await;
    let pay = format!("{invoice}/payments");
    let told = visit.fails(&pay, &[("email", "nobody"), ("offer", "2026-11-30")], unprocessable).await;
    assert_says(&told, &["Проверьте адрес", "aria-invalid", "value=\"nobody\""]);
    let stale = [("email", EMAIL), ("offer", "2020-01-01"), ("consent", "yes")];
    assert_says(&visit.fails(&pay, &stale, unprocessable).await, &["Условия продления изменились"]);
    assert_eq!(page.calls("Init"), 0);
    // After a day the invoice is void.
    page.advance_days(2).await;
    let visit = page.visit(ADMIN).await;
    let shown = visit.shown(&invoice).await;
    assert_says(&shown, &["Не оплачен в срок"]);
    assert!(!shown.contains("id=\"pay\""));
    let late = [("email", EMAIL), ("offer", "2026-11-30")];
    assert_says(&visit.fails(&pay, &late, StatusCode::CONFLICT).await, &["больше нельзя оплатить"]);
}

/// Payments by `SberPay` and SBP give no `RebillId`, whatever the payer agreed to.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_payment_without_a_card_says_that_renewal_is_off(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let payment = visit.order(&start(&plan), true).await;
    page.pay(&page.last_attempt().await, "sberpay").unwrap();
    page.sandbox.run_due().await.unwrap();
    assert_says(&visit.shown(&payment).await, &["Готово!", "Продление выключено", "СБП или SberPay"]);
    let shown = visit.shown("").await;
    assert_says(
        &shown,
        &[
            "Подписка активна",
            "Автопродление выключено",
            "Оплатите следующий период до 27.02.2027 включительно.",
            "виджет проработает ещё 14 дней",
            "id=\"no-card\"",
            "Банк не сохранил карту",
        ],
    );
    // The next period by hand, without consent.
    let renewal = visit.order(&[("change", "renew")], false).await;
    page.pay(&page.last_attempt().await, GOOD_CARD).unwrap();
    page.sandbox.run_due().await.unwrap();
    assert_says(&visit.shown(&renewal).await, &["Карта не сохранена"]);
    assert_says(&visit.shown("").await, &["Следующий период уже оплачен", "вы не давали согласия"]);
    let refused = visit.fails("/quotes", &[("change", "seats"), ("seats", "9")], StatusCode::CONFLICT).await;
    assert_says(&refused, &["Следующий период уже оплачен"]);
}

/// A consent that does not say who may charge proves nothing.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unnamed_seller_is_paid_but_gets_no_consent(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let quote = visit.done("/quotes", &start(&plan)).await;
    let invoice = visit.done(&format!("{quote}/apply"), &[]).await;
    let named = visit.shown(&invoice).await;
    assert_says(&named, &["Я разрешаю ООО «Акме» (ИНН 7707083893)", "не позже чем за 30 дней"]);
    let version = value_of(&named, "offer");
    let without_inn = "UPDATE vendors SET inn = NULL";
    let without_name = "UPDATE vendors SET inn = '7707083893', legal_name = ''";
    for unnamed in [without_inn, without_name] {
        sqlx::query(unnamed).execute(&page.sandbox.pool).await.unwrap();
        let shown = visit.shown(&invoice).await;
        assert_says(&shown, &["продавец не указал своё название и ИНН", "id=\"pay\""]);
        assert!(!shown.contains("id=\"consent\""), "{unnamed}");
        let agreed = [("email", EMAIL), ("offer", version.as_str()), ("consent", "yes")];
        visit.fails(&format!("{invoice}/payments"), &agreed, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    visit.begin_to_pay(&invoice, false).await;
    assert_eq!(page.calls("Init"), 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_declined_card_is_told_and_the_invoice_can_be_paid_again(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let payment = visit.order(&start(&plan), true).await;
    page.pay(&page.last_attempt().await, "2200000000000012").unwrap();
    page.sandbox.run_due().await.unwrap();
    let failed = visit.shown(&format!("{payment}?from=bank&paid=no")).await;
    assert_says(&failed, &["Оплата не прошла", "недостаточно средств", "Попробовать ещё раз"]);
    let invoice = page.invoices().await.unwrap().remove(0);
    let rest = format!("/invoices/{}", invoice.id);
    assert_says(&visit.shown(&rest).await, &["Последняя оплата не прошла", "id=\"pay\""]);
    let again = visit.begin_to_pay(&rest, true).await;
    assert_ne!(again, payment);
    page.pay(&page.last_attempt().await, GOOD_CARD).unwrap();
    page.sandbox.run_due().await.unwrap();
    assert_eq!(page.invoices().await.unwrap().remove(0).state, InvoiceState::Paid);
}
