//! What sqlx logs on the thread of a test, which runs the whole application.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines of the log, in JSON. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct StatementLog(Arc<Mutex<Vec<u8>>>);

impl StatementLog {
    /// Writes the statements of this thread until the returned value is dropped.
    pub fn listen(&self) -> DefaultGuard {
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_env_filter(EnvFilter::new("off,flysk_queue=info,sqlx::query=debug"))
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// Beginnings of the statements that jobs have made since the last call. Statements of others, such as the API, are not of a
    /// job's span.
    pub fn take_statements_of_jobs(&self) -> Vec<String> {
        self.take(is_of_job)
    }

    /// Beginnings of all statements since the last call.
    pub fn take_statements(&self) -> Vec<String> {
        self.take(|_| true)
    }

    fn take(&self, is_wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let statements = lines.filter(|line: &Value| line["target"] == "sqlx::query" && is_wanted(line));
        let texts = statements.filter_map(|line| line["fields"]["summary"].as_str().map(str::to_owned));
        texts.filter(|text| !sets_up_session(text)).collect()
    }
}

/// The pool may open a connection meanwhile, whose session is set up once.
fn sets_up_session(statement: &str) -> bool {
    statement.to_ascii_uppercase().starts_with("SET ") || statement.starts_with("SHOW VARIABLES")
}

fn is_of_job(line: &Value) -> bool {
    line["spans"].as_array().is_some_and(|spans| spans.iter().any(|span| span["name"] == "job"))
}

impl Write for StatementLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for StatementLog {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
