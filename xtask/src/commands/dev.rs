//! `cargo xtask dev`: runs everything; rebuilds and restarts when a source changes.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::Result;

use super::services::development;
use super::{demo_binary, prepare, product_build, sandbox_binary};
use crate::process::{self, ProcessGroup};
use crate::services::{Cache, Database, Durability, State};
use crate::workspace;

/// Interval of checking the sources for changes.
const POLL_INTERVAL: Duration = Duration::from_millis(700);
/// Slightly longer than the processes' own grace time.
const STOP_GRACE: Duration = Duration::from_secs(30);
/// File with the environment of the processes, for a shell.
const ENVIRONMENT_FILE: &str = "target/dev.env";
/// Port of the sandbox, if it is free: the console's address stays the same.
const SANDBOX_PORT: u16 = 8090;
/// Database of the sandbox: migrated once, emptied at each start.
const SANDBOX_DATABASE: &str = "sandbox_dev";
/// The executable of the sandbox, which the demonstration does without.
const SANDBOX_BUILD: [&str; 4] = ["-p", "flysk-sandbox", "--bin", "flysk-sandbox"];
/// Directories with the product's sources.
const WATCHED_PATHS: [&str; 9] = [
    "admin",
    "api",
    "jobs",
    "migrations",
    "shared",
    "tests/sandbox",
    "tests/simulators",
    "tests/suite",
    "workers",
];

/// Runs until a stop is requested. Servers that were already running keep running.
pub fn run(backend: Option<String>, args: &[String]) -> Result<()> {
    let args = starter_options(backend, args);
    prepare()?;
    let before = development().running();
    let database = Database::from_process()?;
    let state = development().up(database, Cache::from_process()?, Durability::Process)?;
    let outcome = rebuild_and_run(&args, database, &state);
    if before == State::default() {
        development().down()?;
    }
    outcome
}

/// Options of the process starter.
fn starter_options(backend: Option<String>, args: &[String]) -> Vec<String> {
    let file = workspace::root().join(ENVIRONMENT_FILE).display().to_string();
    let mut options = vec!["--serve".to_owned(), "--env-file".to_owned(), file];
    options.extend(backend.into_iter().flat_map(|url| ["--backend".to_owned(), url]));
    options.extend(args.iter().cloned());
    options
}

fn rebuild_and_run(args: &[String], database: Database, state: &State) -> Result<()> {
    let mut running: Vec<ProcessGroup> = Vec::new();
    while !process::stop_requested() {
        let built_from = newest_source();
        match process::check("the build", product_build().args(SANDBOX_BUILD)) {
            Ok(()) => {
                stop(std::mem::take(&mut running))?;
                running.push(ProcessGroup::spawn(&mut demo_binary(args, database, state))?);
                running.push(spawn_sandbox(database, state)?);
            }
            // The previous processes keep running.
            Err(error) => eprintln!("xtask: {error:#}; waiting for the next change"),
        }
        wait_for_change(built_from, &mut running)?;
    }
    stop(running)
}

/// Starts the sandbox with a running clock. It prints the address of its console, and accepts events itself, because those of
/// the environment go to the backend.
fn spawn_sandbox(database: Database, state: &State) -> Result<ProcessGroup> {
    let is_free = TcpListener::bind(("127.0.0.1", SANDBOX_PORT)).is_ok();
    let port = if is_free { SANDBOX_PORT } else { 0 }.to_string();
    let args = ["--clock", "running", "--no-json", "--port", &port, "--database", SANDBOX_DATABASE, "--keep"];
    ProcessGroup::spawn(&mut sandbox_binary(&args, database, state))
}

fn stop(groups: Vec<ProcessGroup>) -> Result<()> {
    groups.into_iter().try_for_each(|mut group| group.stop(STOP_GRACE))
}

fn wait_for_change(built_from: SystemTime, running: &mut Vec<ProcessGroup>) -> Result<()> {
    while !process::stop_requested() && newest_source() <= built_from {
        let mut ended = Vec::new();
        for (index, group) in running.iter_mut().enumerate() {
            if let Some(status) = group.try_wait()? {
                eprintln!("xtask: exited ({status}); waiting for the next change");
                ended.push(index);
            }
        }
        for index in ended.into_iter().rev() {
            running.remove(index);
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Time of the last change of a source.
fn newest_source() -> SystemTime {
    let root = workspace::root();
    WATCHED_PATHS.iter().map(|folder| newest(&root.join(folder))).max().unwrap_or(SystemTime::UNIX_EPOCH)
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
