//! Commands of an operator, run by the real executable on the test's database.

use std::process::Command;

use flysk_suite::environment::Options;

use super::harness::TestApp;
use super::test_env::UNSET_VARIABLES;

/// What commands log. That a statement took more than a second says something of a busy machine, not of the command.
pub(crate) const LOG_OF_COMMANDS: (&str, &str) = ("FLYSK_LOG", "info,sqlx::query=error");

/// Result of a command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    /// Exit code: 0 success, 1 failure, 2 usage error.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl CommandOutput {
    /// Standard output; panics if the command failed.
    pub(crate) fn told(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Standard output of a command that logs what it changes; panics if it failed.
    pub(crate) fn told_beside_log(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    /// The error message; panics unless the command failed with this code and printed nothing else.
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        self.err
    }
}

impl TestApp {
    /// Runs a `flysk-worker` command to its end.
    pub(crate) async fn worker(&self, args: &[&str]) -> CommandOutput {
        self.worker_with(&[], args).await
    }

    /// The same with additional variables.
    pub(crate) async fn worker_with(&self, more: &[(&str, &str)], args: &[&str]) -> CommandOutput {
        let options = Options::with_fixtures(0.0).unwrap();
        let mut database: url::Url = options.database_url.parse().unwrap();
        let name: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&self.pool).await.unwrap();
        database.set_path(&name);
        let mut command = Command::new(options.binaries.join("flysk-worker"));
        command.args(args).envs(&self.variables).envs([LOG_OF_COMMANDS, ("DATABASE_URL", database.as_str())]);
        for name in UNSET_VARIABLES {
            command.env_remove(name);
        }
        let output = command.envs(more.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        CommandOutput {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
