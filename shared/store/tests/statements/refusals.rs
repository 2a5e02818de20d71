//! Distinction between a refused statement and an unavailable server.

use flysk_store::jobs::JobState;
use flysk_store::{StoreError, TextColumn};
use sqlx::MySqlPool;

/// A refused statement is distinguished from an unavailable server, because repeating it is useless.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_rejected_statement_is_a_defect_and_an_unavailable_database_is_not(pool: MySqlPool) {
    let refused = [
        ("a word that is no SQL", "SELECT 1 FORM wallets"),
        ("a column that is not there", "SELECT colour FROM wallets"),
        ("a table that is not there", "SELECT 1 FROM purses"),
        ("a word for a time", "INSERT INTO cron_ticks VALUES ('a', 'some day', NOW())"),
        ("a value that does not fit", "INSERT INTO cron_ticks VALUES (REPEAT('a', 5000), NOW(), NOW())"),
        ("nothing where something must be", "INSERT INTO cron_ticks VALUES (NULL, NOW(), NOW())"),
    ];
    for (what, statement) in refused {
        let error = sqlx::query(statement).execute(&pool).await.map_err(StoreError::from);
        assert!(matches!(error, Err(StoreError::Defect(_))), "{what}: {error:?}");
    }
    let unread =
        sqlx::query_scalar::<_, i64>("SELECT 'a word'").fetch_one(&pool).await.map_err(StoreError::from);
    assert!(matches!(unread, Err(StoreError::Defect(_))), "{unread:?}");

    let nobody_listens = "mysql://flysk:flysk@127.0.0.1:1/flysk";
    let away = flysk_store::connect_within(nobody_listens, 1, std::time::Duration::from_millis(200)).await;
    assert!(matches!(away, Err(StoreError::Database(_))), "{:?}", away.err());
    pool.close().await;
    let closed = sqlx::query("SELECT 1").execute(&pool).await.map_err(StoreError::from);
    assert!(matches!(closed, Err(StoreError::Database(_))), "{closed:?}");
}

#[derive(Debug, sqlx::FromRow)]
struct States {
    #[sqlx(try_from = "TextColumn")]
    state: JobState,
    #[sqlx(try_from = "TextColumn")]
    former: Option<JobState>,
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_text_that_is_none_of_an_enums_is_an_invalid_row(pool: MySqlPool) {
    let read = async |statement: &'static str| {
        sqlx::query_as::<_, States>(statement).fetch_one(&pool).await.map_err(StoreError::from)
    };
    let states = read("SELECT 'queued' AS state, NULL AS former").await.unwrap();
    assert_eq!((states.state, states.former), (JobState::Queued, None));
    let states = read("SELECT 'dead' AS state, 'done' AS former").await.unwrap();
    assert_eq!((states.state, states.former), (JobState::Dead, Some(JobState::Done)));
    for unknown in ["SELECT 'asleep' AS state, NULL AS former", "SELECT NULL AS state, NULL AS former"] {
        let error = read(unknown).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::InvalidRow { reason, .. } if reason.contains("state")),
            "{error:?}"
        );
    }
}
