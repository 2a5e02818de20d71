//! Exports of lists: requested with a reason, written by a job, downloaded by who requested them, deleted in time.

use std::io::{Cursor, Read as _};

use chrono::Duration;
use flysk_jobs::platform::panel::{SweepExports, WriteExport};
use flysk_store::admin::exports::{self, ExportState, ListExport};
use flysk_store::jobs::JobState;
use reqwest::StatusCode;
use sqlx::MySqlPool;

use super::harness::{Panel, Signed};

const REASON: (&str, &str) = ("reason", "Сверка");

async fn find(panel: &Panel, path: &str) -> ListExport {
    let id = path.trim_start_matches("/exports/").parse().unwrap();
    exports::find(&mut *panel.app.conn().await, id).await.unwrap().unwrap()
}

/// Requests an export and lets the job write it; returns its page.
pub(super) async fn export(signed: &Signed<'_>, list: &str, query: &str, format: &str) -> String {
    let fields = [("list", list), ("query", query), ("file_format", format), REASON];
    let path = signed.act("/export", &fields).await;
    assert_eq!(find(signed.panel, &path).await.state, ExportState::Writing);
    signed.refused(&format!("{path}/download"), &[], 409).await;
    signed.panel.app.run_due_jobs().await;
    assert_eq!(find(signed.panel, &path).await.state, ExportState::Ready);
    path
}

pub(super) async fn download(signed: &Signed<'_>, path: &str) -> Vec<u8> {
    let answer = signed.post(&format!("{path}/download"), &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let disposition = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment; filename=\"purchases-"), "{disposition}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.bytes().await.unwrap().to_vec()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_csv_has_the_rows_of_the_filter_without_formulas(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    let paid = panel.app.paid().await;
    let opened = panel.app.opened().await;
    sqlx::query("UPDATE accounts SET name = '=1+1;\"x\"'").execute(&panel.app.pool).await.unwrap();
    assert!(signed.page("/purchases").await.contains("action=\"/export\""));
    let path = export(&signed, "/purchases", "state=paid&after=pur_1&hide=3", "csv").await;
    let text = String::from_utf8(download(&signed, &path).await).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("\u{feff}\"Создана\";"), "{text}");
    assert!(lines[1].contains(&paid.to_string()) && !text.contains(&opened.to_string()), "{text}");
    assert!(lines[1].contains("\"'=1+1;\"\"x\"\"\""), "{text}");
    assert!(
        lines[1].contains(";500;") && !text.contains("Стартовый"),
        "amounts are numbers, column 3 is hidden: {text}"
    );
    let row = panel.record_of("list.export").await;
    assert_eq!((row.subject_id.as_str(), row.reason.as_str()), ("/purchases", "Сверка"));
    assert!(row.state_after.unwrap().contains("\"query\":\"state=paid&hide=3\""));
    let row = panel.record_of("export.download").await;
    assert_eq!((row.operator_login.as_str(), format!("/exports/{}", row.subject_id)), ("anna", path));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_workbook_has_strings_numbers_and_all_batches(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    let paid = panel.app.paid().await;
    sqlx::query("UPDATE accounts SET name = '=1+1<b>'").execute(&panel.app.pool).await.unwrap();
    // More than two batches of jobs.
    let copies = "INSERT INTO jobs (id, kind, queue, priority, state, payload, max_attempts, run_at, push_at, correlation_id, created_at)
        SELECT CONCAT('job_00', LPAD(first.n * 50 + second.n, 24, '0')), 'test.copy', 'upkeep', 1, 'done', '{}', 1, NOW(6), NOW(6), 'copy', NOW(6)
        FROM (SELECT ROW_NUMBER() OVER (ORDER BY table_name, column_name) AS n FROM information_schema.columns LIMIT 50) first,
             (SELECT ROW_NUMBER() OVER (ORDER BY table_name, column_name) AS n FROM information_schema.columns LIMIT 50) second";
    sqlx::query(copies).execute(&panel.app.pool).await.unwrap();
    let path = export(&signed, "/jobs", "kind=test.copy", "xlsx").await;
    assert_eq!(find(&panel, &path).await.rows_written, 2_500);
    let path = export(&signed, "/purchases", "", "xlsx").await;
    let mut archive = zip::ZipArchive::new(Cursor::new(download(&signed, &path).await)).unwrap();
    let mut sheet = String::new();
    archive.by_name("xl/worksheets/sheet1.xml").unwrap().read_to_string(&mut sheet).unwrap();
    assert!(sheet.contains(&paid.to_string()) && sheet.contains(">=1+1&lt;b&gt;</t>"), "{sheet}");
    assert!(sheet.contains("<c><v>500</v></c>") && !sheet.contains("<f"), "{sheet}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn rows_that_come_later_are_not_in_an_export(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    panel.app.begin().await;
    let path = signed.act("/export", &[("list", "/purchases"), ("file_format", "csv"), REASON]).await;
    panel.app.clock.advance(Duration::seconds(1));
    panel.app.begin().await;
    panel.app.run_due_jobs().await;
    assert_eq!(find(&panel, &path).await.rows_written, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_died_after_the_upload_writes_the_file_anew(pool: MySqlPool) {
    let (panel, storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    panel.app.begin().await;
    let path = export(&signed, "/purchases", "", "csv").await;
    let keys = || storage.state.objects().unwrap().into_iter().map(|object| object.key).collect::<Vec<_>>();
    let (before, written) = (find(&panel, &path).await, keys());
    let undo = "UPDATE list_exports SET state = 'writing', expires_at = NULL, file_bytes = NULL";
    sqlx::query(undo).execute(&panel.app.pool).await.unwrap();
    for _ in 0..2 {
        panel.app.enqueue(&WriteExport { export_id: before.id }).await;
        panel.app.run_due_jobs().await;
        let after = find(&panel, &path).await;
        // The purchase may have another state by now, so the size of the file is another.
        assert_eq!((after.state, after.rows_written), (ExportState::Ready, before.rows_written));
        assert_eq!(keys(), written);
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_export_belongs_to_its_operator_and_ends_after_a_day(pool: MySqlPool) {
    let (panel, storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    let other = panel.sign_in_with("boris", "owner", &["export"]).await;
    panel.app.begin().await;
    let path = export(&signed, "/purchases", "", "csv").await;
    assert!(signed.page("/exports").await.contains(&path) && !other.page("/exports").await.contains(&path));
    assert_eq!(panel.get_as(&other.cookie, &path).await.status(), StatusCode::NOT_FOUND);
    other.refused(&format!("{path}/download"), &[], 404).await;
    assert_eq!(storage.state.objects().unwrap().len(), 1);
    panel.app.enqueue(&SweepExports {}).await;
    panel.app.run_due_jobs().await;
    assert_eq!(storage.state.objects().unwrap().len(), 1, "its time is not over");
    panel.app.clock.advance(Duration::hours(25));
    panel.app.enqueue(&SweepExports {}).await;
    panel.app.run_due_jobs().await;
    assert_eq!(storage.state.objects().unwrap(), []);
    assert_eq!(find(&panel, &path).await.state, ExportState::Deleted);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_file_that_cannot_be_stored_is_written_again_and_at_last_given_up(pool: MySqlPool) {
    let (panel, storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    panel.app.begin().await;
    // Another key: the storage refuses to write.
    let executor = panel.app.executor_with("FLYSK_STORAGE_SECRET_ACCESS_KEY", "wrong").await;
    let path = signed.act("/export", &[("list", "/purchases"), ("file_format", "csv"), REASON]).await;
    for _ in 0..4 {
        panel.app.run_due_jobs_on(&executor).await;
        panel.app.clock.advance(Duration::minutes(30));
    }
    assert_eq!(panel.app.jobs_of::<WriteExport>(JobState::Dead).await.len(), 1);
    let failed = find(&panel, &path).await;
    assert!(failed.state == ExportState::Failed && failed.expires_at.is_some(), "{failed:?}");
    assert_eq!(storage.state.objects().unwrap(), []);
    // What an attempt may have stored is deleted, and the export stays failed.
    panel.app.enqueue(&SweepExports {}).await;
    panel.app.run_due_jobs().await;
    let swept = find(&panel, &path).await;
    assert_eq!((swept.state, swept.expires_at), (ExportState::Failed, None));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wrong_request_exports_nothing(pool: MySqlPool) {
    let (panel, _storage) = Panel::open_with_storage(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    signed.refused("/export", &[("list", "/nowhere"), REASON], 404).await;
    signed.refused("/export", &[("list", "/jobs"), ("query", "state=x"), REASON], 422).await;
    signed.refused("/export", &[("list", "/jobs"), ("file_format", "exe"), REASON], 422).await;
    signed.refused("/export", &[("list", "/jobs")], 422).await;
    for _ in 0..3 {
        signed.act("/export", &[("list", "/jobs"), REASON]).await;
    }
    signed.refused("/export", &[("list", "/jobs"), REASON], 422).await;
    let mut waiting = panel.app.jobs_of::<WriteExport>(JobState::Queued).await;
    assert_eq!(waiting.len(), 3);
    // A cancelled job ends its export, so that another one may begin.
    signed.act(&format!("/jobs/{}/cancel", waiting.remove(0).id), &[REASON]).await;
    signed.act("/export", &[("list", "/jobs"), REASON]).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn without_object_storage_nothing_is_exported(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["export"]).await;
    assert!(!signed.page("/jobs").await.contains("action=\"/export\""));
    let page = signed.refused("/export", &[("list", "/jobs"), REASON], 422).await;
    assert!(page.contains("Хранилище файлов не настроено"), "{page}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_export_fails_when_its_operator_may_not_export_any_more(pool: MySqlPool) {
    let (panel, storage) = Panel::open_with_storage(pool).await;
    panel.app.begin().await;
    for (login, change, reason) in [
        ("anna", "disabled_at = created_at", "Оператор отключён."),
        ("vera", "rights = 'bulk'", "У оператора отозвано право «Выгрузка списков»."),
    ] {
        let signed = panel.sign_in_with(login, "support", &["export"]).await;
        let path = signed.act("/export", &[("list", "/purchases"), REASON]).await;
        let change = format!("UPDATE operators SET {change} WHERE login = ?");
        sqlx::query(sqlx::AssertSqlSafe(change)).bind(login).execute(&panel.app.pool).await.unwrap();
        panel.app.run_due_jobs().await;
        let failed = find(&panel, &path).await;
        assert_eq!((failed.state, failed.rows_written), (ExportState::Failed, 0), "{login}");
        assert_eq!(storage.state.objects().unwrap(), []);
        let audit = panel.audit().await;
        let row = audit.iter().find(|row| row.subject_id == failed.id.to_string()).expect("a row");
        assert_eq!((row.action.as_str(), row.reason.as_str()), ("export.stop", reason));
    }
}
