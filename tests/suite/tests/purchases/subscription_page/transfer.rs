//! «Оплатить по счёту»: a firm pays a period.

use flysk_domain::platform::transfers::{PaymentSubject, TransferInvoiceState};
use flysk_services::transfers::set_t_api_access;
use flysk_store::platform::transfers::{find_open_transfer_invoice, find_transfer_invoice};
use flysk_store::platform::vendors;
use flysk_suite::environment::ADMIN;
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{EMAIL, TestPage, assert_says, value_of};

impl TestPage {
    /// Lets the seller take transfers.
    async fn take_transfers(&self) {
        let widget = self.row().await.unwrap().widget_id;
        let mut conn = self.sandbox.pool.acquire().await.unwrap();
        let vendor = vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().unwrap();
        let token = "t-api-token".into();
        let keyring = &self.sandbox.executor.app().keyring;
        let access = Some(("40702810900000000001", &token));
        set_t_api_access(&mut conn, keyring, vendor.id, access, self.sandbox.now()).await.unwrap();
    }
}

fn requisites<'a>(inn: &'a str, kpp: &'a str) -> [(&'a str, &'a str); 4] {
    [("inn", inn), ("kpp", kpp), ("name", "ООО «Ромашка»"), ("email", EMAIL)]
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_firm_asks_for_an_invoice_until_a_payment_by_card_replaces_it(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    page.take_transfers().await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let change = [("change", "start"), ("plan", plan.as_str()), ("seats", "3"), ("months", "1")];
    let quote = visit.done("/quotes", &change).await;
    let invoice = visit.done(&format!("{quote}/apply"), &[]).await;
    assert_says(&visit.shown(&invoice).await, &["id=\"by-transfer\"", "Оплатить по счёту"]);
    let ask = format!("{invoice}/transfer");
    assert_says(&visit.shown(&ask).await, &["Счёт для организации", "Выставить счёт на 2 970 ₽"]);
    let told =
        visit.fails(&ask, &requisites("7707083894", "770701001"), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_says(&told, &["контрольная цифра не сходится", "aria-invalid", "ООО «Ромашка»"]);

    let transfer = visit.done(&ask, &requisites("7707083893", "770701001")).await;
    assert_says(
        &visit.shown(&transfer).await,
        &["Готовится", "id=\"amount\">2 970 ₽", "07.02.2027", "id=\"pdf\""],
    );
    assert_eq!(visit.done(&ask, &requisites("7707083893", "770701001")).await, transfer, "one waits");
    let shown = visit.shown(&invoice).await;
    assert_says(&shown, &["ждём перевод", "Оплата картой отменит выставленный счёт", &transfer]);

    let offer = value_of(&shown, "offer");
    let by_card = [("email", EMAIL), ("offer", offer.as_str())];
    visit.done(&format!("{invoice}/payments"), &by_card).await;
    let id = invoice.rsplit('/').next().unwrap().parse().unwrap();
    let mut conn = page.sandbox.pool.acquire().await.unwrap();
    let waiting = find_open_transfer_invoice(&mut conn, PaymentSubject::Invoice(id)).await.unwrap();
    assert!(waiting.is_none(), "{waiting:?}");
    let id = transfer.rsplit('/').next().unwrap().parse().unwrap();
    let replaced = find_transfer_invoice(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(replaced.state, TransferInvoiceState::Void);
    let told = visit.fails(&ask, &requisites("7707083893", "770701001"), StatusCode::CONFLICT).await;
    assert_says(&told, &["уже идёт другая оплата"]);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_firm_cancels_its_invoice(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    page.take_transfers().await;
    let (visit, plan) = (page.visit(ADMIN).await, page.plan.to_string());
    let change = [("change", "start"), ("plan", plan.as_str()), ("seats", "1"), ("months", "1")];
    let quote = visit.done("/quotes", &change).await;
    let invoice = visit.done(&format!("{quote}/apply"), &[]).await;
    let transfer = visit.done(&format!("{invoice}/transfer"), &requisites("500100732259", "")).await;
    let cancelled = visit.done(&format!("{transfer}/cancel"), &[]).await;
    assert_eq!(cancelled, transfer);
    assert_eq!(visit.done(&format!("{transfer}/cancel"), &[]).await, transfer, "pressed twice");
    assert_says(&visit.shown(&transfer).await, &["Отменён", "больше не действует"]);
    assert_says(&visit.shown(&invoice).await, &["id=\"by-transfer\""]);
}
