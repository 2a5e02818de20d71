//! «Оплатить по счёту»: a firm pays a period.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{SubscriptionState, moscow_day};
use flysk_domain::platform::transfers::{PaymentSubject, TransferInvoiceState};
use flysk_services::transfers::{
    ReadOperation, TransferContext, match_operation, set_t_api_access, store_operation,
};
use flysk_store::platform::transfers::{find_open_transfer_invoice, find_transfer_invoice};
use flysk_store::platform::vendors;
use flysk_suite::environment::ADMIN;
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{EMAIL, TestPage, assert_says, value_of};
use crate::browser::Browser;

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

    /// The statement lists a payment of the firm, which is matched.
    async fn firm_pays(&self, kopecks: i64, purpose: &str) {
        let widget = self.row().await.unwrap().widget_id;
        let clock = &self.sandbox.clock;
        let read = ReadOperation {
            account: "40702810900000000001".to_owned(),
            bank_id: format!("bank-{kopecks}"),
            booked_on: moscow_day(self.sandbox.now()),
            booked_at: self.sandbox.now(),
            amount: Kopecks(kopecks),
            payer_name: "ООО «Ромашка»".to_owned(),
            payer_inn: "7707083893".to_owned(),
            payer_account: "40702810100000000002".to_owned(),
            document_number: kopecks.to_string(),
            purpose: purpose.to_owned(),
        };
        let mut unit = self.begin().await.unwrap();
        let vendor = vendors::find_vendor_of_widget(&mut unit, widget).await.unwrap().unwrap();
        let id = store_operation(&mut unit, clock, vendor.id, &read, 0).await.unwrap();
        let context = TransferContext { keyring: &self.sandbox.executor.app().keyring, clock };
        match_operation(&mut unit, context, id).await.unwrap();
        unit.commit().await.unwrap();
    }
}

fn requisites<'a>(inn: &'a str, kpp: &'a str) -> [(&'a str, &'a str); 4] {
    [("inn", inn), ("kpp", kpp), ("name", "ООО «Ромашка»"), ("email", EMAIL)]
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
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

/// From the plan to the paid period, in two payments.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_firm_pays_a_period_by_transfer_in_a_browser(pool: MySqlPool) {
    let page = TestPage::open(pool).await;
    page.take_transfers().await;
    let browser = Browser::start().await;
    browser.client.goto(&page.link(ADMIN).await).await.unwrap();
    let seats = browser.wait(".plan:nth-of-type(1) input[name=seats]").await;
    seats.clear().await.unwrap();
    seats.send_keys("3").await.unwrap();
    browser.click(".plan:nth-of-type(1) .calculate").await;
    browser.click("#apply").await;
    browser.picture("subscription-invoice-by-transfer").await;
    browser.click("#by-transfer").await;
    for (field, text) in [("#inn", "7707083893"), ("#kpp", "770701001"), ("#name", "ООО «Ромашка»")]
    {
        browser.wait(field).await.send_keys(text).await.unwrap();
    }
    let email = browser.wait("#email").await;
    email.clear().await.unwrap();
    email.send_keys(EMAIL).await.unwrap();
    browser.picture("subscription-transfer-form").await;
    browser.click("#issue").await;
    assert_eq!(browser.text("#label").await, "Готовится");
    assert_eq!(browser.text("#amount").await, "2 970 ₽");
    browser.picture("subscription-transfer-issued").await;

    let purpose = browser.text("#purpose").await;
    page.firm_pays(100_000, &purpose).await;
    browser.client.refresh().await.unwrap();
    assert_eq!(browser.text("#missing").await, "Поступило 1 000 ₽, осталось 1 970 ₽.");
    browser.picture("subscription-transfer-part").await;
    page.firm_pays(197_000, &purpose).await;
    browser.client.refresh().await.unwrap();
    browser.wait("#label[data-code=paid]").await;
    browser.picture("subscription-transfer-paid").await;
    browser.click("#back").await;
    browser.is_content().await;
    browser.client.clone().close().await.unwrap();
    assert_eq!(page.row().await.unwrap().subscription.state, SubscriptionState::Active);
}
