//! Large amounts of money need a second operator.

use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_store::admin::pending_acts;
use flysk_store::platform::purchases;
use sqlx::MySqlPool;

use super::bought::{invoice, ordered};
use super::harness::{Panel, Signed, value_of};
use super::subscriptions::{sells_subscriptions, subscription};

/// Path of the oldest request that waits.
pub(super) async fn waiting(signed: &Signed<'_>) -> String {
    let page = signed.page("/approvals").await;
    let rest = page.split("action=\"/approvals/").nth(1).unwrap_or_else(|| panic!("nothing waits: {page}"));
    format!("/approvals/{}", rest.split('/').next().unwrap())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_large_compensation_is_credited_when_another_operator_approves_it(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let path = format!("/wallets/{}", panel.app.wallet);
    let key = value_of(&anna.page(&path).await, "key");
    let fields = [
        ("amount", "10000.5"),
        ("shown", "Компенсация простоя"),
        ("days", ""),
        ("key", key.as_str()),
        ("reason", "Договорённость"),
    ];
    assert_eq!(anna.act(&format!("{path}/credit"), &fields).await, path);
    assert_eq!(panel.app.balance().await, 0);
    let approval = waiting(&boris).await;
    let approve = format!("{approval}/approve");
    assert!(anna.refused(&approve, &[("reason", "Сама себе")], 422).await.contains("другой оператор"));
    boris.act(&approve, &[("reason", "Согласовано")]).await;
    assert_eq!(panel.app.balance().await, 10_000_500_000);
    boris.refused(&approve, &[("reason", "Ещё раз")], 409).await;
    assert_eq!(panel.app.balance().await, 10_000_500_000);
    let row = panel.record_of("wallet.credit").await;
    assert_eq!(row.operator_login, "boris");
    assert_eq!(row.reason, "Договорённость (запросил anna; Согласовано)");
    assert_eq!(panel.record_of("approval.request").await.operator_login, "anna");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_declined_request_moves_no_money(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.app.offer(1_500_000, 15_000_000_000, 0).await;
    let id = panel.app.paid().await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let path = format!("/purchases/{id}/refund");
    anna.act(&path, &[("roubles", ""), ("seen", "0"), ("reason", "Передумал")]).await;
    // An empty field stands for the amount that the second operator sees, not for whatever is left when it is approved.
    let open = pending_acts::list_open(&mut *panel.app.conn().await, 10).await.unwrap();
    assert!(open[0].form.contains("roubles=15000"), "{open:?}");
    let approval = waiting(&boris).await;
    boris.act(&format!("{approval}/decline"), &[("reason", "Не по договору")]).await;
    boris.refused(&format!("{approval}/approve"), &[("reason", "Всё же")], 409).await;
    let refunds = purchases::list_refunds(&mut *panel.app.conn().await, id).await.unwrap();
    assert!(refunds.is_empty(), "{refunds:?}");
    assert_eq!(panel.record_of("approval.decline").await.reason, "Не по договору");
    // A part below the limit needs nobody else.
    anna.act(&path, &[("roubles", "10000"), ("seen", "0"), ("reason", "Часть")]).await;
    let refunds = purchases::list_refunds(&mut *panel.app.conn().await, id).await.unwrap();
    assert_eq!((refunds.len(), refunds[0].allocation.kopecks.0), (1, 1_000_000));
    // The next part is small, but not the sum of both.
    anna.act(&path, &[("roubles", "0.01"), ("seen", "1000000"), ("reason", "Остаток")]).await;
    let refunds = purchases::list_refunds(&mut *panel.app.conn().await, id).await.unwrap();
    assert_eq!(refunds.len(), 1);
    waiting(&boris).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn small_compensations_of_a_day_are_added_up(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let path = format!("/wallets/{}", panel.app.wallet);
    let credit = format!("{path}/credit");
    let fields = |amount: &'static str, key: &'static str| {
        [("amount", amount), ("shown", "Компенсация"), ("key", key), ("reason", "Сбой")]
    };
    anna.act(&credit, &fields("6000", "panel-first")).await;
    // The same form once more is no further compensation.
    anna.act(&credit, &fields("6000", "panel-first")).await;
    assert_eq!(panel.app.balance().await, 6_000_000_000);
    assert!(boris.page("/approvals").await.contains("Заявок нет"));
    anna.act(&credit, &fields("4000.5", "panel-second")).await;
    assert_eq!(panel.app.balance().await, 6_000_000_000);
    boris.act(&format!("{}/approve", waiting(&boris).await), &[("reason", "Согласовано")]).await;
    assert_eq!(panel.app.balance().await, 10_000_500_000);
    panel.app.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_compensation_that_was_requested_twice_is_credited_and_recorded_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let credit = format!("/wallets/{}/credit", panel.app.wallet);
    let fields =
        [("amount", "20000"), ("shown", "Компенсация"), ("key", "panel-twice"), ("reason", "Договорённость")];
    anna.act(&credit, &fields).await;
    anna.act(&credit, &fields).await;
    let page = boris.page("/approvals").await;
    assert!(page.contains("начисление компенсации") && !page.contains("wallet.credit"), "{page}");
    boris.act(&format!("{}/approve", waiting(&boris).await), &[("reason", "Да")]).await;
    let other = waiting(&boris).await;
    let page = boris.refused(&format!("{other}/approve"), &[("reason", "Да")], 422).await;
    assert!(page.contains("уже начислена по другой заявке"), "{page}");
    assert_eq!(panel.app.balance().await, 20_000_000_000);
    panel.record_of("wallet.credit").await;
    boris.act(&format!("{other}/decline"), &[("reason", "Повтор")]).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_large_invoice_is_marked_as_paid_by_two_operators(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let id = ordered(&panel, &anna, "12").await;
    let (path, mark) = (format!("/invoices/{id}"), format!("/invoices/{id}/mark-paid"));
    assert_eq!(anna.act(&mark, &[("reason", "Платёжка 18")]).await, path);
    assert_eq!(invoice(&panel, id).await.state, InvoiceState::Open);
    // The form once more: another request, of which only one is carried out.
    anna.act(&mark, &[("reason", "Платёжка 18")]).await;
    let page = boris.page("/approvals").await;
    let link = format!("href=\"{path}\"");
    assert!(page.contains("отметка счёта оплаченным") && page.contains(&link), "{page}");
    let approve = format!("{}/approve", waiting(&boris).await);
    anna.refused(&approve, &[("reason", "Сама себе")], 422).await;
    assert_eq!(boris.act(&approve, &[("reason", "Видел выписку")]).await, path);
    assert_eq!(invoice(&panel, id).await.state, InvoiceState::Paid);
    let row = panel.record_of("invoice.mark_paid").await;
    assert_eq!((row.subject_kind.as_str(), row.operator_login.as_str()), ("invoice", "boris"));
    assert_eq!(row.reason, "Платёжка 18 (запросил anna; Видел выписку)");
    let other = waiting(&boris).await;
    boris.refused(&format!("{other}/approve"), &[("reason", "Ещё раз")], 409).await;
    anna.refused(&mark, &[("reason", "Поздно")], 409).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn many_bonus_days_need_a_second_operator_and_parts_count_together(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    sells_subscriptions(&panel).await;
    let create = format!("/installs/{}/subscription", panel.app.install().await.id);
    let path = anna.act(&create, &[("reason", "Старая установка")]).await;
    let bonus = format!("{path}/bonus");
    let days = |days: &'static str| [("days", days), ("reason", "Извинение")];
    anna.act(&bonus, &days("20")).await;
    let before = subscription(&panel).await.version;
    anna.act(&bonus, &days("12")).await;
    assert_eq!(subscription(&panel).await.version, before, "32 days within a month");
    let page = boris.page("/approvals").await;
    assert!(page.contains("12 дней") && page.contains(&format!("href=\"{path}\"")), "{page}");
    assert_eq!(boris.act(&format!("{}/approve", waiting(&boris).await), &[("reason", "Да")]).await, path);
    assert_ne!(subscription(&panel).await.version, before);
    let granted = panel.audit().await.into_iter().filter(|row| row.action == "subscription.bonus").count();
    assert_eq!(granted, 2);
    // Days that nobody could grant are refused at once.
    anna.refused(&bonus, &days("367"), 422).await;
    assert!(boris.page("/approvals").await.contains("Заявок нет"));
}
