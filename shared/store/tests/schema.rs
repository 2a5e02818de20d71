//! Whether the database has the schema, and whether the databases of tests have the one that migrations create.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use flysk_store::{SchemaError, check_schema};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{AssertSqlSafe, MySqlPool, Row as _};

#[sqlx::test(migrations = false)]
async fn an_empty_database_is_reported_with_the_command_that_creates_the_schema(pool: MySqlPool) {
    let error = check_schema(&pool).await.unwrap_err();
    assert!(matches!(error, SchemaError::Missing), "{error:?}");
    assert!(error.to_string().contains("flysk-worker migrate"), "{error}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_migrated_database_has_the_schema(pool: MySqlPool) {
    check_schema(&pool).await.unwrap();
}

/// Views of `information_schema` with their column of the database's name, and what a schema consists of.
const SCHEMA: [(&str, &str, &[&str]); 4] = [
    ("tables", "table_schema", &["table_name", "engine", "row_format", "table_collation", "create_options"]),
    (
        "columns",
        "table_schema",
        &[
            "table_name",
            "ordinal_position",
            "column_name",
            "column_type",
            "column_default",
            "is_nullable",
            "collation_name",
            "extra",
            "generation_expression",
        ],
    ),
    (
        "statistics",
        "table_schema",
        &["table_name", "index_name", "seq_in_index", "column_name", "sub_part", "non_unique", "collation"],
    ),
    ("check_constraints", "constraint_schema", &["constraint_name", "check_clause"]),
];

async fn lines(pool: &MySqlPool, columns: &[&str], rest: &str) -> Vec<String> {
    let columns: Vec<String> =
        columns.iter().map(|column| format!("CAST(COALESCE({column}, '-') AS CHAR)")).collect();
    let read = format!("SELECT {} {rest}", columns.join(", "));
    let rows = sqlx::query(AssertSqlSafe(read)).fetch_all(pool).await.unwrap();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| (0..columns.len()).map(|at| row.get::<String, _>(at)).collect::<Vec<_>>().join(" | "))
        .collect();
    lines.sort_unstable();
    lines
}

/// All that a schema consists of, its history, and the number of rows of each table.
async fn described(pool: &MySqlPool) -> Vec<String> {
    let mut all = Vec::new();
    for (view, database, columns) in SCHEMA {
        let rest = format!("FROM information_schema.{view} WHERE {database} = DATABASE()");
        all.extend(lines(pool, columns, &rest).await);
    }
    let history = ["version", "description", "success", "HEX(checksum)"];
    all.extend(lines(pool, &history, "FROM _sqlx_migrations").await);
    let ours = "FROM information_schema.tables WHERE table_schema = DATABASE()";
    for table in lines(pool, &["table_name"], ours).await {
        let rows = lines(pool, &["COUNT(*)"], &format!("FROM `{table}`")).await.concat();
        all.push(format!("{table} has {rows} rows"));
    }
    all
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn databases_of_tests_have_the_schema_that_migrations_create(pool: MySqlPool) {
    let name: String = sqlx::query_scalar("SELECT CAST(DATABASE() AS CHAR)").fetch_one(&pool).await.unwrap();
    let migrated = format!("{}_m", &name[..name.len().min(60)]);
    for statement in [format!("DROP DATABASE IF EXISTS {migrated}"), format!("CREATE DATABASE {migrated}")] {
        sqlx::query(AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }
    let options = (*pool.connect_options()).clone().database(&migrated);
    let other = MySqlPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    flysk_migrations::migrate(&other).await.unwrap();

    let (of_tests, of_migrations) = (described(&pool).await, described(&other).await);

    assert!(of_migrations.len() > 1_000, "{} lines describe the schema", of_migrations.len());
    let differ: Vec<_> =
        of_tests.iter().zip(&of_migrations).filter(|(here, there)| here != there).take(5).collect();
    assert!(of_tests == of_migrations, "{differ:#?}");
    other.close().await;
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE {migrated}"))).execute(&pool).await.unwrap();
}
