//! Erasure of an account: dry run, two operators, every table afterwards, a neighbour, crashes, the command.

use chrono::Duration;
use flysk_domain::Clock as _;
use flysk_domain::admin::ErasureState;
use flysk_domain::id::{
    AccountId, BindingId, BotMessageId, ErasureId, HookId, InstallId, LinkId, TranscriptionId,
};
use flysk_domain::platform::purchases::PurchaseState;
use flysk_jobs::flysense::erasure::EraseCalls;
use flysk_jobs::platform::panel::EraseCustomer;
use flysk_services::erasure::calls;
use flysk_store::admin::erasures::{self, Erasure};
use flysk_store::jobs::JobState;
use flysk_suite::environment::ACCOUNT;
use sqlx::{AssertSqlSafe, MySqlPool};

use super::harness::{Panel, Signed};
use crate::harness::{GOOD_CARD, trace};

/// Planted into everything that is erased.
const MARKER: &str = "zebra-marker-17";
/// Planted into the same places of another account.
const NEIGHBOURS: &str = "okapi-marker-18";
const NEIGHBOUR: u64 = 31_999_999;
const DOMAIN: &str = "demo.amocrm.ru";
const REASON: (&str, &str) = ("reason", "Заявление 12");

/// Columns of text or bytes of all tables in which `marker` is found.
async fn columns_with(pool: &MySqlPool, marker: &str) -> Vec<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND data_type IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext',
             'json', 'binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob')
         ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(columns.len() > 200, "only {} columns are searched", columns.len());
    let mut holding = Vec::new();
    for (table, column) in columns {
        let search = format!(
            "SELECT COUNT(*) FROM `{table}` WHERE LOCATE(CAST(? AS BINARY), CAST(`{column}` AS BINARY)) > 0"
        );
        let found: i64 =
            sqlx::query_scalar(AssertSqlSafe(search)).bind(marker).fetch_one(pool).await.unwrap();
        if found > 0 {
            holding.push(format!("{table}.{column}"));
        }
    }
    holding
}

async fn run(panel: &Panel, statement: &'static str, binds: &[&str]) {
    let query = binds.iter().fold(sqlx::query(statement), |query, bind| query.bind(bind.to_string()));
    query.execute(&panel.app.pool).await.unwrap();
}

/// Inserts an ended call with everything that FlySense keeps about it.
async fn insert_call(panel: &Panel, account: u64, marker: &str, note: u64) -> TranscriptionId {
    let id = TranscriptionId::generate(&panel.app.clock);
    let (text, account, note) = (id.to_string(), account.to_string(), note.to_string());
    let install = InstallId::generate(&panel.app.clock).to_string();
    let json = format!("[\"{marker}\"]");
    run(
        panel,
        "INSERT INTO transcriptions (id, account_id, install_id, entity_type, entity_id, note_id, state, left_channel, tags,
                                     summary, summary_written, labels_added, call_key, correlation_id, created_at, updated_at)
         VALUES (?, ?, ?, 'lead', 7, ?, 'done', 'operator', ?, ?, ?, ?, ?, 'call', NOW(6), NOW(6))",
        &[&text, &account, &install, &note, &json, marker, marker, &json, marker],
    )
    .await;
    run(
        panel,
        "INSERT INTO transcripts (transcription_id, utterances, analysis, created_at) VALUES (?, ?, ?, NOW(6))",
        &[&text, marker, marker],
    )
    .await;
    id
}

/// Plants a marker into everything that FlySense keeps about an account.
async fn plant_calls(panel: &Panel, account: u64, marker: &str) -> TranscriptionId {
    let call = insert_call(panel, account, marker, 70).await;
    let (number, hook) = (account.to_string(), HookId::generate(&panel.app.clock).to_string());
    run(
        panel,
        "INSERT INTO flysense_hooks (id, account_id, body, state, received_at) VALUES (?, ?, ?, 'ingested', NOW(6))",
        &[&hook, &number, marker],
    )
    .await;
    run(
        panel,
        "INSERT INTO flysense_events (account_id, event_id, state, created_at, updated_at) VALUES (?, ?, 'absent', NOW(6), NOW(6))",
        &[&number, marker],
    )
    .await;
    run(
        panel,
        "INSERT INTO flysense_tags (account_id, tag_key, text, uses, used_at) VALUES (?, ?, ?, 1, NOW(6))",
        &[&number, marker, marker],
    )
    .await;
    plant_people(panel, &number, marker).await;
    call
}

/// Plants a marker into the people of an account, whose dialogues are its own.
async fn plant_people(panel: &Panel, number: &str, marker: &str) {
    let clock = &panel.app.clock;
    let (install, binding) = (InstallId::generate(clock).to_string(), BindingId::generate(clock).to_string());
    let (link, message) = (LinkId::generate(clock).to_string(), BotMessageId::generate(clock).to_string());
    let body = format!("{{\"text\":\"{marker}\"}}");
    let muted = format!("[\"{marker}\"]");
    run(
        panel,
        "INSERT INTO activation_bindings (id, account_id, install_id, user_id, messenger, messenger_user_id, chat_id, person,
                                          phone_sealed, phone_hash, phone_masked, email_sealed, email_hash, state, muted,
                                          consented_at, updated_at)
         VALUES (?, ?, ?, 501, 'telegram', ?, ?, ?, ?, ?, ?, ?, ?, 'active', ?, NOW(6), NOW(6))",
        &[&binding, number, &install, number, number, marker, marker, marker, marker, marker, marker, &muted],
    )
    .await;
    run(
        panel,
        "INSERT INTO activation_links (id, account_id, install_id, user_id, user_name, token_hash, code_hash, state, expires_at,
                                       code_expires_at, created_at, updated_at)
         VALUES (?, ?, ?, 501, ?, ?, ?, 'done', NOW(6), NOW(6), NOW(6), NOW(6))",
        &[&link, number, &install, marker, &format!("{marker}-token-{number}"), &format!("{marker}-code-{number}")],
    )
    .await;
    run(
        panel,
        "INSERT INTO bot_messages (id, messenger, chat_id, body, state, created_at, updated_at)
         VALUES (?, 'telegram', ?, ?, 'sent', NOW(6), NOW(6))",
        &[&message, number, &body],
    )
    .await;
}

/// Plants the marker into everything that the platform keeps about the account.
async fn plant_customer(panel: &Panel) {
    let install = panel.app.install().await.id.to_string();
    let json = format!("{{\"phone\":\"{MARKER}\"}}");
    run(panel, "UPDATE accounts SET name = ?", &[MARKER]).await;
    let account = ACCOUNT.to_string();
    let renamed = "INSERT INTO account_renames (platform, account_id, changed_at, former_host, former_name)
         VALUES ('amocrm', ?, NOW(6), 'old.amocrm.ru', ?)";
    run(panel, renamed, &[&account, MARKER]).await;
    run(
        panel,
        "UPDATE installs SET settings = ?, settings_version = settings_version + 1 WHERE id = ?",
        &[&json, &install],
    )
    .await;
    run(
        panel,
        "INSERT INTO settings_history (install_id, version, settings, changed_by, changed_at) VALUES (?, 1, ?, ?, NOW(6))",
        &[&install, &json, MARKER],
    )
    .await;
    run(
        panel,
        "UPDATE install_tokens SET access_sealed = ?, refresh_sealed = ?, last_error = ?",
        &[MARKER; 3],
    )
    .await;
    run(panel, "UPDATE lifecycle_events SET data = ?, state = 'delivered'", &[&json]).await;
    run(
        panel,
        "INSERT INTO lifecycle_attempts (event_id, attempt, started_at, took_ms, error, answer_head)
         SELECT id, 1, NOW(6), 1, ?, ? FROM lifecycle_events",
        &[MARKER, MARKER],
    )
    .await;
    run(panel, "UPDATE ledger_transactions SET reference = ?", &[MARKER]).await;
    run(
        panel,
        "UPDATE coin_purchases SET contact_sealed = ?, contact_hash = ?, rebill_sealed = ?, card_pan = ?, body_hash = ?, idem_key = ?",
        &[MARKER; 6],
    )
    .await;
    run(panel, "UPDATE tbank_notifications SET body_sealed = ?", &[MARKER]).await;
    run(
        panel,
        "INSERT INTO payment_cards (id, install_id, terminal_key, payment_row_id, rebill_sealed, pan, linked_at)
         VALUES ('crd_01KC0000000000000000000000', ?, 'demo', 'ipm_01KC0000000000000000000000', ?, ?, NOW(6))",
        &[&install, MARKER, MARKER],
    )
    .await;
    run(
        panel,
        "INSERT INTO mail_preferences (install_id, muted, bad_code, updated_at) VALUES (?, ?, ?, NOW(6))",
        &[&install, &format!("[\"{MARKER}\"]"), MARKER],
    )
    .await;
}

async fn uninstall(panel: &Panel) {
    run(panel, "UPDATE installs SET status = 'uninstalled', disconnected_at = NOW(6)", &[]).await;
}

async fn latest(panel: &Panel) -> Erasure {
    let listed =
        erasures::list_of_account(&mut *panel.app.conn().await, AccountId(ACCOUNT), 1).await.unwrap();
    listed.into_iter().next().expect("an erasure")
}

/// Path of the only act that waits for a second operator.
async fn waiting(signed: &Signed<'_>) -> String {
    let page = signed.page("/approvals").await;
    let rest = page.split("action=\"/approvals/").nth(1).unwrap_or_else(|| panic!("nothing waits: {page}"));
    format!("/approvals/{}", rest.split('/').next().unwrap())
}

/// Erases by the command.
async fn erase(panel: &Panel) -> ErasureId {
    let account = ACCOUNT.to_string();
    let args =
        ["account:erase", "--account", &account, "--domain", DOMAIN, "--reason", "Заявление 12", "--yes"];
    panel.app.worker(&args).await.told();
    latest(panel).await.id
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn nothing_personal_is_left_of_an_erased_account_and_a_neighbour_keeps_all(pool: MySqlPool) {
    let (panel, storage) = Panel::open_with_storage(pool).await;
    let anna = panel.sign_in_with("anna", "billing", &["erase", "export"]).await;
    let boris = panel.sign_in_with("boris", "billing", &["erase"]).await;
    let vera = panel.sign_in("vera", "owner").await;
    panel.app.paid().await;
    let call = plant_calls(&panel, ACCOUNT, MARKER).await;
    plant_calls(&panel, NEIGHBOUR, NEIGHBOURS).await;
    plant_customer(&panel).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let objects = panel.app.executor.app().storage().unwrap();
    // The second one is a copy for the player that no row names.
    for key in [format!("calls/{call}/1-source"), format!("playback/{call}")] {
        objects.put_file(&key, file.path(), "audio/mpeg").await.unwrap();
    }
    anna.act("/export", &[("list", "/accounts"), ("file_format", "csv"), REASON]).await;
    panel.app.run_due_jobs().await;
    assert_eq!(storage.state.objects().unwrap().len(), 3);

    let (page, form) = (format!("/accounts/{ACCOUNT}/erasure"), format!("/accounts/{ACCOUNT}/erase"));
    assert!(!vera.page(&format!("/accounts/{ACCOUNT}")).await.contains(&page), "no role replaces the right");
    assert!(anna.page(&page).await.contains("установлен виджет"));
    anna.refused(&form, &[("domain", DOMAIN), REASON], 409).await;
    uninstall(&panel).await;
    let planted = columns_with(&panel.app.pool, MARKER).await;
    assert!(planted.len() > 20, "{planted:?}");
    let shown = anna.page(&page).await;
    assert!(shown.contains("Тексты разговоров") && shown.contains("402-ФЗ"), "{shown}");
    anna.refused(&form, &[("domain", "other.amocrm.ru"), REASON], 422).await;
    anna.refused(&form, &[("domain", DOMAIN)], 422).await;
    anna.act(&form, &[("domain", DOMAIN), REASON]).await;
    panel.app.run_due_jobs().await;
    assert_eq!(columns_with(&panel.app.pool, MARKER).await, planted, "it waits for a second operator");

    let approval = waiting(&boris).await;
    anna.refused(&format!("{approval}/approve"), &[("reason", "Сама себе")], 422).await;
    vera.refused(&format!("{approval}/approve"), &[("reason", "Без права")], 422).await;
    boris.act(&format!("{approval}/approve"), &[("reason", "Проверено")]).await;
    let job = panel.app.jobs_of::<EraseCustomer>(JobState::Queued).await.remove(0);
    anna.refused(&format!("/jobs/{}/cancel", job.id), &[REASON], 422).await;
    let neighbours = columns_with(&panel.app.pool, NEIGHBOURS).await;
    panel.app.run_due_jobs().await;

    assert_eq!(columns_with(&panel.app.pool, MARKER).await, [""; 0]);
    assert_eq!(columns_with(&panel.app.pool, NEIGHBOURS).await, neighbours);
    assert_eq!(storage.state.objects().unwrap(), [], "recordings and exported files");
    let erasure = latest(&panel).await;
    assert_eq!(erasure.state, ErasureState::Done);
    assert_eq!((erasure.operator_login.as_str(), erasure.approved_login.as_deref()), ("anna", Some("boris")));
    assert_eq!(panel.record_of("account.erase").await.operator_login, "boris");
    let record = panel.record_of("account.erased").await;
    let counts: serde_json::Value = serde_json::from_str(&record.state_after.unwrap()).unwrap();
    for kind in ["transcripts", "calls", "recordings", "hooks", "bindings", "contacts", "cards", "exports"] {
        assert_eq!(counts["erased"][kind], 1, "{kind}: {counts}");
    }
    assert!(anna.page(&page).await.contains("выполнено"));
    panel.app.assert_proven().await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_erasure_that_dies_halfway_goes_on_and_counts_each_call_once(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let mut inserted = Vec::new();
    for note in 0..45 {
        inserted.push(insert_call(&panel, ACCOUNT, MARKER, 100 + note).await);
    }
    uninstall(&panel).await;
    let id = erase(&panel).await;
    // What a worker had committed before it died.
    let mut unit = panel.app.executor.outbox().begin(trace()).await.unwrap();
    calls::erase_calls(&mut unit, id, &inserted[..20], 0).await.unwrap();
    unit.commit().await.unwrap();
    panel.app.run_due_jobs().await;
    let counts = erasures::counts(&mut *panel.app.conn().await, id).await.unwrap();
    let of = |code: &str| counts.iter().find(|count| count.kind.code() == code).map(|count| count.erased);
    assert_eq!((of("calls"), of("transcripts")), (Some(45), Some(45)));
    assert_eq!(latest(&panel).await.state, ErasureState::Done);
    // A job that is delivered once more finds nothing to do.
    panel.app.enqueue(&EraseCalls { erasure_id: id, account_id: AccountId(ACCOUNT) }).await;
    panel.app.enqueue(&EraseCustomer { erasure_id: id, account_id: AccountId(ACCOUNT) }).await;
    panel.app.run_due_jobs().await;
    assert_eq!(erasures::counts(&mut *panel.app.conn().await, id).await.unwrap(), counts);
    panel.record_of("account.erased").await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_address_stays_until_its_payment_has_ended(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let purchase = panel.app.opened().await;
    uninstall(&panel).await;
    erase(&panel).await;
    panel.app.run_due_jobs().await;
    assert!(!panel.app.find(purchase).await.contact_sealed.is_empty());
    let erasure = latest(&panel).await;
    assert!(erasure.state == ErasureState::Running && erasure.calls_done_at.is_some());
    let told = panel.app.bank.state.deliveries().len();
    panel.app.pay(purchase, GOOD_CARD);
    panel.app.apply_notifications(told + 2).await;
    assert_eq!(panel.app.find(purchase).await.state, PurchaseState::Paid);
    panel.app.clock.advance(Duration::minutes(61));
    panel.app.run_due_jobs().await;
    assert!(panel.app.find(purchase).await.contact_sealed.is_empty());
    assert_eq!(latest(&panel).await.state, ErasureState::Done);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_account_that_installs_again_keeps_what_is_left(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    run(&panel, "UPDATE accounts SET name = ?", &[MARKER]).await;
    uninstall(&panel).await;
    erase(&panel).await;
    run(&panel, "UPDATE installs SET status = 'active'", &[]).await;
    panel.app.run_due_jobs().await;
    assert_eq!(latest(&panel).await.state, ErasureState::Stopped);
    assert_eq!(columns_with(&panel.app.pool, MARKER).await, ["accounts.name"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_command_shows_first_and_erases_only_when_told_to(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    run(&panel, "UPDATE accounts SET name = ?", &[MARKER]).await;
    let account = ACCOUNT.to_string();
    let args = ["account:erase", "--account", &account, "--domain", DOMAIN, "--reason", "Заявление 12"];
    let refused = panel.app.worker(&args).await.refused(1);
    assert!(refused.contains("a widget is installed"), "{refused}");
    uninstall(&panel).await;
    let shown = panel.app.worker(&args).await.told();
    assert!(shown.contains("names") && shown.contains("Nothing has changed"), "{shown}");
    assert_eq!(columns_with(&panel.app.pool, MARKER).await, ["accounts.name"]);
    erase(&panel).await;
    let again = args.iter().copied().chain(["--yes"]).collect::<Vec<_>>();
    let refused = panel.app.worker(&again).await.refused(1);
    assert!(refused.contains("runs already"), "{refused}");
    panel.app.run_due_jobs().await;
    assert_eq!(columns_with(&panel.app.pool, MARKER).await, [""; 0]);
    let record = panel.record_of("account.erase").await;
    assert_eq!((record.operator_id, record.operator_login.as_str()), (None, "flysk-worker"));
    assert!(latest(&panel).await.requested_at <= panel.app.clock.now());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_requester_of_any_role_sees_and_withdraws_the_own_request_alone(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let anna = panel.sign_in_with("anna", "support", &["erase"]).await;
    let sonya = panel.sign_in_with("sonya", "support", &["erase"]).await;
    uninstall(&panel).await;
    anna.act(&format!("/accounts/{ACCOUNT}/erase"), &[("domain", DOMAIN), REASON]).await;
    assert!(anna.page("/").await.contains("href=\"/approvals\""), "the section is found");
    assert!(sonya.page("/approvals").await.contains("Заявок нет"), "of others");
    let request = waiting(&anna).await;
    let page = anna.page("/approvals").await;
    assert!(page.contains("Отозвать") && !page.contains(&format!("{request}/approve")), "{page}");
    sonya.refused(&format!("{request}/decline"), &[("reason", "Не моя")], 403).await;
    anna.refused(&format!("{request}/approve"), &[("reason", "Сама себе")], 403).await;
    anna.act(&format!("{request}/decline"), &[("reason", "Ошиблась аккаунтом")]).await;
    let (own, others) = (anna.page("/approvals").await, sonya.page("/approvals").await);
    assert!(own.contains("Заявок нет") && own.contains("отозвана") && !others.contains("отозвана"), "{own}");
    assert_eq!(panel.record_of("approval.decline").await.operator_login, "anna");
    anna.refused(&format!("{request}/decline"), &[("reason", "Ещё раз")], 409).await;
}
