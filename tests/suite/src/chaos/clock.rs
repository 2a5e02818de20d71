//! Clocks of worker processes: one set by the test, and one that is wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::{Clock, SystemClock};
use flysk_domain::{Randomness, SystemRandomness};

/// The wall clock of a machine whose time is wrong by an offset.
#[derive(Debug)]
pub(super) struct WrongClock(TimeDelta);

impl WrongClock {
    /// A wall clock that is ahead by `by`.
    pub(super) fn ahead(by: TimeDelta) -> Arc<dyn Clock> {
        Arc::new(Self(by))
    }
}

impl Randomness for WrongClock {
    fn random_u128(&self) -> u128 {
        SystemRandomness.random_u128()
    }
}

impl Clock for WrongClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }
}

/// A clock that reads the time from a file, in µs since 1970.
#[derive(Debug, Clone)]
pub(super) struct FileClock {
    file: PathBuf,
}

impl FileClock {
    /// Opens the clock; the file must exist.
    pub(super) fn open(file: PathBuf) -> anyhow::Result<Self> {
        read(&file)?;
        Ok(Self { file })
    }

    /// Sets the clock atomically, so that readers never see a partial value.
    pub(super) fn set(file: &Path, now: DateTime<Utc>) -> anyhow::Result<()> {
        let new = file.with_extension("new");
        std::fs::write(&new, now.timestamp_micros().to_string())?;
        Ok(std::fs::rename(&new, file)?)
    }
}

impl Randomness for FileClock {
    fn random_u128(&self) -> u128 {
        SystemRandomness.random_u128()
    }
}

impl Clock for FileClock {
    #[expect(
        clippy::expect_used,
        reason = "the file exists as long as the test; the clock cannot work without it"
    )]
    fn now(&self) -> DateTime<Utc> {
        read(&self.file).expect("the clock's file is missing")
    }
}

fn read(file: &Path) -> anyhow::Result<DateTime<Utc>> {
    let micros = std::fs::read_to_string(file)?.parse()?;
    DateTime::from_timestamp_micros(micros).context("the clock's time is out of range")
}
