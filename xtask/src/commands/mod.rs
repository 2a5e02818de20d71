//! The commands of `cargo xtask`.

pub mod bench;
pub mod ci;
pub mod demo;
pub mod dev;
pub mod fuzz;
pub mod generated;
pub mod services;
pub mod test;
mod test_runner;

use std::process::Command;

use anyhow::Result;

use crate::programs::{self, CC, CHROMEDRIVER, CHROMIUM, CMAKE, FFMPEG, MAKE};
use crate::services::{DATABASE_VARIABLE, Database, Mysql, Redis, State};
use crate::{process, workspace};

/// Packages whose executables make up the product and its demonstration.
const PRODUCT: [&str; 6] = ["-p", "flysk-api", "-p", "flysk-workers", "-p", "flysk-suite"];

/// What it takes to build the workspace and to run it, installed if need be.
fn prepare() -> Result<()> {
    programs::require(&[&CC, &MAKE, &CMAKE, &FFMPEG])
}

/// Builds the executables of the product and of its demonstration.
fn build_product() -> Result<()> {
    process::check("the build", workspace::cargo(["build", "--bins"]).args(PRODUCT))
}

/// Tells a command where the servers are, and with which programs it can start its own.
fn with_services(command: &mut Command, database: Database, state: &State) {
    let paths = [
        ("FLYSK_MYSQLD", Mysql::find_for(database).map(|mysql| mysql.executable().to_owned())),
        ("FLYSK_REDIS_SERVER", Redis::find().map(|redis| redis.executable().to_owned())),
        ("FLYSK_FFMPEG", FFMPEG.find()),
        ("FLYSK_CHROMIUM", CHROMIUM.find()),
        ("FLYSK_CHROMEDRIVER", CHROMEDRIVER.find()),
        ("FLYSK_BIN_DIR", Some(workspace::debug_binaries())),
    ];
    let urls = [("DATABASE_URL", state.database_url()), ("REDIS_URL", state.redis_url())];
    command.env(DATABASE_VARIABLE, database.name());
    command.envs(paths.into_iter().filter_map(|(name, path)| Some((name, path?))));
    command.envs(urls.into_iter().filter_map(|(name, url)| Some((name, url?))));
}

/// The demonstration's executable with these arguments.
fn demo_binary(args: &[String], database: Database, state: &State) -> Command {
    let mut command = Command::new(workspace::debug_binaries().join("flysk-demo"));
    command.args(args);
    with_services(&mut command, database, state);
    command
}
