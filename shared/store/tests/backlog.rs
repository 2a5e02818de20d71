//! Statements that run often: the server reads no more rows for them when more are stored.
#![expect(clippy::unwrap_used, reason = "a failing test panics with the reason")]

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::admin::{FIGURE_COUNT_LIMIT, Figure};
use flysk_domain::flysense::call::EntityType;
use flysk_domain::id::{AccountId, EntityId, WalletId};
use flysk_domain::platform::ledger::TransactionKind;
use flysk_store::Conn;
use flysk_store::admin::figures;
use flysk_store::flysense::activation::notices;
use flysk_store::flysense::transcriptions;
use flysk_store::jobs::{self, JobState};
use flysk_store::platform::ledger::{self, Cursor, HistoryFilter, HistoryOf};
use flysk_store::platform::{invoice_payments, subscriptions, tokens};
use flysk_store::retention::PRUNINGS;
use sqlx::{AssertSqlSafe, MySqlPool, Row as _};

/// The numbers from 0 to 9, as a table.
const DIGITS: &str = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
     SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
const WALLET: &str = "wal_00000000000000000000000000";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_793_000_000, 0).unwrap()
}

fn literal(time: DateTime<Utc>) -> String {
    format!("'{}'", time.format("%Y-%m-%d %H:%M:%S%.6f"))
}

/// Inserts rows with the numbers from `first` on; `values` are SQL expressions of the number `n`. At most 100,000.
async fn insert(conn: &mut Conn, table: &str, columns: &str, values: &str, first: u32, count: u32) {
    let statement = format!(
        "INSERT INTO {table} ({columns}) SELECT {values}
         FROM (SELECT {first} + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n
               FROM {DIGITS} AS a, {DIGITS} AS b, {DIGITS} AS c, {DIGITS} AS e, {DIGITS} AS f) AS numbers
         WHERE n < {first} + {count}"
    );
    let inserted = sqlx::query(AssertSqlSafe(statement)).execute(&mut *conn).await.unwrap();
    assert_eq!(inserted.rows_affected(), u64::from(count), "{table}");
    sqlx::query(AssertSqlSafe(format!("ANALYZE TABLE {table}"))).execute(conn).await.unwrap();
}

/// Inserts active installs, each of an account of its own; `created` is a literal.
async fn insert_installs(conn: &mut Conn, created: &str, count: u32) {
    insert(
        conn,
        "installs",
        "id, widget_id, platform, account_id, status, settings, created_at, updated_at",
        &format!(
            "CONCAT('ins_', LPAD(n, 26, '0')), 'wgt_00000000000000000000000000', 'amocrm', n, 'active', '{{}}', {created}, {created}"
        ),
        0,
        count,
    )
    .await;
}

/// Rows that the session has read, counted by the server.
async fn rows_read(conn: &mut Conn) -> u64 {
    let counters = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(conn).await.unwrap();
    counters.iter().map(|counter| counter.get_unchecked::<String, _>(1).parse::<u64>().unwrap()).sum()
}

/// Result of an expression that uses the connection, and the number of rows that the server read for it. It is evaluated twice:
/// the first time prepares its statements and opens the tables.
macro_rules! counted {
    ($conn:ident, $read:expr) => {{
        $read;
        let start = rows_read(&mut $conn).await;
        let before = rows_read(&mut $conn).await;
        let result = $read;
        let after = rows_read(&mut $conn).await;
        // Reading the counters reads rows, too.
        (result, (after - before).saturating_sub(before - start))
    }};
}

/// Inserts waiting jobs, each due a second after the one before.
async fn insert_jobs(conn: &mut Conn, first: u32, count: u32) {
    let since = literal(now() - TimeDelta::days(2));
    let at = format!("{since} + INTERVAL n SECOND");
    insert(
        conn,
        "jobs",
        "id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, tenant, correlation_id, created_at",
        &format!(
            "CONCAT('job_', LPAD(n, 26, '0')), 'test.work', 'calls', 1, '{{}}', 'queued', 3, {at}, {at}, 'busy', 'test', {since}"
        ),
        first,
        count,
    )
    .await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn figures_count_a_queue_to_a_limit(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    insert_jobs(&mut conn, 0, 30_000).await;
    let (queued, read) =
        counted!(conn, figures::compute(&mut conn, Figure::JobsQueued, now(), now(), now()).await.unwrap());
    assert_eq!(queued, i64::from(FIGURE_COUNT_LIMIT) + 1);
    let (oldest, read_for_oldest) =
        counted!(conn, figures::compute(&mut conn, Figure::JobsOldest, now(), now(), now()).await.unwrap());
    assert_eq!(oldest, TimeDelta::days(2).num_seconds());
    // Once from the index and once from the server's temporary table.
    let most = 2 * u64::from(FIGURE_COUNT_LIMIT) + 100;
    assert!(read <= most && read_for_oldest <= most, "{read} and {read_for_oldest} rows read");

    insert_jobs(&mut conn, 30_000, 60_000).await;
    let (_, more) =
        counted!(conn, figures::compute(&mut conn, Figure::JobsQueued, now(), now(), now()).await.unwrap());
    assert!(read.abs_diff(more) < 100, "{read} rows of 30,000, {more} of 90,000");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_slice_of_a_count_reads_no_more_of_a_longer_queue(pool: MySqlPool) {
    const SLICE: u32 = 1_000;
    let mut conn = pool.acquire().await.unwrap();
    let begin = DateTime::UNIX_EPOCH;
    insert_jobs(&mut conn, 0, 5_000).await;
    let (slice, read) =
        counted!(conn, jobs::count_slice(&mut conn, JobState::Queued, begin, SLICE, now()).await.unwrap());
    assert_eq!(slice.depths.iter().map(|depth| depth.count).sum::<i64>(), i64::from(SLICE));
    assert_eq!(slice.next, Some(now() - TimeDelta::days(2) + TimeDelta::seconds(SLICE.into())));
    // Twice from the index and once from the server's temporary table.
    assert!(read <= 3 * u64::from(SLICE) + 100, "{read} rows read");

    insert_jobs(&mut conn, 5_000, 60_000).await;
    let (_, more) =
        counted!(conn, jobs::count_slice(&mut conn, JobState::Queued, begin, SLICE, now()).await.unwrap());
    assert!(read.abs_diff(more) < 100, "{read} rows of 5,000, {more} of 65,000");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pairs_that_are_not_due_are_not_read(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (granted, expiry) = (literal(now()), literal(now() + TimeDelta::days(1)));
    insert_installs(&mut conn, &granted, 20_000).await;
    insert(
        &mut conn,
        "install_tokens",
        "install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state",
        &format!(
            "CONCAT('ins_', LPAD(n, 26, '0')), 'sealed', 'sealed', {expiry} - INTERVAL (n < 3) * 23 HOUR,
             {granted} - INTERVAL (n = 3) * 8 DAY, IF(n = 4, 'refused', 'good')"
        ),
        0,
        20_000,
    )
    .await;
    let (soon, idle) = (now() + TimeDelta::hours(2), now() - TimeDelta::days(7));
    let (due, read) = counted!(conn, tokens::list_due(&mut conn, now(), soon, idle, 5_000).await.unwrap());
    assert_eq!(due.len(), 4, "three that expire soon, and one that was not renewed for a week");
    assert!(read < 100, "{read} rows read");
}

/// Pairs that cannot be renewed stay due, with the earliest expiry of all.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn pairs_that_fail_again_and_again_leave_others_their_turn(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let granted = literal(now() - TimeDelta::days(30));
    insert_installs(&mut conn, &granted, 20).await;
    // The first 15 have failed since yesterday, the last time some minutes ago. Of the others, the last expires first.
    let (expired, expiry) = (literal(now() - TimeDelta::days(1)), literal(now() + TimeDelta::hours(1)));
    let failed = literal(now() - TimeDelta::minutes(16));
    insert(
        &mut conn,
        "install_tokens",
        "install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state, retry_at",
        &format!(
            "CONCAT('ins_', LPAD(n, 26, '0')), 'sealed', 'sealed', IF(n < 15, {expired}, {expiry} - INTERVAL n MINUTE),
             IF(n < 15, {granted}, {expired}), 'good', IF(n < 15, {failed} + INTERVAL n MINUTE, NULL)"
        ),
        0,
        20,
    )
    .await;
    let (soon, idle) = (now() + TimeDelta::hours(2), now() - TimeDelta::days(7));
    let due = tokens::list_due(&mut conn, now(), soon, idle, 7).await.unwrap();
    let due: Vec<u64> = due.iter().map(|id| id.to_string()[4..].parse().unwrap()).collect();
    assert_eq!(due, [19, 18, 17, 16, 15, 0, 1], "those that are due longest");
    let all = tokens::list_due(&mut conn, now(), soon, idle, 99).await.unwrap();
    assert_eq!(all.len(), 20, "each once, for whatever reason it is due");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_page_of_rare_transactions_does_not_read_the_others(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let since = literal(now());
    insert(
        &mut conn,
        "ledger_transactions",
        "id, wallet_id, kind, created_at",
        &format!(
            "CONCAT('ltx_', LPAD(n, 26, '0')), '{WALLET}', IF(n % 5000 = 7, 'credit', 'charge'), {since} + INTERVAL n SECOND"
        ),
        0,
        20_000,
    )
    .await;
    let wallet = HistoryOf::Wallet(WALLET.parse::<WalletId>().unwrap());
    let of = |kinds: &[TransactionKind]| HistoryFilter { kinds: kinds.to_vec(), ..HistoryFilter::default() };
    for (filter, expected) in [
        (of(&[]), 21),
        (of(&[TransactionKind::Credit]), 4),
        (of(&[TransactionKind::Credit, TransactionKind::Charge]), 21),
        (of(&[TransactionKind::Expire]), 0),
    ] {
        let (rows, read) =
            counted!(conn, ledger::list_transactions(&mut conn, wallet, &filter, None, 21).await.unwrap());
        assert_eq!(rows.len(), expected, "{filter:?}");
        assert!(rows.is_sorted_by(|newer, older| newer.at > older.at), "{filter:?}");
        assert!(read < 600, "{read} rows read for {filter:?}");
    }
    let both = of(&[TransactionKind::Credit, TransactionKind::Charge]);
    let first = ledger::list_transactions(&mut conn, wallet, &both, None, 21).await.unwrap();
    let cursor = first.last().map(|row| Cursor { at: row.at, id: row.id });
    let second = ledger::list_transactions(&mut conn, wallet, &both, cursor, 21).await.unwrap();
    assert_eq!(first[20].at - second[0].at, TimeDelta::seconds(1), "pages follow each other");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_calls_of_a_card_are_found_among_many_of_the_account(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let since = literal(now());
    insert(
        &mut conn,
        "transcriptions",
        "id, account_id, install_id, entity_type, entity_id, note_id, state, left_channel, tags, correlation_id, created_at,
         updated_at",
        &format!(
            "CONCAT('tr_', LPAD(n, 26, '0')), 7, 'ins_00000000000000000000000000', 'leads', IF(n < 3, 1, n), n, 'done',
             'operator', '[]', 'test', {since} + INTERVAL n SECOND, {since}"
        ),
        0,
        20_000,
    )
    .await;
    let (account, card) = (AccountId(7), EntityId(1));
    let (calls, read) = counted!(
        conn,
        transcriptions::list_by_entity(&mut conn, account, EntityType::Lead, card, None, 51).await.unwrap()
    );
    assert_eq!(calls.len(), 3);
    assert!(read < 50, "{read} rows read");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_weekly_digest_reads_the_calls_of_the_week(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (today, before) = (literal(now()), literal(now() - TimeDelta::days(30)));
    // One account's history of a month ago, four calls of the week, and one that failed.
    insert(
        &mut conn,
        "transcriptions",
        "id, account_id, install_id, entity_type, entity_id, note_id, state, left_channel, tags, correlation_id, duration_ms,
         sentiment, created_at, updated_at, finished_at",
        &format!(
            "CONCAT('tr_', LPAD(n, 26, '0')), 7, 'ins_00000000000000000000000000', 'leads', n, n,
             IF(n = 4, 'failed', 'done'), 'operator', '[]', 'test', 60000, IF(n = 1, 'negative', 'neutral'), {before},
             {before}, IF(n < 5, {today}, {before})"
        ),
        0,
        20_000,
    )
    .await;
    let since = now() - TimeDelta::days(7);
    let (week, read) = counted!(conn, notices::week_of_calls(&mut conn, AccountId(7), since).await.unwrap());
    assert_eq!((week.done, week.negative, week.duration_ms), (4, 1, 240_000));
    assert!(read < 50, "{read} rows read");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn invariants_of_payments_are_checked_on_what_changed(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let today = literal(now());
    let id = |prefix: &str| format!("CONCAT('{prefix}_', LPAD(n, 26, '0'))");
    insert(
        &mut conn,
        "subscription_invoices",
        "id, subscription_id, install_id, widget_id, vendor_id, kind, state, plan_id, seat_kopecks, seats, months, period_no,
         period_from, period_until, zone, title, lines_json, total_kopecks, paid_by, created_at, updated_at",
        &format!(
            "{}, {}, {}, 'wgt_00000000000000000000000000', 'vnd_00000000000000000000000000', 'start', 'paid',
             'pln_00000000000000000000000000', 100, 1, 1, 1, DATE({today}), DATE({today}), '+03:00', 'title', '[]', 100, 'form',
             {today}, {today} - INTERVAL (n >= 5) * 9 DAY",
            id("inv"),
            id("sub"),
            id("ins")
        ),
        0,
        20_000,
    )
    .await;
    let (paid, read) =
        counted!(conn, invoice_payments::verify_payments(&mut conn, now(), 100).await.unwrap());
    let rules: Vec<&str> = paid.iter().map(|violation| violation.rule).collect();
    assert_eq!(rules, ["paid_without_payment"; 5]);
    let (_, read_for_periods) =
        counted!(conn, subscriptions::verify_subscriptions(&mut conn, now(), 100).await.unwrap());
    assert!(read < 200 && read_for_periods < 200, "{read} and {read_for_periods} rows read");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_piece_of_a_pruning_reads_only_what_it_deletes(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let today = literal(now());
    insert(
        &mut conn,
        "jobs",
        "id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, correlation_id, created_at, finished_at",
        &format!(
            "CONCAT('job_', LPAD(n, 26, '0')), 'test.work', 'calls', 1, '{{}}', 'done', 3, {today},
             {today} - INTERVAL (n < 100) * 8 DAY, 'test', {today}, {today} - INTERVAL (n < 100) * 8 DAY"
        ),
        0,
        20_000,
    )
    .await;
    let pruning = PRUNINGS.iter().find(|pruning| pruning.tables == ["jobs"]).unwrap();
    let (deleted, read) = counted!(conn, pruning.delete_piece(&mut conn, now(), 20).await.unwrap());
    assert_eq!(deleted, 20);
    assert!(read < 200, "{read} rows read");
}
