//! A bulk act takes 100,000 rows, and not one more.

use flysk_domain::admin::MAX_BULK_ROWS;
use flysk_jobs::platform::panel::RunBulkAct;
use flysk_store::admin::bulk_acts::{self, BulkActFilter};
use flysk_store::admin::listing::Keyset;
use flysk_store::jobs::JobState;
use sqlx::{AssertSqlSafe, MySqlPool};

use super::bulk::{borrowed, confirmed, count, insert_dead};
use super::harness::Panel;

/// The filter of «Повторить задания: все найденные» on the list of these jobs.
const QUERY: &str = "kind=test.copy&state=dead";
/// The same for a page's address.
const ENCODED: &str = "kind%3Dtest.copy%26state%3Ddead";

/// Inserts as many dead jobs as a bulk act takes, by one statement: one for each number of five digits.
async fn insert_most(panel: &Panel) {
    let digit =
        "(SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL
                  SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let statement = format!(
        "INSERT INTO jobs (id, kind, queue, priority, state, payload, max_attempts, run_at, push_at, correlation_id, created_at,
                           finished_at)
         SELECT CONCAT('job_00', LPAD(a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000, 24, '0')), 'test.copy', 'upkeep', 1,
                'dead', '{{}}', 1, NOW(6), NOW(6), 'crowd', NOW(6), NOW(6)
         FROM {digit} a CROSS JOIN {digit} b CROSS JOIN {digit} c CROSS JOIN {digit} d CROSS JOIN {digit} e"
    );
    let inserted = sqlx::query(AssertSqlSafe(statement)).execute(&panel.app.pool).await.unwrap();
    assert_eq!(inserted.rows_affected(), u64::from(MAX_BULK_ROWS));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_act_on_more_rows_than_the_limit_is_refused_and_changes_nothing(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    let set_state = async |state: &str| {
        let set = "UPDATE jobs SET state = ? WHERE kind = 'test.copy' AND correlation_id = 'copies'";
        sqlx::query(set).bind(state).execute(&panel.app.pool).await.unwrap();
    };
    insert_dead(&panel, 1).await;
    set_state("done").await;
    insert_most(&panel).await;
    // As many as it takes.
    let fields = confirmed(&signed, "job.replay", "/jobs", QUERY).await;
    let expected = fields.iter().find(|(name, _)| *name == "expected").map(|(_, value)| value.as_str());
    assert_eq!(expected, Some(MAX_BULK_ROWS.to_string().as_str()));
    // One more, after the dry run and before it.
    set_state("dead").await;
    let told = "Под фильтр попадает больше 100 000 строк. Сузьте фильтр.";
    let page = signed.refused("/bulk/start", &borrowed(&fields), 422).await.replace('\u{a0}', " ");
    assert!(page.contains(told), "{page}");
    let preview = format!("/bulk/preview?action=job.replay&list=/jobs&query={ENCODED}");
    let answer = panel.get_as(&signed.cookie, &preview).await;
    assert_eq!(answer.status().as_u16(), 422);
    let page = answer.text().await.unwrap().replace('\u{a0}', " ");
    assert!(page.contains(told) && !page.contains("/bulk/start"), "{page}");
    // Nothing is half done.
    assert_eq!(count(&panel, "dead").await, i64::from(MAX_BULK_ROWS) + 1);
    let (any, newest) = (BulkActFilter::default(), Keyset::newest(1));
    assert!(bulk_acts::ids(&mut *panel.app.conn().await, &any, &newest).await.unwrap().is_empty());
    assert!(panel.app.jobs_of::<RunBulkAct>(JobState::Queued).await.is_empty());
    let audited = panel.audit().await;
    assert!(audited.iter().all(|row| row.subject_kind != "bulk" && row.subject_kind != "job"), "{audited:?}");
    // With a narrower filter it goes on.
    let narrower = format!("{preview}%26correlation%3Dcopies");
    assert!(signed.page(&narrower).await.contains("введите число строк: 1."));
}
