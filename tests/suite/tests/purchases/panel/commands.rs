//! Commands on the server that move money or access are in the audit log of the panel, and in its limits.

use chrono::{Datelike as _, Days};
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::subscriptions::{InvoiceState, SubscriptionState, moscow_day};
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::platform::billing::OpenPayment;
use flysk_store::admin::audit::AuditRow;
use flysk_store::jobs::JobState;
use flysk_store::platform::subscriptions;
use flysk_suite::environment::ACCOUNT;
use sqlx::MySqlPool;

use super::bought::{attempt, invoice, opened, ordered, paid};
use super::harness::{Panel, value_of};
use super::subscriptions::subscription;
use crate::operator::CommandOutput;

/// The only row of a command's act.
async fn recorded(panel: &Panel, action: &str) -> AuditRow {
    let row = panel.record_of(action).await;
    assert_eq!((row.operator_login.as_str(), row.operator_id.as_deref()), ("flysk-worker", None), "{action}");
    assert!(row.correlation_id.len() > 8, "{row:?}");
    row
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_compensation_by_a_command_counts_in_the_panels_limit(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let account = ACCOUNT.to_string();
    let owner = ["wallet:credit", "--widget", "flysense", "--account", &account];
    let credit = ["--amount", "6000", "--reason", "Сбой 24 ноября", "--key", "ticket-812"];
    let command = [&owner[..], &credit[..]].concat();
    panel.app.worker(&command).await.told();
    // The same once more credits nothing and is no act.
    panel.app.worker(&command).await.told();
    let row = recorded(&panel, "wallet.credit").await;
    assert_eq!((row.subject_id, row.reason.as_str()), (panel.app.wallet.to_string(), "ticket-812"));
    assert!(row.state_after.unwrap().contains("\"amount_micro\":6000000000"));
    assert_eq!(panel.app.balance().await, 6_000_000_000);

    let anna = panel.sign_in("anna", "billing").await;
    let path = format!("/wallets/{}", panel.app.wallet);
    let key = value_of(&anna.page(&path).await, "key");
    let fields = [("amount", "4000.5"), ("shown", "Сбой"), ("key", key.as_str()), ("reason", "Ещё")];
    anna.act(&format!("{path}/credit"), &fields).await;
    assert_eq!(panel.app.balance().await, 6_000_000_000, "it waits for a second operator");
    panel.app.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn acts_of_commands_on_invoices_and_subscriptions_are_recorded(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let anna = panel.sign_in("anna", "billing").await;
    let id = ordered(&panel, &anna, "1").await;
    let (invoice_id, account) = (id.to_string(), ACCOUNT.to_string());
    let by = ["--operator", "oleg", "--reason", "Платёжка 17"];
    let mark = [&["invoice:mark-paid", invoice_id.as_str()][..], &by[..]].concat();
    panel.app.worker(&mark).await.told_beside_log();
    assert_eq!(invoice(&panel, id).await.state, InvoiceState::Paid);
    // What is refused leaves no row.
    panel.app.worker(&mark).await.refused(1);
    let row = recorded(&panel, "invoice.mark_paid").await;
    assert_eq!((row.subject_id, row.reason.as_str()), (invoice_id, "Платёжка 17"));
    assert!(row.state_before.unwrap().contains("\"state\":\"open\""));
    assert!(row.state_after.unwrap().contains("\"operator\":\"oleg\""));

    let owner = ["--widget", "flysense", "--account", account.as_str()];
    let bonus = [&["subscription:bonus"][..], &owner[..], &["--days", "3"][..], &by[..]].concat();
    panel.app.worker(&bonus).await.told_beside_log();
    assert!(recorded(&panel, "subscription.bonus").await.state_after.unwrap().contains("\"days\":3"));
    let cancel = [&["subscription:cancel"][..], &owner[..], &by[..]].concat();
    panel.app.worker(&cancel).await.told_beside_log();
    let cancelled = recorded(&panel, "subscription.cancel").await;
    assert!(cancelled.state_after.unwrap().contains("\"cancels\":true"));
}

/// Runs a command in the name of an operator, with a reason.
async fn run(panel: &Panel, command: &[&str]) -> CommandOutput {
    panel.app.worker(&[command, &["--operator", "oleg", "--reason", "Заявка 9"]].concat()).await
}

/// Runs a command on the account's subscription.
async fn run_for_account(panel: &Panel, command: &str) -> String {
    let account = ACCOUNT.to_string();
    run(panel, &[command, "--widget", "flysense", "--account", &account]).await.told_beside_log()
}

/// The only row of an act of [`run`].
async fn recorded_with_reason(panel: &Panel, action: &str) -> AuditRow {
    let row = recorded(panel, action).await;
    assert_eq!(row.reason, "Заявка 9", "{action}");
    assert!(row.state_after.as_ref().unwrap().contains("\"operator\":\"oleg\""), "{action}");
    row
}

async fn open_invoice(panel: &Panel) -> InvoiceId {
    let id = subscription(panel).await.id;
    let open = subscriptions::find_open_invoice(&mut *panel.app.conn().await, id).await.unwrap();
    open.expect("an open invoice").id
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn operators_refund_unlock_and_void_invoices_and_decide_about_receipts_by_commands(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let anna = panel.sign_in("anna", "billing").await;
    let (id, _) = paid(&panel, &anna, "1").await;
    let bought = id.to_string();
    let part = ["invoice:refund", bought.as_str(), "--kopecks", "1000"];
    let told = run(&panel, &part).await.told_beside_log();
    assert!(told.starts_with("Fair today: ") && told.contains("--refunded-so-far 0"), "{told}");
    let confirmed = [&part[..], &["--yes", "--refunded-so-far", "0"]].concat();
    run(&panel, &confirmed).await.told_beside_log();
    let again = run(&panel, &confirmed).await.refused(1);
    assert!(again.contains("1000 kopecks of the invoice are refunded by now"), "{again}");
    assert_eq!(invoice(&panel, id).await.refunded.0, 1_000);
    recorded_with_reason(&panel, "invoice.refund").await;

    let told = run_for_account(&panel, "subscription:renew").await;
    assert!(told.contains("waits for the customer: there is no card"), "{told}");
    recorded_with_reason(&panel, "subscription.renew").await;
    let ahead = open_invoice(&panel).await;
    let renewal = ahead.to_string();
    let form = opened(&panel, ahead).await;
    let unlock = ["invoice:clear-lock", renewal.as_str()];
    run(&panel, &unlock).await.refused(1);
    let dispute = "UPDATE invoice_payments SET state = 'review', discrepancy = 'other_amount' WHERE id = ?";
    sqlx::query(dispute).bind(form.to_string()).execute(&panel.app.pool).await.unwrap();
    run(&panel, &unlock).await.told_beside_log();
    assert_eq!(attempt(&panel, form).await.state, AttemptState::Failed);
    assert_eq!(recorded_with_reason(&panel, "invoice.clear_lock").await.subject_id, renewal);
    let void = ["invoice:void", renewal.as_str()];
    run(&panel, &void).await.told_beside_log();
    assert_eq!(invoice(&panel, ahead).await.state, InvoiceState::Void);
    run(&panel, &void).await.refused(1);
    recorded_with_reason(&panel, "invoice.void").await;

    let decide = ["invoice:receipt", bought.as_str(), "--registered"];
    run(&panel, &decide).await.refused(1);
    let unclear = "UPDATE invoice_receipts SET state = 'unclear'";
    sqlx::query(unclear).execute(&panel.app.pool).await.unwrap();
    run(&panel, &decide).await.told_beside_log();
    recorded_with_reason(&panel, "invoice.decide_receipt").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn operators_end_and_reinstate_subscriptions_by_commands(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let anna = panel.sign_in("anna", "billing").await;
    let (id, _) = paid(&panel, &anna, "1").await;
    let state = async || subscription(&panel).await.subscription.state;
    let bought = id.to_string();
    let all = ["invoice:refund", bought.as_str(), "--yes", "--refunded-so-far", "0"];
    run(&panel, &all).await.told_beside_log();
    // The bank has returned the money.
    sqlx::query("UPDATE invoice_refunds SET state = 'done'").execute(&panel.app.pool).await.unwrap();
    run_for_account(&panel, "subscription:end-refunded").await;
    assert_eq!(state().await, SubscriptionState::Cancelled);
    recorded_with_reason(&panel, "subscription.end_refunded").await;

    // Its period ended yesterday, and the next one runs.
    let until = moscow_day(SystemClock.now()) - Days::new(1);
    let moved = "UPDATE subscriptions SET period_from = ?, period_until = ?, anchor_day = ?";
    let moved = sqlx::query(moved).bind((until - Days::new(30)).to_string()).bind(until.to_string());
    moved.bind(until.day()).execute(&panel.app.pool).await.unwrap();
    let told = run_for_account(&panel, "subscription:reinstate").await;
    assert!(told.contains("waits for its payment"), "{told}");
    assert_eq!(state().await, SubscriptionState::PastDue);
    recorded_with_reason(&panel, "subscription.reinstate").await;
    let open = open_invoice(&panel).await;

    let lapsed = "UPDATE subscriptions SET needs_person = TRUE";
    sqlx::query(lapsed).execute(&panel.app.pool).await.unwrap();
    run_for_account(&panel, "subscription:end-review").await;
    assert_eq!(state().await, SubscriptionState::Expired);
    assert_eq!(invoice(&panel, open).await.state, InvoiceState::Void);
    recorded_with_reason(&panel, "subscription.end_review").await;
    let account = ACCOUNT.to_string();
    let show = ["subscription:show", "--widget", "flysense", "--account", &account];
    let shown = panel.app.worker(&show).await.told_beside_log();
    assert!(shown.contains("operator:oleg") && shown.contains("(Заявка 9)"), "{shown}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn changes_of_prices_sellers_and_secrets_by_commands_are_recorded_without_the_secrets(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let widget = panel.app.widget().await.id.to_string();
    panel.app.worker(&["price:set", "flysense.summary", "--per-piece", "2"]).await.told();
    assert!(recorded(&panel, "price.set").await.subject_id.starts_with("flysense.summary v"));
    panel.app.worker(&["vendor:set", "romashka", "--legal-name", "ООО «Ромашка»"]).await.told();
    panel.app.worker(&["vendor:assign", "romashka", "flysense"]).await.told();
    let row = recorded(&panel, "vendor.assign_widget").await;
    assert!(row.state_after.unwrap().contains("\"vendor\":\"romashka\""));
    let told = panel.app.worker(&["widget:rotate", "flysense", "--project-token"]).await.told();
    let row = recorded(&panel, "widget.rotate_project_token").await;
    assert_eq!(row.subject_id, widget);
    let token = told.split_whitespace().find(|word| word.starts_with("fpt_")).expect("the new token");
    assert!(!format!("{:?}", panel.audit().await).contains(token));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_by_a_command_is_recorded(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.app.offer(50_000, 500_000_000, 0).await;
    let id = panel.app.paid().await.to_string();
    panel.app.worker(&["purchase:refund", &id, "--kopecks", "10000"]).await.told();
    let row = recorded(&panel, "purchase.refund").await;
    assert_eq!(row.subject_id, id);
    assert!(row.state_after.unwrap().contains("\"kopecks\":10000"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_commands_offer_and_configure_is_recorded(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let widget = panel.app.widget().await.id.to_string();
    let run = async |command: &[&str]| drop(panel.app.worker(command).await.told_beside_log());
    run(&["package:set", "flysense", "big", "--title", "Большой", "--price", "300000"]).await;
    // The same terms once more are no act.
    run(&["package:set", "flysense", "big", "--title", "Большой", "--price", "300000"]).await;
    let row = recorded(&panel, "package.offer").await;
    assert!(row.state_before.is_none() && row.state_after.unwrap().contains("\"price_kopecks\":300000"));
    run(&["package:retire", "flysense", "big"]).await;
    let row = recorded(&panel, "package.retire").await;
    assert!(row.state_before.unwrap().contains("\"code\":\"big\"") && row.state_after.is_none());

    run(&["plan:set", "--title", "Про", "--price", "1=99000", "flysense", "pro"]).await;
    let row = recorded(&panel, "plan.offer").await;
    assert!(row.state_after.unwrap().contains("\"version\":1"));
    run(&["plan:retire", "flysense", "pro"]).await;
    assert!(recorded(&panel, "plan.retire").await.state_before.unwrap().contains("\"code\":\"pro\""));

    run(&["vendor:set", "romashka", "--legal-name", "ООО «Ромашка»"]).await;
    recorded(&panel, "vendor.create").await;
    run(&["vendor:set", "romashka", "--email", "buh@romashka.example"]).await;
    let row = recorded(&panel, "vendor.update").await;
    assert!(row.state_before.unwrap().contains("\"email\":null"));
    assert!(row.state_after.unwrap().contains("buh@romashka.example"));
    run(&["vendor:taxes", "romashka", "--from", "2027-01-01", "--taxation", "osn", "--vat", "vat22"]).await;
    assert!(recorded(&panel, "vendor.put_taxes").await.state_after.unwrap().contains("\"vat22\""));

    run(&["widget:update", "flysense", "--trial-days", "9"]).await;
    let row = recorded(&panel, "widget.update").await;
    assert_eq!(row.subject_id, widget);
    assert!(!row.state_before.unwrap().contains("\"trial_days\":9"));
    assert!(row.state_after.unwrap().contains("\"trial_days\":9"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn price_campaigns_of_commands_are_recorded_with_operator_and_reason(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for price in ["1=99000", "1=119000"] {
        let set = ["plan:set", "--title", "Про", "--price", price, "flysense", "pro"];
        panel.app.worker(&set).await.told_beside_log();
    }
    let on = (moscow_day(SystemClock.now()) + Days::new(60)).to_string();
    let by = ["--operator", "oleg", "--reason", "Аренда"];
    let start =
        [&["campaign:start", "flysense", "pro", "--from", "1", "--on", on.as_str()][..], &by[..]].concat();
    panel.app.worker(&[&start[..], &["--dry-run"][..]].concat()).await.told_beside_log();
    panel.app.worker(&start).await.told_beside_log();
    let row = recorded(&panel, "campaign.start").await;
    assert_eq!(row.reason, "Аренда");
    let after = row.state_after.unwrap();
    assert!(after.contains("\"operator\":\"oleg\"") && after.contains("\"to_version\":2"), "{after}");
    let stop = [&["campaign:stop", row.subject_id.as_str()][..], &by[..]].concat();
    panel.app.worker(&stop).await.told_beside_log();
    panel.app.worker(&stop).await.refused(1);
    let stopped = recorded(&panel, "campaign.stop").await;
    assert_eq!((stopped.subject_id, stopped.reason.as_str()), (row.subject_id, "Аренда"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn jobs_that_commands_cancel_and_replay_are_recorded(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.app.begin().await;
    let job = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0).id.to_string();
    panel.app.worker(&["jobs:cancel", &job]).await.told_beside_log();
    let row = recorded(&panel, "job.cancel").await;
    assert_eq!(row.subject_id, job);
    assert!(row.state_before.unwrap().contains("\"state\":\"queued\""));
    panel.app.worker(&["jobs:replay", &job]).await.told_beside_log();
    panel.app.worker(&["jobs:replay", &job]).await.refused(1);
    let row = recorded(&panel, "job.replay").await;
    assert!(row.state_before.unwrap().contains("\"state\":\"cancelled\""));
    assert!(row.state_after.unwrap().contains("\"state\":\"queued\""));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn commands_that_ask_for_no_operator_and_reason_record_them_when_given(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    panel.app.begin().await;
    let job = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0).id.to_string();
    let commands: &[(&str, &[&str])] = &[
        ("package.offer", &["package:set", "flysense", "big", "--title", "Большой", "--price", "300000"]),
        ("package.retire", &["package:retire", "flysense", "big"]),
        ("plan.offer", &["plan:set", "--title", "Про", "--price", "1=99000", "flysense", "pro"]),
        ("plan.retire", &["plan:retire", "flysense", "pro"]),
        ("price.set", &["price:set", "flysense.summary", "--per-piece", "2"]),
        ("vendor.create", &["vendor:set", "romashka", "--legal-name", "ООО «Ромашка»"]),
        ("vendor.set_transfer_terms", &["vendor:transfer-terms", "romashka", "--days", "9"]),
        ("vendor_user.invite", &["vendor:invite", "romashka", "buh@romashka.example"]),
        ("vendor.assign_widget", &["vendor:assign", "romashka", "flysense"]),
        ("widget.update", &["widget:update", "flysense", "--trial-days", "9"]),
        ("widget.rotate_project_token", &["widget:rotate", "flysense", "--project-token"]),
        ("job.cancel", &["jobs:cancel", &job]),
        ("job.replay", &["jobs:replay", &job]),
    ];
    for (action, command) in commands {
        let by = ["--operator", "oleg", "--reason", "Заявка 7"];
        panel.app.worker(&[*command, &by[..]].concat()).await.told_beside_log();
        let row = recorded(&panel, action).await;
        assert_eq!(row.reason, "Заявка 7", "{action}");
        assert!(row.state_after.unwrap().contains("\"operator\":\"oleg\""), "{action}");
    }
    // A name that the log cannot keep is refused before anything is changed.
    let wrong = ["price:set", "flysense.summary", "--per-piece", "3", "--operator", "Олег"];
    panel.app.worker(&wrong).await.refused(1);
    recorded(&panel, "price.set").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn commands_on_all_tokens_and_secrets_are_recorded(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let by = ["--operator", "oleg", "--reason", "Утечка"];
    panel.app.worker(&[&["keys:rotate"][..], &by[..]].concat()).await.told();
    let row = recorded(&panel, "keys.rotate").await;
    assert_eq!((row.subject_kind.as_str(), row.reason.as_str()), ("key", "Утечка"));
    assert_eq!(row.state_after.as_deref(), Some("{\"operator\":\"oleg\"}"));
    // Looking is no act.
    panel.app.worker(&["token:refresh-all", "--dry-run"]).await.told();
    let told = panel.app.worker(&["token:refresh-all", "--widget", "flysense", "--no-wait"]).await.told();
    let row = recorded(&panel, "token.refresh_all").await;
    assert!(told.contains(&format!("Run {}", row.subject_id)), "{told}");
    assert_eq!((row.correlation_id, row.reason.as_str()), (row.subject_id, ""));
    assert!(row.state_after.unwrap().contains("\"widget\":\"flysense\""));
}
