//! A test event reaches the vendor's backend, and the log shows body, attempts and answers; a page reads as many rows as it shows.

use flysk_domain::Clock as _;
use flysk_domain::id::{AccountId, VendorId, WidgetId};
use flysk_domain::platform::events::AttemptOutcome;
use flysk_simulators::{Act, Script};
use flysk_store::Conn;
use flysk_store::platform::events;
use flysk_store::platform::widgets::{self, Changes};
use flysk_store::portal::NEWEST;
use flysk_store::portal::deliveries::{self, LogFilter, LogPage};
use flysk_suite::environment::ACCOUNT;
use sqlx::{MySqlPool, Row as _};

use super::harness::{Member, Portal};

/// The installed widget is the vendor's, and its events go to the backend.
pub(super) async fn addressed(portal: &Portal, vendor: VendorId) -> WidgetId {
    let widget = portal.give_widget(vendor).await;
    let app = &portal.panel.app;
    let changes =
        Changes { event_url: Some(Some(format!("{}/hooks", portal.backend.url))), ..Changes::default() };
    widgets::update(&mut *app.conn().await, widget, &changes, app.clock.now()).await.unwrap();
    widget
}

/// Sends a test event; returns the path of its page.
pub(super) async fn test_event(member: &Member<'_>, widget: WidgetId) -> String {
    let path = member.act(&format!("/portal/widgets/{widget}/test-event"), &[("account", "")]).await;
    member.portal.panel.app.run_due_jobs().await;
    path
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_test_event_is_delivered_shown_and_delivered_again(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let widget = addressed(&portal, vendor).await;
    let answer = Act::Answer { status: 500, headers: Vec::new(), body: "out of order".to_owned() };
    portal.backend.control.script(Script::next("/hooks", answer));
    let path = test_event(&member, widget).await;
    let page = member.page(&path).await;
    assert!(page.contains("Тело запроса") && page.contains("&#34;type&#34;: &#34;test&#34;"), "{page}");
    assert!(page.contains(">500<") && page.contains("out of order"), "the first answer: {page}");
    portal.panel.app.clock.advance(chrono::Duration::seconds(11));
    portal.panel.app.run_due_jobs().await;
    assert_eq!(portal.backend.state.received().len(), 1);
    let sent = &portal.backend.state.received()[0].body;
    assert!(page.contains(sent["id"].as_str().unwrap()));
    let log = member.page(&format!("/portal/deliveries?widget={widget}")).await;
    assert!(log.contains(">500<") && log.contains(">204<") && log.contains(&path), "{log}");
    let failed = member.page(&format!("/portal/deliveries?widget={widget}&outcome=failed")).await;
    assert!(failed.contains(">500<") && !failed.contains(">204<"), "{failed}");
    let none = member.page(&format!("/portal/deliveries?widget={widget}&account=1")).await;
    assert!(none.contains("Таких попыток не было"), "{none}");
    let of_account = member.page(&format!("/portal/deliveries?widget={widget}&account={ACCOUNT}")).await;
    assert!(of_account.contains(">204<"), "{of_account}");
    let unanswered =
        "UPDATE lifecycle_attempts SET status = NULL, answer_head = NULL, error = 'connection failed'
        WHERE status = 500";
    sqlx::query(unanswered).execute(&portal.panel.app.pool).await.unwrap();
    for page in [path.clone(), format!("/portal/deliveries?widget={widget}")] {
        let page = member.page(&page).await;
        assert!(page.contains("соединение не установлено") && !page.contains("connection failed"), "{page}");
    }
    member.act(&format!("{path}/replay"), &[]).await;
    portal.panel.app.run_due_jobs().await;
    assert_eq!(portal.backend.state.received().len(), 2);
    portal.panel.record_of("event.replay").await;
    let event = path.trim_start_matches("/portal/events/").parse().unwrap();
    assert!(events::find(&mut *portal.panel.app.conn().await, event).await.unwrap().is_some());
}

/// Rows that the session has read, counted by the server.
pub(super) async fn rows_read(conn: &mut Conn) -> u64 {
    let counters = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(conn).await.unwrap();
    counters.iter().map(|counter| counter.get_unchecked::<String, _>(1).parse::<u64>().unwrap()).sum()
}

/// Reads the newest page; returns it and the number of rows read for it.
async fn page_of(conn: &mut Conn, vendor: VendorId, widget: WidgetId, filter: LogFilter) -> (LogPage, u64) {
    let start = rows_read(conn).await;
    let before = rows_read(conn).await;
    let page = deliveries::page(conn, vendor, widget, filter, NEWEST, 50).await.unwrap();
    let after = rows_read(conn).await;
    // Reading the counters reads rows, too.
    (page, (after - before).saturating_sub(before - start))
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_of_the_log_reads_as_many_rows_as_it_shows(pool: MySqlPool) {
    let portal = Portal::open(pool).await;
    let vendor = portal.vendor("romashka").await;
    let member = portal.member(vendor, "vera@romashka.example").await;
    let widget = addressed(&portal, vendor).await;
    let path = test_event(&member, widget).await;
    let event = path.trim_start_matches("/portal/events/").to_owned();
    // Thousands of delivered attempts, and two that failed.
    let fill = "INSERT INTO lifecycle_attempts (widget_id, event_id, attempt, started_at, took_ms, status)
        SELECT ?, ?, 1, NOW(6), 5, IF(a.n = 1 AND b.n < 3, 500, 200)
        FROM (SELECT ROW_NUMBER() OVER (ORDER BY table_name, column_name) AS n FROM information_schema.columns LIMIT 80) a,
             (SELECT ROW_NUMBER() OVER (ORDER BY table_name, column_name) AS n FROM information_schema.columns LIMIT 80) b";
    let app = &portal.panel.app;
    sqlx::query(fill).bind(widget.to_string()).bind(&event).execute(&app.pool).await.unwrap();
    sqlx::query("ANALYZE TABLE lifecycle_attempts").execute(&app.pool).await.unwrap();
    let mut conn = app.conn().await;
    for (outcome, shown) in
        [(None, 50), (Some(AttemptOutcome::Failed), 2), (Some(AttemptOutcome::Interrupted), 0)]
    {
        let filter = outcome.map_or(LogFilter::All, LogFilter::Outcome);
        // The first execution prepares the statement and opens the tables.
        page_of(&mut conn, vendor, widget, filter).await;
        let (page, read) = page_of(&mut conn, vendor, widget, filter).await;
        assert_eq!(page.attempts.len(), shown, "{filter:?}");
        assert!(read < 400, "{filter:?}: {read} rows were read for {}", page.attempts.len());
    }
    let failed = LogFilter::Outcome(AttemptOutcome::Failed);
    let page = deliveries::page(&mut conn, vendor, widget, failed, NEWEST, 50).await.unwrap();
    assert_eq!((page.attempts.len(), page.has_more), (2, false));
    let page = deliveries::page(&mut conn, vendor, widget, LogFilter::All, NEWEST, 50).await.unwrap();
    assert!(page.has_more);
    let last = page.attempts.last().unwrap().id;
    let next = deliveries::page(&mut conn, vendor, widget, LogFilter::All, last, 50).await.unwrap();
    assert!(next.attempts.iter().all(|attempt| attempt.id < last) && next.attempts.len() == 50);
    // The log of another vendor is empty, whatever is asked for.
    let other = portal.vendor("lopukh").await;
    for filter in [LogFilter::All, failed, LogFilter::Account(AccountId(ACCOUNT))] {
        let page = deliveries::page(&mut conn, other, widget, filter, NEWEST, 50).await.unwrap();
        assert!(page.attempts.is_empty(), "{filter:?}");
    }
}
