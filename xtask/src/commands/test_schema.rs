//! The schema in its last form, for the databases of tests: each would run all migrations otherwise.

use std::path::PathBuf;
use std::process::Command;

use super::with_services;
use crate::services::{Database, State};
use crate::{process, workspace};

/// Variable with the file of statements, for `flysk_test_schema::MIGRATOR`.
pub(super) const TEST_SCHEMA_VARIABLE: &str = "FLYSK_TEST_SCHEMA";

/// Writes the statements that create the schema in databases of these servers; returns their file. `None` on a server that
/// outlives the run, and if they cannot be written: then each test runs the migrations.
pub(super) fn write(database: Database, state: &State) -> Option<PathBuf> {
    if workspace::variable("DATABASE_URL").is_some() {
        return None;
    }
    let file = workspace::target().join(format!("test-schema-{}.sql", database.name()));
    let mut command = Command::new(workspace::debug_binaries().join("flysk-test-schema"));
    with_services(&mut command, database, state);
    match process::check("flysk-test-schema", command.arg(&file)) {
        Ok(()) => Some(file),
        Err(error) => {
            eprintln!("==> each test runs all migrations: {error:#}");
            None
        }
    }
}
