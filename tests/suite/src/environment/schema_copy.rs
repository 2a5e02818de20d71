//! Statements that create the schema in its last form, for the databases of tests (`flysk_test_schema::MIGRATOR`).

use std::fmt::Write as _;

use flysk_store::Pool;
use sqlx::{AssertSqlSafe, Row as _};

use super::isolation::{run, with_database};

/// Database that the statements copy rows from.
const TEMPLATE: &str = "flysk_template";

/// Table of applied migrations. `sqlx::test` creates it, and writes into it, before the statements run.
const HISTORY_TABLE: &str = "_sqlx_migrations";

/// Migrates a database on this server, and returns the statements that create its tables and copy its rows in another
/// database of the server.
pub async fn copy_schema(server: &str) -> anyhow::Result<String> {
    run(server, format!("DROP DATABASE IF EXISTS {TEMPLATE}")).await?;
    run(server, format!("CREATE DATABASE {TEMPLATE}")).await?;
    let pool = flysk_store::connect(&with_database(server, TEMPLATE), 1).await?;
    flysk_migrations::migrate(&pool).await?;
    let mut statements = String::new();
    for table in tables(&pool).await? {
        if table == HISTORY_TABLE {
            writeln!(statements, "DELETE FROM `{HISTORY_TABLE}`;")?;
        } else {
            writeln!(statements, "{};", definition(&pool, &table).await?)?;
        }
        if has_rows(&pool, &table).await? {
            let columns = columns(&pool, &table).await?;
            writeln!(
                statements,
                "INSERT INTO `{table}` ({columns}) SELECT {columns} FROM `{TEMPLATE}`.`{table}`;"
            )?;
        }
    }
    pool.close().await;
    Ok(statements)
}

async fn tables(pool: &Pool) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()
         ORDER BY table_name",
    )
    .fetch_all(pool)
    .await
}

/// The statement that creates a table.
async fn definition(pool: &Pool, table: &str) -> sqlx::Result<String> {
    let show = format!("SHOW CREATE TABLE `{table}`");
    sqlx::query(AssertSqlSafe(show)).fetch_one(pool).await?.try_get(1)
}

async fn has_rows(pool: &Pool, table: &str) -> sqlx::Result<bool> {
    let count = format!("SELECT COUNT(*) FROM `{table}`");
    Ok(sqlx::query_scalar::<_, i64>(AssertSqlSafe(count)).fetch_one(pool).await? > 0)
}

/// The columns that take a value, separated by commas: all but the generated ones.
async fn columns(pool: &Pool, table: &str) -> sqlx::Result<String> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(column_name AS CHAR) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND table_name = ? AND COALESCE(generation_expression, '') = ''
         ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(pool)
    .await?;
    Ok(names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}
