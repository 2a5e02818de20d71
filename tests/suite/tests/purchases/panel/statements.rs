//! How much a page asks of the database: one connection, and few statements.

use flysk_domain::Clock as _;
use flysk_store::Pool;
use reqwest::StatusCode;
use reqwest::header::LOCATION;
use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlPool, Row as _};

use super::harness::{Panel, connect_for_reading, serve_on};
use crate::harness::TestApp;

/// Statements of a page with a part of its list: session with operator, ids, rows, count, saved views.
const OF_A_PART: u64 = 5;
/// Those of a page without rows, which needs no count.
const OF_NOTHING: u64 = 3;

/// Prepared statements that the only connection for reads has executed.
async fn executed(reads: &Pool) -> u64 {
    let mut conn = reads.acquire().await.unwrap();
    let counter =
        sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Com_stmt_execute'").fetch_one(&mut *conn).await.unwrap();
    counter.get_unchecked::<String, _>(1).parse().unwrap()
}

/// Every connection of a pool.
async fn all_of(pool: &Pool) -> Vec<PoolConnection<MySql>> {
    let mut held = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        held.push(pool.acquire().await.unwrap());
    }
    held
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_of_a_list_needs_one_connection_and_five_statements(pool: MySqlPool) {
    let app = TestApp::open(pool).await;
    let reads = connect_for_reading(&app, 1).await;
    let url = serve_on(&app, "127.0.0.1", &[], reads.clone()).await;
    let panel = Panel { app, url };
    let signed = panel.sign_in("anna", "owner").await;
    // Acts have these.
    let held = all_of(&panel.app.pool).await;
    for (path, has_next, statements) in
        [("/audit?size=1", true, OF_A_PART), ("/audit?action=none", false, OF_NOTHING)]
    {
        let before = executed(&reads).await;
        let page = signed.page(path).await;
        assert_eq!(page.contains("rel=\"next\""), has_next, "{path}: {page}");
        assert_eq!(executed(&reads).await - before, statements, "{path}");
    }
    drop(held);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_next_page_notices_that_the_session_has_ended_or_the_operator_was_disabled(pool: MySqlPool) {
    let panel = Panel::open(pool).await;
    for (login, end) in [
        ("anna", "UPDATE operator_sessions SET ended_at = ? WHERE ended_at IS NULL"),
        ("boris", "UPDATE operators SET disabled_at = ? WHERE login = 'boris'"),
    ] {
        let signed = panel.sign_in(login, "owner").await;
        signed.page("/audit").await;
        sqlx::query(end).bind(panel.app.clock.now()).execute(&panel.app.pool).await.unwrap();
        let answer = panel.get_as(&signed.cookie, "/audit").await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{login}");
        assert_eq!(answer.headers()[LOCATION], "/sign-in?next=%2Faudit", "{login}");
    }
}
