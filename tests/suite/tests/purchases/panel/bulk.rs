//! Bulk acts: dry run, confirmation, a result for each row, pause, taking back.

use chrono::Days;
use flysk_domain::Clock as _;
use flysk_domain::admin::BulkState;
use flysk_domain::id::EventId;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_jobs::platform::panel::RunBulkAct;
use flysk_store::admin::bulk_acts::{self, BulkAct, BulkActFilter};
use flysk_store::admin::listing::Keyset;
use flysk_store::jobs::JobState;
use sqlx::MySqlPool;

use super::harness::{Panel, Signed, value_of};

const REASON: (&str, &str) = ("reason", "Банк ожил");
/// Rows of the tests: more than one slice of the job.
const MANY: usize = 620;

/// Inserts dead jobs of a kind that nobody performs.
pub(super) async fn insert_dead(panel: &Panel, count: usize) {
    let now = panel.app.clock.now();
    let trace = Trace { correlation_id: "copies".to_owned(), traceparent: None };
    for _ in 0..count {
        let id = flysk_domain::id::JobId::generate(&panel.app.clock);
        let job = flysk_store::jobs::NewJob {
            id,
            kind: "test.copy",
            queue: "upkeep",
            priority: 1,
            payload: &serde_json::Value::Null,
            max_attempts: 3,
            run_at: now,
            push_at: now,
            dedup_key: None,
            tenant: None,
            trace: &trace,
            created_at: now,
        };
        flysk_store::jobs::insert(&mut *panel.app.conn().await, &job).await.unwrap();
    }
    let bury = "UPDATE jobs SET state = 'dead', finished_at = created_at WHERE kind = 'test.copy'";
    sqlx::query(bury).execute(&panel.app.pool).await.unwrap();
}

pub(super) async fn count(panel: &Panel, state: &str) -> i64 {
    let counted = "SELECT COUNT(*) FROM jobs WHERE kind = 'test.copy' AND state = ?";
    sqlx::query_scalar(counted).bind(state).fetch_one(&panel.app.pool).await.unwrap()
}

async fn find(panel: &Panel, path: &str) -> BulkAct {
    let id = path.trim_start_matches("/bulk/").parse().unwrap();
    bulk_acts::find(&mut *panel.app.conn().await, id).await.unwrap().unwrap()
}

/// Runs the job of the bulk acts until none waits; the jobs that an act queues stay.
pub(super) async fn run_bulk_jobs(panel: &Panel) {
    for _ in 0..100 {
        let waiting = panel.app.jobs_of::<RunBulkAct>(JobState::Queued).await;
        let Some(job) = waiting.first() else { return };
        panel.app.executor.execute(job.id).await.unwrap();
    }
    panic!("the acts do not come to an end");
}

/// The fields that confirm a dry run of this number of rows.
pub(super) async fn confirmed(
    signed: &Signed<'_>,
    action: &str,
    list: &str,
    query: &str,
) -> Vec<(&'static str, String)> {
    let encoded = query.replace('=', "%3D").replace('&', "%26");
    let path = format!("/bulk/preview?action={action}&list={list}&query={encoded}");
    let page = signed.page(&path).await;
    let fields = ["action", "list", "query", "at", "expected", "key"];
    let mut fields: Vec<_> =
        fields.map(|name| (name, value_of(&page, name).replace("&#38;", "&").replace("&#61;", "="))).into();
    fields.push(("typed", value_of(&page, "expected")));
    fields.push(("reason", "Банк ожил".to_owned()));
    fields
}

pub(super) fn borrowed<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    fields.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

async fn start(signed: &Signed<'_>, action: &str, list: &str, query: &str) -> String {
    let fields = confirmed(signed, action, list, query).await;
    signed.act("/bulk/start", &borrowed(&fields)).await
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_row_gets_a_result_and_the_act_is_taken_back(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    insert_dead(&panel, MANY).await;
    let list = signed.page("/jobs?kind=test.copy").await;
    assert!(list.contains("/bulk/preview?action=job.replay"), "{list}");
    let before = panel.audit().await.len();
    let preview = signed.page("/bulk/preview?action=job.replay&list=/jobs&query=kind%3Dtest.copy").await;
    assert!(preview.contains(&format!("введите число строк: {MANY}")), "{preview}");
    assert!(preview.contains("Вид: test.copy"), "the filter in words: {preview}");
    assert_eq!(
        (count(&panel, "dead").await, panel.audit().await.len()),
        (620, before),
        "nothing has changed"
    );
    // A row that cannot be replayed, and one that comes after the dry run.
    let fields = confirmed(&signed, "job.replay", "/jobs", "kind=test.copy").await;
    panel.app.clock.advance(chrono::Duration::seconds(1));
    insert_dead(&panel, 1).await;
    let one = "UPDATE jobs SET state = 'done' WHERE kind = 'test.copy' ORDER BY id LIMIT 1";
    sqlx::query(one).execute(&panel.app.pool).await.unwrap();
    let path = signed.act("/bulk/start", &borrowed(&fields)).await;
    assert!(signed.page(&path).await.contains("выполняется"));
    run_bulk_jobs(&panel).await;
    let act = find(&panel, &path).await;
    assert_eq!(act.state, BulkState::Done);
    assert_eq!(act.processed() as usize, MANY, "the row of later is not among them");
    let newest: Option<String> = sqlx::query_scalar("SELECT MAX(subject_id) FROM bulk_act_results")
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    assert_eq!(act.last_id, newest, "the oldest come first");
    assert_eq!((act.refused_count, count(&panel, "dead").await), (1, 1));
    assert_eq!(count(&panel, "queued").await, i64::from(act.done_count));
    let results = signed.page(&format!("/bulk-results?act={}&outcome=refused", act.id)).await;
    assert!(results.contains("Повторить можно только"), "{results}");
    let audited = panel.audit().await.iter().filter(|row| row.action == "job.replay").count();
    assert_eq!(audited, act.done_count as usize, "each changed row has a record");
    panel.record_of("bulk.start").await;
    panel.app.enqueue(&RunBulkAct { bulk_act_id: act.id }).await;
    run_bulk_jobs(&panel).await;
    assert_eq!(find(&panel, &path).await.processed(), act.processed(), "a second run changes nothing");
    // One of the jobs has started meanwhile: it stays.
    let started =
        "UPDATE jobs SET state = 'running' WHERE kind = 'test.copy' AND state = 'queued' ORDER BY id LIMIT 1";
    sqlx::query(started).execute(&panel.app.pool).await.unwrap();
    // Another one has started and waits for its next attempt.
    let failed_once = "UPDATE jobs SET started_at = run_at
                       WHERE kind = 'test.copy' AND state = 'queued' ORDER BY id DESC LIMIT 1";
    sqlx::query(failed_once).execute(&panel.app.pool).await.unwrap();
    let undo = signed.act(&format!("{path}/undo"), &[REASON]).await;
    run_bulk_jobs(&panel).await;
    let taken_back = find(&panel, &undo).await;
    assert_eq!((taken_back.state, taken_back.refused_count), (BulkState::Done, 2));
    assert_eq!(count(&panel, "cancelled").await, i64::from(act.done_count) - 2);
    let results = signed.page(&format!("/bulk-results?act={}&outcome=refused", taken_back.id)).await;
    assert!(results.contains("Задание уже начиналось"), "{results}");
    signed.refused(&format!("{path}/undo"), &[REASON], 409).await;
    assert_eq!(panel.record_of("bulk.undo").await.reason, "Банк ожил");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_confirmation_that_is_sent_twice_starts_one_act(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    insert_dead(&panel, 3).await;
    let fields = confirmed(&signed, "job.replay", "/jobs", "kind=test.copy&state=dead").await;
    let path = signed.act("/bulk/start", &borrowed(&fields)).await;
    assert_eq!(signed.act("/bulk/start", &borrowed(&fields)).await, path);
    assert_eq!(panel.app.jobs_of::<RunBulkAct>(JobState::Queued).await.len(), 1);
    let (any, newest) = (BulkActFilter::default(), Keyset::newest(10));
    assert_eq!(bulk_acts::ids(&mut *panel.app.conn().await, &any, &newest).await.unwrap().len(), 1);
    panel.record_of("bulk.start").await;
    // Another dry run is another act.
    let again = confirmed(&signed, "job.replay", "/jobs", "kind=test.copy&state=dead").await;
    assert_ne!(signed.act("/bulk/start", &borrowed(&again)).await, path);
    let unkeyed: Vec<_> = again.into_iter().filter(|(name, _)| *name != "key").collect();
    signed.refused("/bulk/start", &borrowed(&unkeyed), 404).await;
}

/// Starts an act on [`MANY`] jobs and runs its first attempt, which is a slice of the rows; returns the act's path, and the act.
async fn start_many(panel: &Panel, signed: &Signed<'_>) -> (String, BulkAct) {
    insert_dead(panel, MANY).await;
    let path = start(signed, "job.replay", "/jobs", "kind=test.copy&state=dead").await;
    let job = panel.app.jobs_of::<RunBulkAct>(JobState::Queued).await.remove(0);
    panel.app.executor.execute(job.id).await.unwrap();
    let slice = find(panel, &path).await;
    assert!(
        slice.state == BulkState::Running && slice.processed() > 0 && (slice.processed() as usize) < MANY
    );
    (path, slice)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_paused_act_goes_on_where_it_was_and_a_stopped_one_does_not(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    let (path, slice) = start_many(&panel, &signed).await;
    signed.act(&format!("{path}/pause"), &[]).await;
    run_bulk_jobs(&panel).await;
    assert_eq!(find(&panel, &path).await.processed(), slice.processed(), "a paused act changes nothing");
    signed.refused(&format!("{path}/pause"), &[], 409).await;
    panel.app.enqueue(&RunBulkAct { bulk_act_id: slice.id }).await;
    let job = panel.app.jobs_of::<RunBulkAct>(JobState::Queued).await.remove(0);
    signed.refused(&format!("/jobs/{}/cancel", job.id), &[REASON], 422).await;
    let told = panel.app.worker(&["jobs:cancel", &job.id.to_string()]).await.refused(1);
    assert!(told.contains("performs a bulk act"), "the command follows the same rule: {told}");
    signed.act(&format!("{path}/resume"), &[REASON]).await;
    run_bulk_jobs(&panel).await;
    let act = find(&panel, &path).await;
    assert_eq!((act.state, act.done_count as usize), (BulkState::Done, MANY), "each row once");
    let path = start(&signed, "job.cancel", "/jobs", "kind=test.copy&state=queued").await;
    signed.act(&format!("{path}/stop"), &[]).await;
    run_bulk_jobs(&panel).await;
    assert_eq!((find(&panel, &path).await.state, count(&panel, "cancelled").await), (BulkState::Stopped, 0));
    signed.refused(&format!("{path}/resume"), &[REASON], 409).await;
    for (action, state) in [("bulk.pause", "paused"), ("bulk.resume", "running"), ("bulk.stop", "stopped")] {
        let after = panel.record_of(action).await.state_after.unwrap();
        assert!(after.contains(state), "{action}: {after}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_number_that_does_not_fit_starts_nothing(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    insert_dead(&panel, 3).await;
    let fields = confirmed(&signed, "job.replay", "/jobs", "kind=test.copy&state=dead").await;
    let with = |name: &'static str, value: &'static str| -> Vec<(&'static str, String)> {
        let changed = fields
            .iter()
            .map(|(field, kept)| (*field, if *field == name { value.to_owned() } else { kept.clone() }));
        changed.collect()
    };
    for (name, value, status) in [
        ("typed", "4", 422),
        ("typed", "", 422),
        ("reason", "", 422),
        ("action", "event.replay", 404),
        ("list", "/nowhere", 404),
        ("query", "state=x", 422),
        ("at", "2020-01-01T00:00:00Z", 409),
        ("at", "2100-01-01T00:00:00Z", 409),
    ] {
        signed.refused("/bulk/start", &borrowed(&with(name, value)), status).await;
    }
    // Another job of the time before has died since the dry run.
    let revived = "UPDATE jobs SET state = 'done' WHERE kind = 'test.copy' ORDER BY id LIMIT 1";
    sqlx::query(revived).execute(&panel.app.pool).await.unwrap();
    let fewer = confirmed(&signed, "job.replay", "/jobs", "kind=test.copy&state=dead").await;
    sqlx::query("UPDATE jobs SET state = 'dead' WHERE kind = 'test.copy'")
        .execute(&panel.app.pool)
        .await
        .unwrap();
    signed.refused("/bulk/start", &borrowed(&fewer), 409).await;
    assert_eq!(panel.app.jobs_of::<RunBulkAct>(JobState::Queued).await.len(), 0);
    assert_eq!(count(&panel, "dead").await, 3);
}

/// Values of the check boxes on a page.
fn boxes(page: &str) -> Vec<String> {
    let values = page.split("name=\"row\" value=\"").skip(1);
    values.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_act_on_ticked_rows_changes_these_and_no_others(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    insert_dead(&panel, 5).await;
    let all = boxes(&signed.page("/jobs?kind=test.copy").await);
    assert_eq!(all.len(), 5, "{all:?}");
    let address = "/bulk/preview?list=/jobs&boxes=yes&action=job.replay";
    let path = format!("{address}&row={}&row={}&row=%27", all[1], all[3]);
    let preview = signed.page(&path).await;
    assert!(preview.contains("введите число строк: 2"), "{preview}");
    assert!(preview.contains("отмеченные строки, всего 2"), "{preview}");
    let query = value_of(&preview, "query").replace("&#38;", "&").replace("&#61;", "=");
    let list = signed.page(&format!("/jobs?{query}")).await;
    assert!(list.contains("Найдено: 2") && boxes(&list) == [all[1].clone(), all[3].clone()], "{list}");
    let start = start(&signed, "job.replay", "/jobs", &query).await;
    run_bulk_jobs(&panel).await;
    let act = find(&panel, &start).await;
    assert_eq!((act.state, act.done_count, count(&panel, "dead").await), (BulkState::Done, 2, 3));
    let queued: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM jobs WHERE kind = 'test.copy' AND state = 'queued' ORDER BY id DESC",
    )
    .fetch_all(&panel.app.pool)
    .await
    .unwrap();
    assert_eq!(queued, [all[1].clone(), all[3].clone()]);
    // Nothing ticked, more than can be ticked, and an operator without the right.
    let many: Vec<String> = (0..31).map(|number| format!("row=job_{number:026}")).collect();
    for (rows, said) in [(String::new(), "Отметьте хотя бы"), (many.join("&"), "больше 30 строк")]
    {
        let answer = panel.get_as(&signed.cookie, &format!("{address}&{rows}")).await;
        assert_eq!(answer.status().as_u16(), 422, "{rows}");
        assert!(answer.text().await.unwrap().contains(said));
    }
    let other = panel.sign_in("boris", "owner").await;
    assert_eq!(boxes(&other.page("/jobs?kind=test.copy").await), Vec::<String>::new());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_of_a_filter_are_delivered_again(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    let install = panel.app.install().await;
    let known: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM lifecycle_events").fetch_one(&panel.app.pool).await.unwrap();
    assert!(known > 0, "the install has events");
    let query = format!("install={}", install.id);
    let path = start(&signed, "event.replay", "/events", &query).await;
    run_bulk_jobs(&panel).await;
    let act = find(&panel, &path).await;
    assert_eq!((act.state, i64::from(act.done_count)), (BulkState::Done, known));
    assert!(!panel.app.jobs_of::<DeliverEvent>(JobState::Queued).await.is_empty());
    let page = signed.page(&path).await;
    assert!(!page.contains("/undo"), "a delivery cannot be taken back: {page}");
    signed.refused(&format!("{path}/undo"), &[REASON], 422).await;
}

/// A vendor whose backend was down on some days needs the events of these days, and no others.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_of_a_range_of_days_are_delivered_again(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let counted = "SELECT COUNT(*) FROM lifecycle_events";
    let known: i64 = sqlx::query_scalar(counted).fetch_one(&panel.app.pool).await.unwrap();
    let oldest: String =
        sqlx::query_scalar("SELECT MIN(id) FROM lifecycle_events").fetch_one(&panel.app.pool).await.unwrap();
    let first = moscow_day(oldest.parse::<EventId>().unwrap().time());
    let last = moscow_day(panel.app.clock.now());
    panel.app.clock.advance(chrono::Duration::days(3));
    let signed = panel.sign_in_with("anna", "operator", &["bulk"]).await;
    signed.act(&format!("/installs/{}/switch-off", panel.app.install().await.id), &[REASON]).await;
    let all: i64 = sqlx::query_scalar(counted).fetch_one(&panel.app.pool).await.unwrap();
    assert!(known > 0 && all > known, "{known} of {all}");
    let (range, later) = (format!("from={first}&until={last}"), format!("from={}", last + Days::new(1)));
    for (filter, found) in [(&range, known), (&later, all - known)] {
        let list = signed.page(&format!("/events?{filter}")).await;
        assert!(list.contains(&format!("Найдено: {found}<")), "{filter}: {list}");
    }
    let path = start(&signed, "event.replay", "/events", &range).await;
    run_bulk_jobs(&panel).await;
    let act = find(&panel, &path).await;
    assert_eq!((act.state, i64::from(act.done_count)), (BulkState::Done, known));
    let replayed = panel.audit().await.into_iter().filter(|row| row.action == "event.replay").count();
    assert_eq!(i64::try_from(replayed).unwrap(), known);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_event_of_a_cancelled_delivery_does_not_hold_up_the_later_ones(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let signed = panel.sign_in("anna", "support").await;
    let event: String = sqlx::query_scalar("SELECT id FROM lifecycle_events LIMIT 1")
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    signed.act(&format!("/events/{event}/replay"), &[REASON]).await;
    let job = panel.app.jobs_of::<DeliverEvent>(JobState::Queued).await.remove(0);
    signed.act(&format!("/jobs/{}/cancel", job.id), &[REASON]).await;
    let state: String = sqlx::query_scalar("SELECT state FROM lifecycle_events WHERE id = ?")
        .bind(&event)
        .fetch_one(&panel.app.pool)
        .await
        .unwrap();
    assert_eq!(state, "failed");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_act_ends_when_its_operator_may_not_act_any_more(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    let owner = panel.sign_in_with("boris", "owner", &["bulk"]).await;
    let signed = panel.sign_in_with("anna", "support", &["bulk"]).await;
    let (path, slice) = start_many(&panel, &signed).await;
    let disable = "UPDATE operators SET disabled_at = created_at WHERE login = 'anna'";
    sqlx::query(disable).execute(&panel.app.pool).await.unwrap();
    run_bulk_jobs(&panel).await;
    let act = find(&panel, &path).await;
    assert_eq!((act.state, act.processed()), (BulkState::Stopped, slice.processed()));
    assert!(act.finished_at.is_some());
    let row = panel.record_of("bulk.stop").await;
    assert_eq!((row.operator_login.as_str(), row.reason.as_str()), ("flysk-worker", "Оператор отключён."));
    assert_eq!(row.correlation_id, act.correlation_id);
    assert!(owner.page(&path).await.contains("Оператор отключён."));
    // Another operator takes back what was done.
    let undo = owner.act(&format!("{path}/undo"), &[REASON]).await;
    run_bulk_jobs(&panel).await;
    assert_eq!(find(&panel, &undo).await.done_count, act.done_count);

    let vera = panel.sign_in_with("vera", "support", &["bulk"]).await;
    let path = start(&vera, "job.replay", "/jobs", "kind=test.copy&state=dead").await;
    let withdraw = "UPDATE operators SET rights = '' WHERE login = 'vera'";
    sqlx::query(withdraw).execute(&panel.app.pool).await.unwrap();
    run_bulk_jobs(&panel).await;
    let act = find(&panel, &path).await;
    assert_eq!((act.state, act.processed()), (BulkState::Stopped, 0));
    assert!(owner.page(&path).await.contains("отозвано право «Массовые действия»"));
}
