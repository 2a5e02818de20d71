//! Clocks of worker processes: one that stands still until a test moves it, and one that is wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::{Clock, SystemClock};

/// The wall clock of a machine that nobody keeps right.
#[derive(Debug)]
pub(super) struct WrongClock(TimeDelta);

impl WrongClock {
    /// A wall clock that is ahead by so much.
    pub(super) fn ahead(by: TimeDelta) -> Arc<dyn Clock> {
        Arc::new(Self(by))
    }
}

impl Clock for WrongClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }
}

/// Reads the time from a file: µs since 1970.
#[derive(Debug, Clone)]
pub(super) struct FileClock {
    file: PathBuf,
}

impl FileClock {
    /// The clock in this file, which has to be there.
    pub(super) fn open(file: PathBuf) -> anyhow::Result<Self> {
        read(&file)?;
        Ok(Self { file })
    }

    /// Moves the clock in one step, so that nobody reads half a time.
    pub(super) fn set(file: &Path, now: DateTime<Utc>) -> anyhow::Result<()> {
        let new = file.with_extension("new");
        std::fs::write(&new, now.timestamp_micros().to_string())?;
        Ok(std::fs::rename(&new, file)?)
    }
}

impl Clock for FileClock {
    #[expect(
        clippy::expect_used,
        reason = "the file is there as long as the test, and nothing can be done without"
    )]
    fn now(&self) -> DateTime<Utc> {
        read(&self.file).expect("the test keeps the clock's file")
    }
}

fn read(file: &Path) -> anyhow::Result<DateTime<Utc>> {
    let micros = std::fs::read_to_string(file)?.parse()?;
    DateTime::from_timestamp_micros(micros).context("no such time")
}
