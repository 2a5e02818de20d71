//! Every table has a rule about its growth, and the runbook tells it.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::collections::BTreeSet;

use chrono::TimeDelta;
use flysk_domain::id::{AccountId, SubscriptionId, TranscriptionId};
use flysk_domain::{Clock as _, SystemClock};
use flysk_store::flysense::{tags, transcripts};
use flysk_store::platform::subscriptions;
use flysk_store::retention::{Growth, PRUNE_HISTORY, PRUNE_JOBS, PRUNINGS, Pruning, TABLES};
use sqlx::MySqlPool;
use sqlx::mysql::MySqlPoolOptions;

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");
const HEADING: &str = "\n## Growth of tables\n";

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_table_is_pruned_bounded_or_kept_for_a_reason(pool: MySqlPool) {
    let present: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let present: BTreeSet<&str> = present.iter().map(String::as_str).collect();
    let ruled: BTreeSet<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    let unruled: Vec<_> = present.difference(&ruled).collect();
    assert!(unruled.is_empty(), "tables without a rule in `retention::TABLES` and the runbook: {unruled:?}");
    let gone: Vec<_> = ruled.difference(&present).collect();
    assert!(gone.is_empty(), "rules of tables that do not exist: {gone:?}");
    assert_eq!(ruled.len(), TABLES.len(), "a table has two rules");
}

/// `90 days`, `1 day`, `1 hour`.
fn period(time: TimeDelta) -> String {
    let (count, unit) = match time.num_days() {
        0 => (time.num_hours(), "hour"),
        days => (days, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The cells of the runbook's rows: tables, rule, bound, place.
fn rows() -> Vec<Vec<&'static str>> {
    let (_, section) = RUNBOOK.split_once(HEADING).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn the_runbook_tells_the_rule_of_every_table_once() {
    let mut listed = 0;
    let rows = rows();
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        listed += row[0].split(", ").count();
    }
    for (table, growth) in TABLES {
        let name = format!("`{table}`");
        let of_table: Vec<_> =
            rows.iter().filter(|row| row[0].split(", ").any(|listed| listed == name)).collect();
        assert_eq!(of_table.len(), 1, "{table} has one row");
        let row = of_table[0];
        assert_eq!(row[1], growth.word(), "{table}");
        if let Growth::Pruned(after, job) = growth {
            assert!(row[2].contains(&period(*after)), "{table}: {} in {:?}", period(*after), row[2]);
            assert_eq!(row[3], format!("`{job}`"), "{table}");
        }
        if let Growth::ContentFor(variable, job) = growth {
            assert!(row[2].contains(variable) && row[3].contains(job), "{table}: {row:?}");
        }
    }
    assert_eq!(listed, TABLES.len(), "the runbook lists tables that are gone");
}

/// Its versions are kept for each install, so that its job prunes it by itself.
const KEPT_BY_NUMBER: &str = "settings_history";

#[test]
fn every_rule_of_deletion_is_carried_out_by_its_job() {
    for (table, growth) in TABLES {
        let mut prunings = PRUNINGS.iter().filter(|pruning| pruning.tables.contains(table));
        match growth {
            Growth::Pruned(after, job)
                if [PRUNE_JOBS, PRUNE_HISTORY].contains(job) && *table != KEPT_BY_NUMBER =>
            {
                assert!(prunings.any(|one| one.job == *job && one.kept_for == *after), "{table}");
            }
            // Calls whose note was never seen.
            Growth::Content if *table == "transcriptions" => assert_eq!(prunings.count(), 2),
            _ => assert_eq!(prunings.count(), 0, "{table} is pruned, and its rule says otherwise"),
        }
    }
    let known: BTreeSet<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    let mut pruned = PRUNINGS.iter().flat_map(|pruning| pruning.tables);
    assert!(pruned.all(|table| known.contains(table)), "a pruning of a table that does not exist");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_piece_deletes_no_more_than_asked_and_nothing_young(pool: MySqlPool) {
    let (now, mut conn) = (SystemClock.now(), pool.acquire().await.unwrap());
    for (number, days) in [(0, 8), (1, 9), (2, 10), (3, 6)] {
        let ended = now - TimeDelta::days(days);
        sqlx::query(
            "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, correlation_id,
                               created_at, finished_at)
             VALUES (?, 'test.work', 'upkeep', 1, '{}', 'done', 3, ?, ?, 'test', ?, ?)",
        )
        .bind(format!("job_{number:026}"))
        .bind(ended)
        .bind(ended)
        .bind(ended)
        .bind(ended)
        .execute(&mut *conn)
        .await
        .unwrap();
    }
    let pruning = PRUNINGS.iter().find(|pruning| pruning.tables == ["jobs"]).unwrap();
    let mut deleted = Vec::new();
    for _ in 0..3 {
        deleted.push(pruning.delete_piece(&mut conn, now, 2).await.unwrap());
    }
    assert_eq!(deleted, [2, 1, 0]);
    let left: Vec<String> = sqlx::query_scalar("SELECT id FROM jobs").fetch_all(&pool).await.unwrap();
    assert_eq!(left, [format!("job_{:026}", 3)]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn dialogues_are_deleted_a_number_of_days_after_their_last_run(pool: MySqlPool) {
    let (now, mut conn) = (SystemClock.now(), pool.acquire().await.unwrap());
    // Days since the request, and since the last run.
    let calls = [(40, 40), (35, 31), (33, 2), (3, 3)];
    let ids = calls.map(|(days, _)| TranscriptionId::first_at(now - TimeDelta::days(days)));
    for (id, (_, days)) in ids.iter().zip(calls) {
        let run = now - TimeDelta::days(days);
        transcripts::upsert(&mut conn, *id, &["Hello."], &"analysis", run).await.unwrap();
        sqlx::query("INSERT INTO transcription_waveforms VALUES (?, 1000, 'peaks', ?)")
            .bind(id.to_string())
            .bind(run)
            .execute(&mut *conn)
            .await
            .unwrap();
    }
    let pruning = Pruning::of_transcripts(30);
    assert_eq!(pruning.delete_piece(&mut conn, now, 1).await.unwrap(), 1);
    assert_eq!(pruning.delete_piece(&mut conn, now, 10).await.unwrap(), 1);
    assert_eq!(pruning.delete_piece(&mut conn, now, 10).await.unwrap(), 0);
    for table in ["transcripts", "transcription_waveforms"] {
        let mut query = sqlx::QueryBuilder::new("SELECT transcription_id FROM ");
        query.push(table).push(" ORDER BY transcription_id");
        let left: Vec<String> = query.build_query_scalar().fetch_all(&pool).await.unwrap();
        assert_eq!(left, [ids[2].to_string(), ids[3].to_string()], "{table}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_full_dictionary_takes_no_new_tag_and_counts_the_known_ones(pool: MySqlPool) {
    let (account, now) = (AccountId(1), SystemClock.now());
    let numbers: Vec<u32> = (1..tags::MAX_TAGS).collect();
    for page in numbers.chunks(500) {
        let mut query =
            sqlx::QueryBuilder::new("INSERT INTO flysense_tags (account_id, tag_key, text, uses, used_at) ");
        query.push_values(page, |mut row, number| {
            let tag = format!("tag {number}");
            row.push_bind(account.0).push_bind(tag.clone()).push_bind(tag).push_bind(1_u32).push_bind(now);
        });
        query.build().execute(&pool).await.unwrap();
    }
    let mut conn = pool.acquire().await.unwrap();
    for tag in ["the last", "one more", "tag 1", "the last"] {
        tags::count_use(&mut conn, account, tag, now).await.unwrap();
    }
    let used = tags::list(&mut conn, account, None, 3).await.unwrap();
    let used: Vec<(&str, u32)> = used.iter().map(|row| (row.text.as_str(), row.uses)).collect();
    assert_eq!(used[..2], [("tag 1", 2), ("the last", 2)]);
    assert!(tags::list(&mut conn, account, Some("one more"), 1).await.unwrap().is_empty());
    let other = AccountId(2);
    tags::count_use(&mut conn, other, "one more", now).await.unwrap();
    assert_eq!(tags::list(&mut conn, other, None, 1).await.unwrap().len(), 1);
}

/// Stores quotes of a subscription; the first one was applied under a key.
async fn store_quotes(pool: &MySqlPool, subscription: SubscriptionId, count: i64) {
    let now = SystemClock.now();
    for number in 1..=count {
        sqlx::query(
            "INSERT INTO subscription_quotes (id, subscription_id, base_version, request, lines_json, total_kopecks,
                                              expires_at, requested_by, idem_key, created_at)
             VALUES (?, ?, 1, '{}', '[]', 1, ?, 'user:1', ?, ?)",
        )
        .bind(format!("quote {number}"))
        .bind(subscription.to_string())
        .bind(now)
        .bind((number == 1).then_some("key"))
        .bind(now + TimeDelta::seconds(number))
        .execute(pool)
        .await
        .unwrap();
    }
}

async fn quotes_left(pool: &MySqlPool) -> Vec<String> {
    sqlx::query_scalar("SELECT id FROM subscription_quotes ORDER BY id").fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_new_quote_replaces_the_oldest_one_that_was_not_applied(pool: MySqlPool) {
    let subscription = SubscriptionId::generate(&SystemClock);
    store_quotes(&pool, subscription, 5).await;
    let mut conn = pool.acquire().await.unwrap();
    for kept in [4, 2, 2] {
        subscriptions::trim_quotes(&mut conn, subscription, kept).await.unwrap();
    }
    assert_eq!(quotes_left(&pool).await, ["quote 1", "quote 4", "quote 5"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn quotes_that_another_transaction_deletes_are_not_waited_for(pool: MySqlPool) {
    let subscription = SubscriptionId::generate(&SystemClock);
    store_quotes(&pool, subscription, 6).await;
    let options = (*pool.connect_options()).clone();
    let pool = flysk_store::configure_pool(MySqlPoolOptions::new()).connect_with(options).await.unwrap();
    let (mut first, mut second) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
    subscriptions::trim_quotes(&mut first, subscription, 4).await.unwrap();
    subscriptions::trim_quotes(&mut second, subscription, 4).await.unwrap();
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(quotes_left(&pool).await, ["quote 1", "quote 4", "quote 5", "quote 6"]);
}
