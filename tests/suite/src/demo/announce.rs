//! The environment of tests of the widget: everything runs, and one line of JSON says where.

#![expect(clippy::print_stdout, reason = "the line is read by the program that starts this one")]

use std::path::PathBuf;

use flysk_config::process::Shutdown;

use super::{STOP_GRACE, offer_packages};
use crate::environment::{Environment, Options, built_widget};

/// Runs until SIGTERM or SIGINT. The recording host serves the fixtures.
pub(super) async fn run(widget: Option<PathBuf>, pace: f64) -> anyhow::Result<()> {
    let shutdown = Shutdown::install(STOP_GRACE)?;
    let env = Environment::start(Options::with_fixtures(pace)?).await?;
    env.open_pages(widget.or_else(built_widget))?;
    offer_packages(&env)?;
    env.take_transfers()?;
    env.install().await?;
    println!("{}", env.announcement());
    shutdown.requested().await;
    env.stop()
}
