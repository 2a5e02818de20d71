//! Prepares every statement on the tests' server and counts its parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Either, Executor as _, MySqlConnection, MySqlPool, SqlSafeStr as _,
    Statement as _,
};

use crate::SOURCES;
use crate::reader::read_statements;
use crate::source::{Sources, texts_below};
use crate::syntax::Statement;

/// Fewer statements mean that the reader is broken, not that some were removed.
const MIN_STATEMENTS: usize = 250;
/// Suffix that makes a name unknown.
const MISSPELT: &str = "_misspelt";

fn statements() -> BTreeSet<Statement> {
    let (statements, faults) = read_statements(&Sources::read(Path::new(SOURCES)));
    assert!(faults.is_empty(), "statements that cannot be read from the source:\n{}", joined(&faults));
    assert!(statements.len() >= MIN_STATEMENTS, "only {} statements were found", statements.len());
    statements
}

fn joined(lines: &BTreeSet<String>) -> String {
    lines.iter().cloned().collect::<Vec<_>>().join("\n")
}

/// A connection that keeps all statements it prepared, because evicting one takes 40 ms.
async fn connect(pool: &MySqlPool) -> MySqlConnection {
    let options = MySqlConnectOptions::clone(&pool.connect_options()).statement_cache_capacity(2_000);
    options.connect().await.expect("the server takes a connection")
}

/// Number of parameters that the server finds in a statement, or why it refuses the statement.
async fn prepare(conn: &mut MySqlConnection, text: &str) -> Result<usize, sqlx::Error> {
    // MariaDB resolves the names in the ORDER BY of a DELETE only on execution.
    if let Some(rest) = text.strip_prefix("DELETE ") {
        conn.prepare(AssertSqlSafe(format!("SELECT 1 {rest}")).into_sql_str()).await?;
    }
    let statement = conn.prepare(AssertSqlSafe(text).into_sql_str()).await?;
    Ok(match statement.parameters() {
        Some(Either::Left(parameters)) => parameters.len(),
        Some(Either::Right(count)) => count,
        None => 0,
    })
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_server_accepts_every_statement_with_its_number_of_binds(pool: MySqlPool) {
    let mut conn = connect(&pool).await;
    let mut faults = BTreeSet::new();
    let statements = statements();
    for Statement { location, text, binds, .. } in &statements {
        match prepare(&mut conn, text).await {
            Ok(parameters) if parameters == *binds => {}
            Ok(parameters) => {
                faults.insert(format!("{location}: {binds} values for {parameters} parameters: {text}"));
            }
            Err(error) => {
                faults.insert(format!("{location}: {error}: {text}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", joined(&faults));
    let built = statements.iter().filter(|statement| statement.is_built).count();
    println!("{} statements, {built} of them made by builders", statements.len());
}

/// Precondition of the test above: the server resolves all names of a statement when it prepares it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_server_rejects_statements_with_a_misspelt_name(pool: MySqlPool) {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()
         UNION SELECT CAST(column_name AS CHAR) FROM information_schema.columns WHERE table_schema = DATABASE()",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let names: BTreeSet<String> = names.into_iter().collect();
    let mut conn = connect(&pool).await;
    let mut tried = 0;
    let mut taken = BTreeMap::new();
    for Statement { location, text, .. } in statements() {
        for misspelt in misspellings(&text, &names) {
            tried += 1;
            let prepared = prepare(&mut conn, &misspelt).await;
            if !prepared.as_ref().is_err_and(is_unknown_name) {
                taken.insert(misspelt, format!("{location}: {prepared:?}"));
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    println!("{tried} misspelt statements were refused");
}

/// Whether the error means an unknown table or column.
fn is_unknown_name(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["42S02", "42S22"].contains(&code.as_ref()))
}

/// One variant of the statement per name, with that name misspelt: names of tables and columns outside of quotes that are
/// not aliases of results.
fn misspellings(text: &str, names: &BTreeSet<String>) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let (mut start, mut is_quoted) = (None, false);
    for (at, char) in text.char_indices().chain([(text.len(), ' ')]) {
        if is_part(char) {
            start = start.or(Some(at));
            continue;
        }
        let word = start.take().map(|start| (start, &text[start..at]));
        if let Some((start, word)) = word
            && !is_quoted
            && names.contains(word)
            && !text[..start].ends_with(" AS ")
        {
            found.push(format!("{}{MISSPELT}{}", &text[..at], &text[at..]));
        }
        is_quoted ^= char == '\'';
    }
    found
}

/// Sources of the other packages.
const OTHER_PACKAGES: [&str; 16] = [
    "admin",
    "api",
    "jobs",
    "migrations",
    "shared/audio",
    "shared/clients",
    "shared/config",
    "shared/crypto",
    "shared/domain",
    "shared/queue",
    "shared/services",
    "shared/serving",
    "shared/tokens",
    "workers",
    "xtask",
    "tests/simulators",
];

/// Words that only code with statements contains.
const SPEAKING_WORDS: [&str; 5] =
    ["sqlx::query", "sqlx::raw_sql", "sqlx::Executor", "QueryBuilder", "AssertSqlSafe"];

#[test]
fn no_other_package_contains_sql() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut read = 0;
    for package in OTHER_PACKAGES {
        for (file, text) in texts_below(&root.join(package).join("src")) {
            read += 1;
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let imported = |line: &str| line.starts_with("use sqlx") && line.contains("Executor");
            let speaks =
                |line: &&str| imported(line) || SPEAKING_WORDS.iter().any(|word| line.contains(word));
            let spoken: Vec<&str> = code.filter(speaks).collect();
            assert!(spoken.is_empty(), "all SQL is in shared/store; {package}/src/{file}: {spoken:?}");
        }
    }
    assert!(read > 100, "only {read} files were read");
}

/// The order of other joins is the server's choice, which for a page of 1,000 rows may begin with another table
/// (`docs/decisions/0079-bound-lists-by-indexes.md`).
#[test]
fn rows_of_lists_are_joined_in_the_written_order() {
    let mut joins = 0;
    for (file, text) in texts_below(&Path::new(SOURCES).join("admin/lists")) {
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            assert!(pair[1] != "JOIN" || pair[0] == "LEFT", "{file}: {} JOIN", pair[0]);
            joins += usize::from(pair[1] == "STRAIGHT_JOIN");
        }
    }
    assert!(joins > 10, "only {joins} joins were read");
}

#[test]
fn every_package_is_checked() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml"));
    let manifest = manifest.expect("the workspace has a manifest");
    let members = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("it has members");
    let members = members
        .0
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty());
    for member in members {
        // The packages of tests read the tables as an observer does.
        let is_exempt = ["shared/store", "tests/sandbox", "tests/schema", "tests/suite"].contains(&member);
        assert!(is_exempt || OTHER_PACKAGES.contains(&member), "{member} is missing in OTHER_PACKAGES");
    }
}
