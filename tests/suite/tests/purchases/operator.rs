//! An operator of the shop at the command line: the real executable, on the shop's database.

use std::process::Command;

use flysk_suite::stand::Options;

use super::house::Shop;
use super::surroundings::ABSENT;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// 0: it did what it was asked; 1: it could not; 2: it was not asked rightly.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What it printed; it must have gone well.
    pub(crate) fn told(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// The sentence it was refused with; it must have done and printed nothing else.
    pub(crate) fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        self.err
    }
}

impl Shop {
    /// Runs `flysk-worker` to its end.
    pub(crate) async fn worker(&self, args: &[&str]) -> Ran {
        self.worker_with(&[], args).await
    }

    /// The same with other variables.
    pub(crate) async fn worker_with(&self, more: &[(&str, &str)], args: &[&str]) -> Ran {
        let options = Options::with_fixtures(0.0).unwrap();
        let mut database: url::Url = options.database_url.parse().unwrap();
        let name: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&self.pool).await.unwrap();
        database.set_path(&name);
        let mut command = Command::new(options.binaries.join("flysk-worker"));
        command.args(args).envs(&self.variables).env("DATABASE_URL", database.as_str());
        for name in ABSENT {
            command.env_remove(name);
        }
        let output = command.envs(more.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().expect("it ended by itself"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}
