//! Workers: how much at once, how long to stop, where to put files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Env, Variable};

const CONCURRENCY: Variable = Variable::with_default(
    "FLYSK_WORKER_CONCURRENCY",
    "lifecycle=256,oauth_unvouched=32,*=16",
    "Jobs run at once, per queue: `calls=8,oauth=4,*=16`, where `*` stands for every queue not named.\n\
     Events to vendors' backends (`lifecycle`) only wait for answers: many at once cost little, and backends that hang\n\
     must not keep the others waiting. Codes that no state vouches for (`oauth_unvouched`) wait for their pace, and for hosts\n\
     that may not answer.",
);
const GRACE_SECONDS: Variable = Variable::with_default(
    "FLYSK_GRACE_SECONDS",
    "25",
    "How long a process may take to stop after SIGTERM, in seconds; then it ends as it is.\n\
     A little less than what the platform grants before it kills (30 on most).",
);
const SCRATCH_DIR: Variable = Variable::with_default(
    "FLYSK_SCRATCH_DIR",
    "/tmp/flysk",
    "Directory of recordings between two stages; may be lost at any time. Up to 2 GB per call at work.",
);

pub(super) const VARIABLES: &[Variable] = &[CONCURRENCY, GRACE_SECONDS, SCRATCH_DIR];

/// Jobs run at once, per queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    named: BTreeMap<String, usize>,
    others: usize,
}

impl Concurrency {
    /// How many jobs of this queue one process runs at once.
    pub fn of(&self, queue: &str) -> usize {
        self.named.get(queue).copied().unwrap_or(self.others)
    }

    /// The queues that are named, so that a misspelt one can be refused by who knows the catalogue.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut parsed = Self { named: BTreeMap::new(), others: 16 };
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (queue, number) = item
                .split_once('=')
                .and_then(|(queue, number)| Some((queue.trim(), number.trim().parse().ok()?)))
                .filter(|(queue, number)| !queue.is_empty() && (1..=10_000).contains(number))
                .ok_or("`queue=number` separated by commas, numbers from 1 to 10000")?;
            if queue == "*" {
                parsed.others = number;
            } else {
                parsed.named.insert(queue.to_owned(), number);
            }
        }
        Ok(parsed)
    }
}

/// How a worker process works and stops.
#[derive(Debug, Clone)]
pub struct Worker {
    /// `FLYSK_WORKER_CONCURRENCY`: jobs at once, per queue.
    pub concurrency: Concurrency,
    /// `FLYSK_GRACE_SECONDS`: time to stop after SIGTERM (the API uses it too).
    pub grace: Duration,
    /// `FLYSK_SCRATCH_DIR`: files that may be lost at any time.
    pub scratch_dir: PathBuf,
}

impl Worker {
    /// Reads the concern.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let concurrency = vars.parsed(&CONCURRENCY, Concurrency::parse);
            let grace = vars.seconds(&GRACE_SECONDS, 1..=3_600);
            let scratch_dir = vars.path(&SCRATCH_DIR);
            Ok(Self { concurrency: concurrency?, grace: grace?, scratch_dir: scratch_dir? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_not_named_gets_the_stars_number() {
        let concurrency = Concurrency::parse("calls=8, *=3").unwrap();
        assert_eq!((concurrency.of("calls"), concurrency.of("oauth")), (8, 3));
        assert_eq!(concurrency.named().collect::<Vec<_>>(), ["calls"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["calls", "calls=0", "calls=-1", "=4", "calls=many"] {
            assert!(Concurrency::parse(text).is_err(), "{text}");
        }
    }
}
