//! Money that waits for a person, and a vendor's access to the T-API.

use flysk_crypto::aad;
use flysk_domain::Clock as _;
use flysk_domain::id::BankOperationId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::{OperationState, QueueReason};
use flysk_domain::trace::Trace;
use flysk_services::transfers::{
    MatchOutcome, ReadOperation, TransferContext, match_operation, store_operation,
};
use flysk_store::platform::{transfers, vendors};
use secrecy::ExposeSecret as _;
use sqlx::MySqlPool;

use super::harness::{Panel, value_of};

const ACCOUNT: &str = "40702810900000000001";
pub(super) const FIRM: &str = "7707083893";

/// A transfer that fits no invoice. The document's number tells it from others.
pub(super) async fn queued(panel: &Panel, kopecks: i64, document: &str) -> BankOperationId {
    let app = &panel.app;
    let widget = app.widget().await.id;
    let mut conn = app.conn().await;
    let vendor = vendors::find_vendor_of_widget(&mut conn, widget).await.unwrap().unwrap();
    let read = ReadOperation {
        account: ACCOUNT.to_owned(),
        bank_id: format!("bank-{document}"),
        booked_on: moscow_day(app.clock.now()),
        booked_at: app.clock.now(),
        amount: Kopecks(kopecks),
        payer_name: "ООО «Ромашка»".to_owned(),
        payer_inn: FIRM.to_owned(),
        payer_account: "40702810100000000002".to_owned(),
        document_number: document.to_owned(),
        purpose: "Оплата <за услуги>".to_owned(),
    };
    let id = store_operation(&mut conn, &app.clock, vendor.id, &read, 0).await.unwrap();
    drop(conn);
    let trace = Trace { correlation_id: "panel-test".to_owned(), traceparent: None };
    let context = TransferContext { keyring: &app.executor.app().keyring, clock: &app.clock };
    let mut unit = app.executor.outbox().begin(trace).await.unwrap();
    let outcome = match_operation(&mut unit, context, id).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(outcome, MatchOutcome::Queued(QueueReason::Unknown));
    id
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn waiting_money_is_put_where_a_person_says_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let id = queued(&panel, 123_456, "17").await;
    let (support, billing) =
        (panel.sign_in("sonya", "support").await, panel.sign_in("anna", "billing").await);
    let list = support.page("/transfers").await.replace('\u{a0}', " ");
    assert!(list.contains("1 234,56") && list.contains("ни один счёт не подошёл"), "{list}");
    assert!(list.contains("Оплата &#60;за услуги&#62;"), "{list}");
    let path = format!("/transfers/{id}");
    assert!(!support.page(&path).await.contains("Зачислить на баланс фирмы"));
    assert!(billing.page(&path).await.contains("Зачислить на баланс фирмы"));
    let install = panel.app.install().await.id;
    let install_text = install.to_string();
    let form = [("install", install_text.as_str()), ("inn", FIRM), ("reason", "Заплатили заранее")];
    let act = format!("{path}/balance");
    support.refused(&act, &form, 403).await;
    let wrong = [("number", "1000018"), ("reason", "Опечатка")];
    billing.refused(&format!("{path}/match"), &wrong, 422).await;
    let unknown = [("number", "1000017"), ("reason", "Такого нет")];
    billing.refused(&format!("{path}/match"), &unknown, 422).await;
    billing.act(&act, &form).await;
    billing.refused(&act, &form, 409).await;
    let balances = transfers::list_balances(&mut *panel.app.conn().await, install).await.unwrap();
    assert_eq!(balances, [(FIRM.parse().unwrap(), Kopecks(123_456))]);
    let rows = transfers::list_allocations(&mut *panel.app.conn().await, id).await.unwrap();
    let moved: Vec<i64> = rows.iter().map(|row| row.kopecks.0).collect();
    assert_eq!(moved, [123_456, -123_456, 123_456]);
    assert_eq!(rows[2].decided_by, "operator:anna");
    let record = panel.record_of("transfer.to_balance").await;
    assert_eq!((record.subject_id, record.reason.as_str()), (id.to_string(), "Заплатили заранее"));
    assert!(support.page("/transfers").await.contains("Все переводы разобраны."));
    assert!(support.page(&path).await.contains("баланс фирмы"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_that_is_no_payment_leaves_the_queue_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let id = queued(&panel, 123_456, "17").await;
    let (support, billing) =
        (panel.sign_in("sonya", "support").await, panel.sign_in("anna", "billing").await);
    let path = format!("/transfers/{id}");
    let state = async || {
        let found = transfers::find_operation(&mut *panel.app.conn().await, id).await;
        found.unwrap().unwrap().state
    };
    billing.act(&format!("{path}/leave"), &[("reason", "Ждём ответа банка")]).await;
    let note = panel.record_of("transfer.leave").await;
    assert_eq!((note.subject_id, note.reason.as_str()), (id.to_string(), "Ждём ответа банка"));
    let dismiss = format!("{path}/dismiss");
    support.refused(&dismiss, &[("reason", "Нет роли")], 403).await;
    billing.refused(&dismiss, &[], 422).await;
    assert_eq!(state().await, OperationState::Queued);
    let reason = [("reason", "Проценты на остаток")];
    assert_eq!(billing.act(&dismiss, &reason).await, path);
    assert_eq!(state().await, OperationState::Foreign);
    billing.refused(&dismiss, &reason, 409).await;
    let record = panel.record_of("transfer.dismiss").await;
    assert_eq!((record.subject_id, record.reason.as_str()), (id.to_string(), "Проценты на остаток"));
    assert_eq!(record.state_after.as_deref(), Some(r#"{"foreign":true}"#));
    assert!(support.page("/transfers").await.contains("Все переводы разобраны."));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_token_of_the_t_api_is_sealed_and_never_shown(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let owner = panel.sign_in("olga", "owner").await;
    let widget = panel.app.widget().await.id;
    let vendor = vendors::find_vendor_of_widget(&mut *panel.app.conn().await, widget).await.unwrap().unwrap();
    let path = format!("/vendors/{}", vendor.id);
    let seen = value_of(&owner.page(&path).await, "seen");
    let form = |account: &'static str, token: &'static str, seen: &str| {
        [("account", account.to_owned()), ("t_api_token", token.to_owned()), ("seen", seen.to_owned())]
    };
    let act = format!("{path}/t-api");
    for (account, token) in [("4070281090000000000", "secret-token"), (ACCOUNT, "with space"), (ACCOUNT, "")]
    {
        let fields = form(account, token, &seen);
        let mut fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.push(("reason", "Принимаем переводы"));
        let page = owner.refused(&act, &fields, 422).await;
        assert!(!page.contains("secret-token"), "a token is not kept: {page}");
    }
    let fields = form(ACCOUNT, "secret-token", &seen);
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("reason", "Принимаем переводы"));
    owner.act(&act, &fields).await;
    assert_eq!(panel.record_of("vendor.set_t_api").await.subject_id, vendor.id.to_string());
    let access = transfers::find_access(&mut *panel.app.conn().await, vendor.id).await.unwrap().unwrap();
    let keyring = &panel.app.executor.app().keyring;
    let token = keyring.open(&access.token_sealed, &aad::t_api_token(vendor.id)).unwrap();
    assert_eq!((access.account.as_str(), token.expose_secret()), (ACCOUNT, "secret-token"));
    let page = owner.page(&path).await;
    assert!(page.contains(ACCOUNT) && !page.contains("secret-token"), "{page}");
    let told = format!("{:?}", panel.audit().await);
    assert!(!told.contains("secret-token") && !told.contains(&access.token_sealed));
    let seen = value_of(&page, "seen");
    owner.act(&format!("{path}/remove-t-api"), &[("seen", seen.as_str()), ("reason", "Закрыли счёт")]).await;
    assert!(transfers::find_access(&mut *panel.app.conn().await, vendor.id).await.unwrap().is_none());
    panel.record_of("vendor.remove_t_api").await;
}
