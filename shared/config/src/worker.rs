//! Workers: concurrency, grace time, scratch directory.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use super::{ConfigError, Env, Variable};

const CONCURRENCY: Variable = Variable::with_default(
    "FLYSK_WORKER_CONCURRENCY",
    "audio=cores,lifecycle=256,oauth_unvouched=32,*=16",
    "Maximum concurrent jobs per queue and process: `calls=8,oauth=4,*=16`; `*` stands for all other queues. A name that\n\
     is no queue is refused; `ephemeral` stands for the polls of recognitions.\n\
     `audio` decodes recordings; `cores` stands for the cores that the process may use. More jobs than cores delay each\n\
     other and need more memory.\n\
     `lifecycle` sends events to vendors' backends: its jobs are cheap because they mostly wait for responses, and slow\n\
     backends must not delay the others. Jobs of `oauth_unvouched` wait for their rate limit and for hosts that may not\n\
     respond.",
);
const GRACE_SECONDS: Variable = Variable::with_default(
    "FLYSK_GRACE_SECONDS",
    "25",
    "Grace time: how long a process may take to stop after SIGTERM, in seconds; then it exits with status 1.\n\
     Set it a little below the hosting platform's limit before SIGKILL (usually 30 s).",
);
const SCRATCH_DIR: Variable = Variable::with_default(
    "FLYSK_SCRATCH_DIR",
    "/tmp/flysk",
    "Directory for recordings between two stages; its files may be lost at any time. Up to 2 GB per running call.",
);

pub(super) const VARIABLES: &[Variable] = &[CONCURRENCY, GRACE_SECONDS, SCRATCH_DIR];

/// Maximum concurrent jobs per queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concurrency {
    named: BTreeMap<String, usize>,
    others: usize,
}

impl Concurrency {
    /// Maximum concurrent jobs of this queue in one process.
    pub fn for_queue(&self, queue: &str) -> usize {
        self.named.get(queue).copied().unwrap_or(self.others)
    }

    /// The queues that the value names, so that the caller can reject misspelt ones; this crate does not know the queues.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut parsed = Self { named: BTreeMap::new(), others: 16 };
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (queue, number) = item
                .split_once('=')
                .and_then(|(queue, number)| Some((queue.trim(), parse_number(number.trim())?)))
                .filter(|(queue, number)| !queue.is_empty() && (1..=10_000).contains(number))
                .ok_or("`queue=number` separated by commas, numbers from 1 to 10000 or `cores`")?;
            if queue == "*" {
                parsed.others = number;
            } else {
                parsed.named.insert(queue.to_owned(), number);
            }
        }
        Ok(parsed)
    }
}

/// A number of jobs; `cores` stands for the cores that the process may use, one if that is unknown.
fn parse_number(text: &str) -> Option<usize> {
    if text == "cores" { Some(available_parallelism().map_or(1, NonZero::get)) } else { text.parse().ok() }
}

/// Concurrency, shutdown and files of a worker process.
#[derive(Debug, Clone)]
pub struct Worker {
    /// `FLYSK_WORKER_CONCURRENCY`: maximum concurrent jobs per queue.
    pub concurrency: Concurrency,
    /// `FLYSK_GRACE_SECONDS`: grace time after SIGTERM; the API uses it too.
    pub grace: Duration,
    /// `FLYSK_SCRATCH_DIR`: directory for files that may be lost at any time.
    pub scratch_dir: PathBuf,
}

impl Worker {
    /// Reads the variables of workers.
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
    use crate::Presence;

    #[test]
    fn a_queue_that_is_not_named_gets_the_stars_number() {
        let concurrency = Concurrency::parse("calls=8, *=3").unwrap();
        assert_eq!((concurrency.for_queue("calls"), concurrency.for_queue("oauth")), (8, 3));
        assert_eq!(concurrency.named().collect::<Vec<_>>(), ["calls"]);
    }

    /// More decoders than cores delay each other, and each may need the full memory limit.
    #[test]
    fn by_default_as_many_recordings_are_decoded_as_there_are_cores() {
        let Presence::Default(default) = CONCURRENCY.presence else { panic!("it has a default") };
        let concurrency = Concurrency::parse(default).unwrap();
        assert_eq!(concurrency.for_queue("audio"), available_parallelism().unwrap().get());
        assert_eq!((concurrency.for_queue("lifecycle"), concurrency.for_queue("calls")), (256, 16));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["calls", "calls=core", "calls=0", "calls=-1", "=4", "calls=many"] {
            assert!(Concurrency::parse(text).is_err(), "{text}");
        }
    }
}
