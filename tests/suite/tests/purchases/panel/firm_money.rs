//! Money of firms in the panel: large decisions need a second operator, what was sent back is recorded, and invoices are listed.

use flysk_domain::Clock as _;
use flysk_domain::id::VendorId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::platform::transfers::{AllocationTarget, DueTerms, OperationState, TransferInvoiceState};
use flysk_store::platform::transfers::{self, BalanceOwner, BankOperation, TransferInvoice};
use flysk_store::platform::vendors;
use flysk_suite::environment::ADMIN;
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::approvals::waiting;
use super::harness::{Panel, value_of};
use super::transfers::{FIRM, queued};
use crate::transfer_page::take_transfers;

const OTHER: &str = "500100732259";

impl Panel {
    async fn vendor(&self) -> VendorId {
        let widget = self.app.widget().await.id;
        let found = vendors::find_vendor_of_widget(&mut *self.app.conn().await, widget).await;
        found.unwrap().unwrap().id
    }

    /// An invoice for Flycoins of 1,000 roubles to a firm.
    pub(super) async fn transfer_invoice(&self, inn: &str, key: &str) -> TransferInvoice {
        let kpp = (inn == FIRM).then_some("770701001");
        let payer = json!({"name": "ООО «Ромашка»", "inn": inn, "kpp": kpp, "email": "buh@example.test"});
        let body = json!({"amount_kopecks": 100_000, "payer": payer});
        let path = "/v1/flycoins/transfer_invoices";
        let (status, made) = self.app.ask_as(ADMIN, Method::POST, path, Some(key), Some(body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{made}");
        self.invoice(made["id"].as_str().unwrap()).await
    }

    async fn invoice(&self, id: &str) -> TransferInvoice {
        let found = transfers::find_transfer_invoice(&mut *self.app.conn().await, id.parse().unwrap()).await;
        found.unwrap().unwrap()
    }

    async fn operation(&self, path: &str) -> BankOperation {
        let id = path.strip_prefix("/transfers/").unwrap().parse().unwrap();
        transfers::find_operation(&mut *self.app.conn().await, id).await.unwrap().unwrap()
    }

    async fn balance_of_firm(&self) -> i64 {
        let owner = BalanceOwner {
            vendor: self.vendor().await,
            install: self.app.install().await.id,
            inn: FIRM.parse().unwrap(),
        };
        transfers::read_balance(&mut *self.app.conn().await, owner).await.unwrap().0
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn large_money_of_a_firm_goes_where_a_second_operator_approves(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    take_transfers(&panel.app).await;
    let invoice = panel.transfer_invoice(FIRM, "firm-1").await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let id = queued(&panel, 1_500_000, "17").await;
    let path = format!("/transfers/{id}");
    let number = invoice.number.to_string();
    let form = [("number", number.as_str()), ("reason", "Письмо клиента")];
    anna.act(&format!("{path}/match"), &form).await;
    assert_eq!(panel.operation(&path).await.state, OperationState::Queued, "nothing moves yet");
    assert!(boris.page("/").await.contains("Переводы ждут решения"), "the home page lists the queue");
    let waits = boris.page("/approvals").await;
    assert!(waits.contains(&format!("Номер счёта: {number}")), "where the money would go: {waits}");
    let approve = format!("{}/approve", waiting(&boris).await);
    assert!(anna.refused(&approve, &[("reason", "Сама себе")], 422).await.contains("другой оператор"));
    boris.act(&approve, &[("reason", "Сверено")]).await;
    boris.refused(&approve, &[("reason", "Ещё раз")], 409).await;
    let rows = transfers::list_allocations(&mut *panel.app.conn().await, id).await.unwrap();
    let moved: Vec<(AllocationTarget, i64)> = rows.iter().map(|row| (row.target, row.kopecks.0)).collect();
    let wanted = [
        (AllocationTarget::Queue, 1_500_000),
        (AllocationTarget::Queue, -1_500_000),
        (AllocationTarget::Invoice, 100_000),
        (AllocationTarget::Balance, 1_400_000),
    ];
    assert_eq!(moved, wanted);
    assert_eq!(panel.invoice(&invoice.id.to_string()).await.state, TransferInvoiceState::Paid);
    assert_eq!(panel.balance_of_firm().await, 1_400_000);
    let record = panel.record_of("transfer.match").await;
    assert_eq!((record.operator_login.as_str(), record.subject_id), ("boris", id.to_string()));
    assert_eq!(record.reason, "Письмо клиента (запросил anna; Сверено)");
    let violations =
        transfers::verify_transfers(&mut *panel.app.conn().await, panel.app.clock.now(), 10).await;
    assert_eq!(violations.unwrap(), []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn money_that_was_sent_back_is_recorded_with_its_order(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let support = panel.sign_in("sonya", "support").await;
    let path = format!("/transfers/{}", queued(&panel, 1_500_000, "17").await);
    let returned = format!("{path}/returned");
    let form = [("order", "77"), ("order_day", "2026-12-01"), ("reason", "Ошиблись адресатом")];
    support.refused(&returned, &form, 403).await;
    let wrong = [("order", "7 7"), ("order_day", "2026-12-01"), ("reason", "x")];
    anna.refused(&returned, &wrong, 422).await;
    anna.refused(&returned, &[("order", "77"), ("order_day", ""), ("reason", "x")], 422).await;
    anna.act(&returned, &form).await;
    boris.act(&format!("{}/decline", waiting(&boris).await), &[("reason", "Поручения нет в банке")]).await;
    assert_eq!(panel.operation(&path).await.state, OperationState::Queued);
    // A note needs nobody else, and moves nothing.
    anna.act(&format!("{path}/leave"), &[("reason", "Ждём ответа клиента")]).await;
    assert_eq!(panel.operation(&path).await.state, OperationState::Queued);
    assert!(support.page(&path).await.contains("Ждём ответа клиента"));
    anna.act(&returned, &form).await;
    boris.act(&format!("{}/approve", waiting(&boris).await), &[("reason", "Вижу поручение")]).await;
    assert_eq!(panel.operation(&path).await.state, OperationState::Returned);
    assert_eq!(panel.record_of("transfer.returned").await.operator_login, "boris");
    anna.refused(&format!("{path}/leave"), &[("reason", "Поздно")], 409).await;
    let page = support.page(&path).await;
    assert!(page.contains("возвращены плательщику") && page.contains("77"), "{page}");
    assert!(support.page("/transfers").await.contains("Все переводы разобраны."));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn returns_of_a_balance_are_counted_once_and_added_up(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let (anna, boris) = (panel.sign_in("anna", "billing").await, panel.sign_in("boris", "billing").await);
    let install = panel.app.install().await.id.to_string();
    for document in ["17", "18"] {
        let id = queued(&panel, 900_000, document).await;
        let form = [("install", install.as_str()), ("inn", FIRM), ("reason", "Заплатили заранее")];
        anna.act(&format!("/transfers/{id}/balance"), &form).await;
    }
    assert_eq!(panel.balance_of_firm().await, 1_800_000);
    let (path, balance) = (format!("/installs/{install}"), format!("{} {FIRM}", panel.vendor().await));
    assert!(anna.page(&path).await.replace('\u{a0}', " ").contains("18 000 ₽"));
    let act = format!("{path}/return-balance");
    let form = |roubles: &'static str, order: &'static str| {
        [
            ("balance", balance.as_str()),
            ("roubles", roubles),
            ("order", order),
            ("order_day", "2026-12-01"),
            ("reason", "Попросили вернуть"),
        ]
    };
    for (roubles, order) in [("18000.01", "77"), ("0", "77"), ("много", "77"), ("1", "")] {
        anna.refused(&act, &form(roubles, order), 422).await;
    }
    anna.act(&act, &form("6000", "77")).await;
    assert_eq!(panel.balance_of_firm().await, 1_200_000);
    anna.refused(&act, &form("6000", "77"), 409).await;
    // Together with the first one it is too much for one operator.
    anna.act(&act, &form("6000", "78")).await;
    assert_eq!(panel.balance_of_firm().await, 1_200_000);
    boris.act(&format!("{}/approve", waiting(&boris).await), &[("reason", "Сверено")]).await;
    assert_eq!(panel.balance_of_firm().await, 600_000);
    let entries: Vec<(i64, Option<String>)> = sqlx::query_as(
        "SELECT kopecks, decided_by FROM firm_balance_entries WHERE cause = 'returned' ORDER BY id",
    )
    .fetch_all(&panel.app.pool)
    .await
    .unwrap();
    // In the name of who has sent the money; the audit log names both.
    let returned = (-600_000, Some("operator:anna".to_owned()));
    assert_eq!(entries, [returned.clone(), returned]);
    let mut rows = panel.audit().await;
    rows.retain(|row| row.action == "install.return_balance");
    let told: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|row| (row.operator_login.as_str(), row.subject_id.as_str(), row.reason.as_str()))
        .collect();
    let second = "Попросили вернуть (запросил anna; Сверено)";
    assert_eq!(told, [("boris", install.as_str(), second), ("anna", &install, "Попросили вернуть")]);
    let violations =
        transfers::verify_transfers(&mut *panel.app.conn().await, panel.app.clock.now(), 10).await;
    assert_eq!(violations.unwrap(), []);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn transfer_invoices_are_listed_found_and_withdrawn(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    take_transfers(&panel.app).await;
    let (first, second) =
        (panel.transfer_invoice(FIRM, "firm-1").await, panel.transfer_invoice(OTHER, "firm-2").await);
    let support = panel.sign_in("sonya", "support").await;
    let (first_path, second_path) =
        (format!("/transfer-invoices/{}", first.id), format!("/transfer-invoices/{}", second.id));
    let (day, vendor) = (first.due_on, panel.vendor().await);
    let after = day.succ_opt().unwrap();
    for (filter, has_first, has_second) in [
        (String::new(), true, true),
        ("state=sending".to_owned(), true, true),
        ("state=paid".to_owned(), false, false),
        (format!("inn={FIRM}"), true, false),
        (format!("number={}", second.number), false, true),
        (format!("vendor={vendor}"), true, true),
        (format!("install={}", first.install_id), true, true),
        (format!("due_from={day}&due_until={day}"), true, true),
        (format!("due_from={after}"), false, false),
    ] {
        let page = support.page(&format!("/transfer-invoices?{filter}")).await;
        assert_eq!(
            (page.contains(&first_path), page.contains(&second_path)),
            (has_first, has_second),
            "{filter}"
        );
    }
    let timeline = format!("/installs/{}/timeline?kind=transfer", first.install_id);
    let page = support.page(&timeline).await;
    assert!(page.contains(&first_path) && page.contains(&second_path), "{page}");
    let search = format!("/search?q={}", first.number);
    let found = panel.get_as(&support.cookie, &search).await;
    assert_eq!(found.headers()[LOCATION], first_path.as_str());
    let page = support.page(&first_path).await;
    assert!(page.contains(FIRM) && !page.contains("buh@example.test"), "{page}");
    let withdraw = format!("{first_path}/withdraw");
    support.refused(&withdraw, &[("reason", "Просьба")], 403).await;
    let anna = panel.sign_in("anna", "billing").await;
    anna.act(&withdraw, &[("reason", "Просьба клиента")]).await;
    anna.refused(&withdraw, &[("reason", "Ещё раз")], 409).await;
    assert_eq!(panel.invoice(&first.id.to_string()).await.state, TransferInvoiceState::Void);
    assert_eq!(panel.record_of("transfer_invoice.withdraw").await.subject_id, first.id.to_string());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_seller_chooses_in_which_days_its_invoices_are_due(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    take_transfers(&panel.app).await;
    let vendor = panel.vendor().await;
    let former = panel.transfer_invoice(FIRM, "firm-1").await;
    let anna = panel.sign_in("anna", "operator").await;
    let path = format!("/vendors/{vendor}");
    let act = format!("{path}/transfer-terms");
    let seen = value_of(&anna.page(&path).await, "seen");
    let form = |days: &'static str| {
        [("days", days), ("banking_days", "yes"), ("seen", seen.as_str()), ("reason", "Так в договоре")]
    };
    for days in ["", "0", "31", "неделя"] {
        anna.refused(&act, &form(days), 422).await;
    }
    panel.sign_in("boris", "billing").await.refused(&act, &form("10"), 403).await;
    panel.app.clock.advance(chrono::Duration::seconds(1));
    anna.act(&act, &form("10")).await;
    anna.refused(&act, &form("5"), 409).await;
    let terms = transfers::find_due_terms(&mut *panel.app.conn().await, vendor).await.unwrap().unwrap();
    assert_eq!(terms, DueTerms::new(10, true).unwrap());
    panel.record_of("vendor.set_transfer_terms").await;
    let written = panel.transfer_invoice(OTHER, "firm-2").await;
    let today = moscow_day(panel.app.clock.now());
    assert_eq!(written.due_on, terms.last_day(today));
    assert_eq!(panel.invoice(&former.id.to_string()).await.due_on, former.due_on, "what was promised stays");
    assert_eq!(panel.invoice(&written.id.to_string()).await.amount, Kopecks(100_000));
}
