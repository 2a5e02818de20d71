//! The commands of `cargo xtask`.

pub mod bench;
pub mod ci;
mod client_programs;
pub mod clients;
pub mod demo;
pub mod dev;
pub mod fuzz;
pub mod generated;
mod sdks;
pub mod services;
pub mod test;
mod test_runner;
mod test_schema;
pub mod widget;

use std::process::Command;

use anyhow::Result;

use crate::services::{
    CACHE_VARIABLE, CLUSTER_VARIABLE, Cache, DATABASE_VARIABLE, Database, Mysql, Redis, State,
};
use crate::tools::{self, CC, CHROMEDRIVER, CHROMIUM, CMAKE, FFMPEG, MAKE};
use crate::{process, workspace};

/// The executables of a demonstration that exits. Benches and chaos workers are features of the suite that it does without.
const DEMO_BUILD: [&str; 13] = [
    "-p",
    "flysk-api",
    "--bin",
    "flysk-api",
    "-p",
    "flysk-workers",
    "--bin",
    "flysk-worker",
    "-p",
    "flysk-suite",
    "--bin",
    "flysk-demo",
    "--no-default-features",
];

/// The panel, for people who look at a demonstration that stays.
const PANEL_BUILD: [&str; 4] = ["-p", "flysk-admin", "--bin", "flysk-admin"];

/// Installs missing tools that building and running the workspace require.
fn prepare() -> Result<()> {
    tools::require(&[&CC, &MAKE, &CMAKE, &FFMPEG])
}

/// Command that builds the executables of the product and the demo.
fn product_build() -> Command {
    let mut build = workspace::cargo(["build"]);
    build.args(DEMO_BUILD).args(PANEL_BUILD);
    build
}

/// Builds the executables of the product and the demo.
fn build_product() -> Result<()> {
    process::check("the build", &mut product_build())
}

/// Builds what a demonstration that exits runs.
fn build_demo() -> Result<()> {
    let mut build = workspace::cargo(["build"]);
    process::check("the build", build.args(DEMO_BUILD))
}

/// Passes the servers' URLs to a command, and the programs with which it can start its own servers.
fn with_services(command: &mut Command, database: Database, state: &State) {
    // Another value has stopped the start of the servers.
    let cache = Cache::from_process().unwrap_or_default();
    let paths = [
        ("FLYSK_MYSQLD", Mysql::find_for(database).map(|mysql| mysql.executable().to_owned())),
        ("FLYSK_REDIS_SERVER", Redis::find_for(cache).map(|redis| redis.executable().to_owned())),
        ("FLYSK_FFMPEG", FFMPEG.find()),
        ("FLYSK_CHROMIUM", CHROMIUM.find()),
        ("FLYSK_CHROMEDRIVER", CHROMEDRIVER.find()),
        ("FLYSK_BIN_DIR", Some(workspace::debug_binaries())),
        (clients::CLIENTS_VARIABLE, Some(clients::directory())),
    ];
    let urls = [
        ("DATABASE_URL", state.database_url()),
        ("REDIS_URL", state.redis_url()),
        (CLUSTER_VARIABLE, state.cluster_urls()),
    ];
    command.env(DATABASE_VARIABLE, database.name()).env(CACHE_VARIABLE, cache.name());
    command.envs(paths.into_iter().filter_map(|(name, path)| Some((name, path?))));
    command.envs(urls.into_iter().filter_map(|(name, url)| Some((name, url?))));
}

/// Command that runs the demo with these arguments.
fn demo_binary(args: &[String], database: Database, state: &State) -> Command {
    let mut command = Command::new(workspace::debug_binaries().join("flysk-demo"));
    command.args(args);
    with_services(&mut command, database, state);
    command
}

/// Command that runs the sandbox with these arguments on the servers.
fn sandbox_binary(args: &[&str], database: Database, state: &State) -> Command {
    let mut command = Command::new(workspace::debug_binaries().join("flysk-sandbox"));
    command.args(args);
    with_services(&mut command, database, state);
    command
}
