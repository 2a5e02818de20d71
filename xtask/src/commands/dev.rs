//! `cargo xtask dev`: everything up, built and started anew when a source changes.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Result;

use super::services::development;
use super::{build_product, demo_binary, prepare};
use crate::process::{self, Group};
use crate::services::{Database, Durability, State};
use crate::workspace;

/// How often the sources are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// A little more than the processes' own grace time.
const GRACE: Duration = Duration::from_secs(30);
/// Folders that hold what the product is built from.
const SOURCES: [&str; 7] =
    ["api", "jobs", "migrations", "shared", "tests/simulators", "tests/suite", "workers"];

/// Runs until asked to stop. Servers that ran before are left running, with their data.
pub fn run(args: &[String]) -> Result<()> {
    prepare()?;
    let before = development().running();
    let database = Database::from_process()?;
    let state = development().up(database, Durability::Process)?;
    let outcome = rebuild_and_run(args, database, &state);
    if before == State::default() {
        development().down()?;
    }
    outcome
}

fn rebuild_and_run(args: &[String], database: Database, state: &State) -> Result<()> {
    let args: Vec<String> = std::iter::once("--serve".to_owned()).chain(args.iter().cloned()).collect();
    let mut running: Option<Group> = None;
    while !process::asked_to_stop() {
        let built_from = newest_source();
        match build_product() {
            Ok(()) => {
                if let Some(mut old) = running.take() {
                    old.stop(GRACE)?;
                }
                running = Some(Group::spawn(&mut demo_binary(&args, database, state))?);
            }
            // What ran before goes on running.
            Err(error) => eprintln!("xtask: {error:#}; waiting for the next change"),
        }
        wait_for_change(built_from, running.as_mut())?;
    }
    running.map_or(Ok(()), |mut running| running.stop(GRACE))
}

fn wait_for_change(built_from: SystemTime, running: Option<&mut Group>) -> Result<()> {
    let mut running = running;
    while !process::asked_to_stop() && newest_source() <= built_from {
        if let Some(group) = running.take() {
            match group.try_wait()? {
                Some(status) => eprintln!("xtask: it ended ({status}); waiting for the next change"),
                None => running = Some(group),
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// When a source changed last.
fn newest_source() -> SystemTime {
    let root = workspace::root();
    SOURCES.iter().map(|folder| newest(&root.join(folder))).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest(path: &Path) -> SystemTime {
    let Ok(metadata) = fs::symlink_metadata(path) else { return SystemTime::UNIX_EPOCH };
    let own = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    if !metadata.is_dir() {
        return own;
    }
    let inside = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| newest(&entry.path()));
    inside.fold(own, SystemTime::max)
}
