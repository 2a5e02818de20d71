//! The schema of the databases of tests. A crate of its own, because nothing of the product reads it.

use std::borrow::Cow;
use std::fs;
use std::sync::LazyLock;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

/// Variable with the path of a file of statements that create the schema as all migrations leave it, with the rows and the
/// history of migrations. `cargo xtask test` sets it. The last statements replace the history, so that no trace of the
/// file is left.
const TEST_SCHEMA_VARIABLE: &str = "FLYSK_TEST_SCHEMA";

/// Creates the schema of a test's database, for `sqlx::test`: by the statements of the file that `FLYSK_TEST_SCHEMA` names,
/// otherwise by the migrations. These alter tables that earlier ones have created; a table that is created in its last form
/// takes `MySQL` a third of the time.
///
/// A test compares the two (`shared/store/tests/schema.rs`).
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let migrations: Vec<Migration> =
        copied().map_or_else(|| flysk_migrations::MIGRATOR.iter().cloned().collect(), |copy| vec![copy]);
    Migrator::with_migrations(migrations)
});

/// The statements of the file, as one migration.
#[expect(clippy::disallowed_methods, reason = "a variable of tests: no configuration names it")]
fn copied() -> Option<Migration> {
    let file = std::env::var_os(TEST_SCHEMA_VARIABLE)?;
    let statements = AssertSqlSafe(fs::read_to_string(file).ok()?).into_sql_str();
    let description = Cow::Borrowed("copy the schema");
    Some(Migration::new(1, description, MigrationType::Simple, statements, false))
}
