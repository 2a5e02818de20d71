//! Acts with money, jobs, packages and prices: each is checked in the database and in the audit log.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::{AccountId, BulkActId, ErasureId};
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::flysense::erasure::EraseCalls;
use flysk_jobs::platform::billing::{OpenPayment, RefundPayment};
use flysk_jobs::platform::panel::{EraseCustomer, RunBulkAct};
use flysk_store::jobs::{self, AttemptOutcome, EndedAttempt, Fence, JobState};
use flysk_store::platform::ledger;
use flysk_store::platform::purchases::{self, RefundState};
use flysk_suite::environment::ACCOUNT;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{Panel, value_of};
use crate::harness::{BONUS, COINS, PRICE};

fn state(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_compensation_is_credited_once_however_often_the_form_is_sent(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let path = format!("/wallets/{}", panel.app.wallet);
    let key = value_of(&signed.page(&path).await, "key");
    let credit = format!("{path}/credit");
    let fields = [
        ("amount", "12,5"),
        ("shown", "Извините за сбой"),
        ("days", ""),
        ("key", key.as_str()),
        ("reason", "Обращение 17"),
    ];
    assert_eq!(signed.act(&credit, &fields).await, path);
    signed.act(&credit, &fields).await;
    assert_eq!(panel.app.balance().await, 12_500_000);
    let row = panel.record_of("wallet.credit").await;
    assert_eq!((row.operator_login.as_str(), row.reason.as_str()), ("anna", "Обращение 17"));
    assert_eq!(row.subject_id, panel.app.wallet.to_string());
    assert_eq!(state(row.state_before.as_ref())["available_micro"], 0);
    assert_eq!(state(row.state_after.as_ref())["available_micro"], 12_500_000);
    let other = fields.map(|(name, value)| (name, if name == "amount" { "13" } else { value }));
    signed.refused(&credit, &other, 409).await;
    for (name, value) in [("amount", "-1"), ("amount", "много"), ("amount", ""), ("days", "0"), ("shown", "")]
    {
        let wrong = fields.map(|(field, kept)| (field, if field == name { value } else { kept }));
        signed.refused(&credit, &wrong, 422).await;
    }
    assert_eq!(panel.app.balance().await, 12_500_000);
    panel.app.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refund_withdraws_the_coins_and_a_job_returns_the_money(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let id = panel.app.paid().await;
    let signed = panel.sign_in("anna", "billing").await;
    let path = format!("/purchases/{id}/refund");
    signed.refused(&path, &[("roubles", "100000"), ("seen", "0"), ("reason", "Ошибка")], 422).await;
    signed.refused(&path, &[("roubles", ""), ("reason", "Без версии")], 409).await;
    let form = [("roubles", ""), ("seen", "0"), ("reason", "Передумал")];
    signed.act(&path, &form).await;
    assert_eq!(panel.app.balance().await, 0);
    assert!(signed.refused(&path, &form, 409).await.contains("другой возврат"), "sent twice, refunded once");
    panel.app.run_due_jobs().await;
    assert_eq!(panel.app.jobs_of::<RefundPayment>(JobState::Done).await.len(), 1);
    let refunds = purchases::list_refunds(&mut *panel.app.conn().await, id).await.unwrap();
    assert_eq!(
        (refunds.len(), refunds[0].state, refunds[0].requested_by.as_str()),
        (1, RefundState::Done, "anna")
    );
    let row = panel.record_of("purchase.refund").await;
    let after = state(row.state_after.as_ref());
    assert_eq!((&after["refund_kopecks"], &after["coins_micro"]), (&json!(PRICE), &json!(COINS)));
    assert_eq!(after["bonus_micro"], json!(BONUS));
    assert!(signed.page(&format!("/purchases/{id}")).await.contains("выполнен"));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_number_of_a_request_leads_to_its_act_and_its_jobs(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let id = panel.app.paid().await;
    let signed = panel.sign_in("anna", "billing").await;
    let form = [("roubles", ""), ("seen", "0"), ("reason", "Передумал")];
    signed.act(&format!("/purchases/{id}/refund"), &form).await;
    let refund = panel.record_of("purchase.refund").await;
    let job = panel.app.jobs_of::<RefundPayment>(JobState::Queued).await.remove(0);
    let (act, job) = (format!("/audit/{}", refund.id), format!("/jobs/{}", job.id));
    let found = signed.page(&format!("/search?q={}", refund.correlation_id)).await;
    assert!(found.contains(&act) && found.contains(&job), "{found}");
    let page = signed.page(&job).await;
    assert!(page.contains(&act) && page.contains("Передумал"), "the cause of the job: {page}");
    let listed = signed.page(&format!("/audit?correlation={}", refund.correlation_id)).await;
    assert!(listed.contains(&act) && listed.contains("Найдено: 1<"), "{listed}");
    // An act without jobs opens at once.
    let reconnect = format!("/installs/{}/reconnect", panel.app.install().await.id);
    assert_eq!(signed.post(&reconnect, &[("reason", "Токен отозван")]).await.status().as_u16(), 200);
    let link = panel.record_of("install.reconnect_link").await;
    let answer = panel.get_as(&signed.cookie, &format!("/search?q={}", link.correlation_id)).await;
    assert_eq!(answer.headers()["location"], format!("/audit/{}", link.id));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_review_is_ended_once_and_the_bank_is_asked_again(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let id = panel.app.opened().await;
    let dispute = "UPDATE coin_purchases SET state = 'review', discrepancy = 'other_amount' WHERE id = ?";
    sqlx::query(dispute).bind(id.to_string()).execute(&panel.app.pool).await.unwrap();
    let signed = panel.sign_in("anna", "billing").await;
    assert!(signed.page("/").await.contains(&id.to_string()), "the start page names it");
    let path = format!("/purchases/{id}");
    signed.act(&format!("{path}/resolve"), &[("reason", "Проверено в кабинете")]).await;
    assert_eq!(panel.app.find(id).await.state, PurchaseState::Failed);
    signed.refused(&format!("{path}/resolve"), &[("reason", "Ещё раз")], 409).await;
    let row = panel.record_of("purchase.resolve_review").await;
    assert_eq!(state(row.state_before.as_ref())["discrepancy"], "other_amount");
    assert_eq!(state(row.state_after.as_ref())["state"], "failed");
    signed.act(&format!("{path}/refresh"), &[("reason", "Клиент спрашивает")]).await;
    panel.app.run_due_jobs().await;
    panel.record_of("purchase.refresh").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_is_cancelled_and_replayed(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let purchase = panel.app.begin().await;
    let signed = panel.sign_in("anna", "support").await;
    let job = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0);
    let path = format!("/jobs/{}", job.id);
    let found = signed.page(&format!("/jobs?kind={}&state=queued", job.kind)).await;
    assert!(found.contains(&path) && found.contains("Найдено: 1"), "{found}");
    signed.act(&format!("{path}/cancel"), &[("reason", "Подождём банк")]).await;
    signed.refused(&format!("{path}/cancel"), &[("reason", "Ещё раз")], 409).await;
    assert_eq!(panel.app.jobs_of::<OpenPayment>(JobState::Cancelled).await.len(), 1);
    signed.act(&format!("{path}/replay"), &[("reason", "Банк ожил")]).await;
    signed.refused(&format!("{path}/replay"), &[("reason", "Ещё раз")], 409).await;
    panel.app.run_due_jobs().await;
    assert_eq!(panel.app.find(purchase).await.state, PurchaseState::Awaiting);
    let cancelled = panel.record_of("job.cancel").await;
    assert_eq!(state(cancelled.state_after.as_ref())["state"], "cancelled");
    let replayed = panel.record_of("job.replay").await;
    assert_eq!(replayed.reason, "Банк ожил");
    let shown = signed.page(&path).await;
    assert!(shown.contains("Подождём банк") && shown.contains(&format!("/audit/{}", replayed.id)), "{shown}");
    // The page of the act shows the changed field, with both values.
    let page = signed.page(&format!("/audit/{}", replayed.id)).await;
    let changes = page.split("<h2>Изменения").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(changes.contains("<td>cancelled</td><td>queued</td>"), "{changes}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_waiting_job_is_postponed_and_started_at_once(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let purchase = panel.app.begin().await;
    let signed = panel.sign_in("anna", "support").await;
    let job = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0);
    let path = format!("/jobs/{}/reschedule", job.id);
    signed.act(&path, &[("minutes", "60"), ("reason", "Банк чинят")]).await;
    let moved = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0);
    assert!(moved.run_at >= job.created_at + TimeDelta::minutes(60), "{moved:?}");
    signed.refused(&path, &[("minutes", "43201"), ("reason", "Слишком далеко")], 422).await;
    signed.refused(&path, &[("reason", "Без числа")], 422).await;
    signed.act(&path, &[("minutes", "0"), ("reason", "Банк ожил")]).await;
    panel.app.run_due_jobs().await;
    assert_eq!(panel.app.find(purchase).await.state, PurchaseState::Awaiting);
    signed.refused(&path, &[("minutes", "5"), ("reason", "Поздно")], 409).await;
    let reasons: Vec<String> = panel
        .audit()
        .await
        .into_iter()
        .filter(|row| row.action == "job.reschedule")
        .map(|row| row.reason)
        .collect();
    assert_eq!(reasons, ["Банк ожил", "Банк чинят"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_command_moves_the_start_of_a_waiting_job_as_the_panel_does(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let purchase = panel.app.begin().await;
    let job = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0);
    let id = job.id.to_string();
    let move_by = async |minutes: &str, reason: &str| {
        let job = id.as_str();
        let args = ["jobs:reschedule", job, "--minutes", minutes, "--operator", "anna", "--reason", reason];
        panel.app.worker(&args).await
    };
    let told = move_by("60", "Банк чинят").await.told();
    assert!(told.starts_with(&id) && told.contains("UTC"), "{told}");
    let moved = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0);
    assert!(moved.run_at > job.run_at, "{moved:?}");
    let row = panel.record_of("job.reschedule").await;
    assert_eq!((row.operator_login.as_str(), row.reason.as_str()), ("flysk-worker", "Банк чинят"));
    assert_eq!((row.operator_id.is_none(), row.subject_id.as_str()), (true, id.as_str()));
    assert_eq!(state(row.state_before.as_ref())["run_at"], json!(job.run_at.to_rfc3339()));
    assert_eq!(state(row.state_after.as_ref())["operator"], "anna");
    assert!(move_by("43201", "Слишком далеко").await.refused(1).contains("more than 30 days"));
    assert!(move_by("0", " ").await.refused(1).contains("a reason has"), "nothing is moved without a reason");
    let signed = panel.sign_in("boris", "support").await;
    signed.act(&format!("/jobs/{id}/reschedule"), &[("minutes", "0"), ("reason", "Банк ожил")]).await;
    panel.app.run_due_jobs().await;
    assert_eq!(panel.app.find(purchase).await.state, PurchaseState::Awaiting);
    assert!(move_by("5", "Поздно").await.refused(1).contains("not queued"));
}

/// A job that is not cancelled would never end either if it could be postponed again and again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn jobs_of_bulk_acts_and_erasures_are_neither_cancelled_nor_postponed(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let (erasure_id, account_id) = (ErasureId::generate(&panel.app.clock), AccountId(ACCOUNT));
    panel.app.enqueue(&RunBulkAct { bulk_act_id: BulkActId::generate(&panel.app.clock) }).await;
    panel.app.enqueue(&EraseCustomer { erasure_id, account_id }).await;
    panel.app.enqueue(&EraseCalls { erasure_id, account_id }).await;
    let waiting = [
        (panel.app.jobs_of::<RunBulkAct>(JobState::Queued).await, "performs a bulk act"),
        (panel.app.jobs_of::<EraseCustomer>(JobState::Queued).await, "erases the data"),
        (panel.app.jobs_of::<EraseCalls>(JobState::Queued).await, "erases the data"),
    ];
    for (found, told) in waiting {
        let [job] = found.as_slice() else { panic!("{found:?}") };
        let (id, path) = (job.id.to_string(), format!("/jobs/{}", job.id));
        let run_at = async || jobs::find(&mut *panel.app.conn().await, job.id).await.unwrap().unwrap().run_at;
        let reschedule = async |minutes: &str| {
            let job = id.as_str();
            let args =
                ["jobs:reschedule", job, "--minutes", minutes, "--operator", "anna", "--reason", "Потом"];
            panel.app.worker(&args).await
        };
        signed.refused(&format!("{path}/cancel"), &[("reason", "Не нужно")], 422).await;
        let later = [("minutes", "60"), ("reason", "Потом")];
        signed.refused(&format!("{path}/reschedule"), &later, 422).await;
        assert!(reschedule("60").await.refused(1).contains(told));
        assert_eq!(run_at().await, job.run_at, "{}", job.kind);
        // An attempt has failed, and the next one may come earlier than in two hours.
        let next_attempt = job.run_at + TimeDelta::hours(2);
        let fail = sqlx::query("UPDATE jobs SET run_at = ?, push_at = run_at WHERE id = ?");
        fail.bind(next_attempt).bind(&id).execute(&panel.app.pool).await.unwrap();
        signed.act(&format!("{path}/reschedule"), &later).await;
        let sooner = run_at().await;
        assert!(sooner < next_attempt && sooner > panel.app.clock.now(), "{}", job.kind);
        reschedule("0").await.told();
        assert!(run_at().await <= panel.app.clock.now(), "{}", job.kind);
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_page_of_a_job_shows_all_its_attempts(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let purchase = panel.app.begin().await;
    let signed = panel.sign_in("anna", "support").await;
    let job = panel.app.jobs_of::<OpenPayment>(JobState::Queued).await.remove(0);
    let path = format!("/jobs/{}", job.id);
    let waiting = signed.page(&path).await;
    assert!(waiting.contains("Задание ещё не начиналось."), "{waiting}");
    let (started, ended) = (job.created_at, job.created_at + TimeDelta::seconds(2));
    let fence = Fence { job: job.id, number: 0 };
    let failed = EndedAttempt {
        fence,
        attempt: 1,
        outcome: AttemptOutcome::Abandoned,
        worker: Some("worker-that-died"),
        started_at: Some(started),
        ended_at: ended,
        reason: Some("the worker died or froze during the run"),
    };
    jobs::record_attempt(&mut *panel.app.conn().await, &failed).await.unwrap();
    panel.app.run_due_jobs().await;
    assert_eq!(panel.app.find(purchase).await.state, PurchaseState::Awaiting);
    let shown = signed.page(&path).await;
    for part in ["worker-that-died", "воркер пропал", "froze during the run", "выполнено"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let attempts = shown.split("Попытки</h2>").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(
        attempts.matches("<tr").count(),
        3,
        "the head, the successful one and the abandoned one: {attempts}"
    );
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_package_is_offered_changed_and_retired(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let fields = [
        ("widget", "flysense"),
        ("code", "big"),
        ("title", "Большой"),
        ("roubles", "1500"),
        ("coins", ""),
        ("bonus", "300"),
        ("bonus_days", "30"),
        ("reason", "Новый пакет"),
    ];
    signed.act("/packages/offer", &fields).await;
    signed.refused("/packages/offer", &fields, 422).await;
    let widget = panel.app.widget().await.id;
    let offered = purchases::list_packages_on_offer(&mut *panel.app.conn().await, widget).await.unwrap();
    let big = offered.iter().find(|package| package.code.as_str() == "big").unwrap();
    assert_eq!((big.version, big.terms.price.0, big.terms.coins.0), (1, 150_000, 1_500_000_000));
    for (name, value) in [("roubles", "0.5"), ("code", "Большой"), ("widget", "nobody"), ("bonus_days", "x")]
    {
        let wrong = fields.map(|(field, kept)| (field, if field == name { value } else { kept }));
        signed.refused("/packages/offer", &wrong, 422).await;
    }
    let retire = [("widget", "flysense"), ("code", "big"), ("reason", "Не покупают")];
    signed.act("/packages/retire", &retire).await;
    signed.refused("/packages/retire", &retire, 409).await;
    assert_eq!(state(panel.record_of("package.offer").await.state_after.as_ref())["price_kopecks"], 150_000);
    assert_eq!(state(panel.record_of("package.retire").await.state_before.as_ref())["code"], "big");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_price_is_a_new_version_that_never_starts_in_the_past(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "billing").await;
    let fields = [
        ("service", "flysense.recognition"),
        ("unit", "minute"),
        ("rate", "3,5"),
        ("at_least", "15"),
        ("from", ""),
        ("reason", "Подорожало"),
    ];
    signed.act("/prices/set", &fields).await;
    for (name, value) in [
        ("from", "2020-01-01"),
        ("rate", "0"),
        ("unit", "piece"),
        ("service", "nobody.x"),
        ("at_least", "9999"),
    ] {
        let wrong = fields.map(|(field, kept)| (field, if field == name { value } else { kept }));
        signed.refused("/prices/set", &wrong, 422).await;
    }
    let versions = ledger::list_price_versions(&mut *panel.app.conn().await).await.unwrap();
    let newest =
        versions.iter().rfind(|version| version.rule.service.as_str() == "flysense.recognition").unwrap();
    let row = panel.record_of("price.set").await;
    assert_eq!(row.subject_id, format!("flysense.recognition v{}", newest.rule.version));
    assert_eq!(state(row.state_after.as_ref())["rule"], serde_json::to_value(&newest.rule).unwrap());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refused_form_is_offered_again_only_if_it_can_succeed(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "operator").await;
    let again = "id=\"again\"";
    let wallet = format!("/wallets/{}", panel.app.wallet);
    let fields = [("amount", "много"), ("shown", "Сбой"), ("key", "panel-1"), ("reason", "x")];
    let page = signed.refused(&format!("{wallet}/credit"), &fields, 422).await;
    assert!(page.contains(again) && page.contains("<label>Пояснение для клиента <textarea"), "{page}");
    assert!(page.contains("<input type=\"hidden\" name=\"key\" value=\"panel-1\">"), "{page}");
    assert!(page.contains(&format!("<a href=\"{wallet}\" id=\"back\">")), "{page}");
    // The state does not allow it: sending the same again changes nothing.
    let retire = [("widget", "flysense"), ("code", "nothing"), ("reason", "Не покупают")];
    let page = signed.refused("/packages/retire", &retire, 409).await;
    assert!(!page.contains(again) && page.contains("<a href=\"/packages\" id=\"back\">"), "{page}");
    assert!(page.contains("Не покупают"), "what was written can be copied: {page}");
    // The secret is not kept, so the form would be refused without it.
    let register = [("code", "other"), ("client_secret", "topsecret"), ("reason", "Новый")];
    let page = signed.refused("/widgets/register", &register, 422).await;
    assert!(!page.contains(again) && page.contains("Новый") && !page.contains("topsecret"), "{page}");
}
