//! Large amounts of money need a second operator.

use flysk_domain::Clock as _;
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

/// The table of decided requests on a page.
fn decided(page: &str) -> &str {
    page.split_once("<h2>Решённые за 90 дней").expect("the section").1
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn decided_requests_are_listed_with_their_outcome_and_lead_to_the_audit_log(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let sonya = panel.sign_in("sonya", "support").await;
    let credit = format!("/wallets/{}/credit", panel.app.wallet);
    for key in ["panel-first", "panel-second", "panel-third"] {
        let fields = [("amount", "20000"), ("shown", "Компенсация"), ("key", key), ("reason", "Сбой")];
        anna.act(&credit, &fields).await;
    }
    assert!(decided(&boris.page("/approvals").await).contains("решений не было"));
    for (who, act, reason) in [
        (&boris, "approve", "Согласовано"),
        (&boris, "decline", "Не по договору"),
        (&anna, "decline", "Ошиблась"),
    ] {
        panel.app.clock.advance(chrono::Duration::seconds(1));
        who.act(&format!("{}/{act}", waiting(who).await), &[("reason", reason)]).await;
    }
    let page = boris.page("/approvals").await;
    assert!(page.contains("Заявок нет"), "none waits: {page}");
    let listed = decided(&page);
    let rows: Vec<&str> = listed.split("<tr>").skip(2).collect();
    let wanted = [
        ("отозвана", "anna", "Ошиблась"),
        ("отклонена", "boris", "Не по договору"),
        ("подтверждена", "boris", "Сбой (запросил anna; Согласовано)"),
    ];
    assert_eq!(rows.len(), wanted.len(), "{listed}");
    for (row, (outcome, who, reason)) in rows.into_iter().zip(wanted) {
        let told = [outcome, "anna", who, "начисление компенсации", "Сбой"];
        assert!(told.iter().all(|text| row.contains(text)), "newest first, {told:?}: {row}");
        let link = row.split("href=\"/audit?").nth(1).unwrap().split('"').next().unwrap();
        let records = sonya.page(&format!("/audit?{}", link.replace("&#38;", "&"))).await;
        assert!(records.contains(reason) && records.contains("Найдено: 1<"), "{link}: {records}");
    }
    assert!(decided(&sonya.page("/approvals").await).contains("решений не было"), "those of others");
    let long_ago = "UPDATE pending_acts SET decided_at = decided_at - INTERVAL 91 DAY";
    sqlx::query(long_ago).execute(&panel.app.pool).await.unwrap();
    assert!(decided(&boris.page("/approvals").await).contains("За 90 дней решений не было"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pages_of_decided_requests_have_each_of_them_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let boris = panel.sign_in("boris", "billing").await;
    // Many were decided at the same time.
    let copies = "INSERT INTO pending_acts (id, action, subject_id, form, amount, reason, requested_by, requested_login, requested_at,
                                            outcome, decided_by, decided_at)
        SELECT CONCAT('pnd_', LPAD(numbers.n, 26, '0')), 'wallet.credit', ?, '', '20 000 FC', CONCAT('Копия ', LPAD(numbers.n, 3, '0')),
               'opr_00000000000000000000000000', 'anna', NOW(6), 'declined', 'opr_00000000000000000000000000',
               CAST(? AS DATETIME(6)) - INTERVAL MOD(numbers.n, 3) DAY
        FROM (SELECT ROW_NUMBER() OVER (ORDER BY table_name, column_name) AS n FROM information_schema.columns LIMIT 120) numbers";
    let wallet = panel.app.wallet.to_string();
    let now = panel.app.clock.now();
    sqlx::query(copies).bind(wallet).bind(now).execute(&panel.app.pool).await.unwrap();
    let (mut path, mut shown, mut sizes) = (Some("/approvals".to_owned()), Vec::new(), Vec::new());
    while let Some(next) = path {
        let page = boris.page(&next).await;
        let copies = page.split("Копия ").skip(1).map(|rest| rest.chars().take(3).collect::<String>());
        let before = shown.len();
        shown.extend(copies);
        sizes.push(shown.len() - before);
        let link = page.split("rel=\"next\" href=\"").nth(1);
        path = link.map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&"));
    }
    assert_eq!(sizes, [50, 50, 20]);
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), 120);
    for unknown in ["pnd_01KC0000000000000000000000", "x", "%D0%B6"] {
        let answer = panel.get_as(&boris.cookie, &format!("/approvals?after={unknown}")).await;
        assert_eq!(answer.status().as_u16(), 422, "{unknown}");
    }
}
