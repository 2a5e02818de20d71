//! `flysk-api`: serves the HTTP API.

use std::io::Write as _;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flysk_api::{Config, Deps, routes};
use flysk_runtime::config::Env;
use flysk_runtime::{Shutdown, cli, health, metrics, telemetry};
use poem::Server;
use poem::listener::TcpListener;

/// Serves Flysk's HTTP API.
///
/// Configured by environment variables alone (see `.env.example`). A command that fails says why on standard error and
/// ends with a status other than 0.
#[derive(Debug, Parser)]
#[command(name = "flysk-api", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP until SIGTERM.
    ///
    /// Listens at `FLYSK_LISTEN`; Swagger UI is at `/docs`, the OpenAPI document at `/openapi.json`. On SIGTERM it takes no new
    /// connections, lets running requests end, and ends within `FLYSK_GRACE_SECONDS`.
    Serve,
    /// Print the OpenAPI document (api/openapi.json); needs no configuration.
    Openapi,
    /// Check that the server beside this command is ready; for health checks of containers.
    ///
    /// Calls `/readyz` at `FLYSK_LISTEN`. Ends with status 0 if it answers 200, which it does while MySQL answers.
    Healthcheck,
    /// Print this reference of commands as Markdown (a part of docs/cli.md).
    #[command(name = "cli:reference", hide = true)]
    CliReference,
}

fn main() -> anyhow::Result<()> {
    let args = Cli::parse();
    match args.command {
        Command::Openapi => return Ok(std::io::stdout().write_all(routes::specification().as_bytes())?),
        Command::CliReference => return Ok(std::io::stdout().write_all(cli::reference::<Cli>().as_bytes())?),
        Command::Serve | Command::Healthcheck => {}
    }
    let config = Config::from_env(&Env::from_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.command {
            Command::Serve => serve(config).await,
            Command::Healthcheck => Ok(health::ask(config.http.listen, "/readyz").await?),
            Command::Openapi | Command::CliReference => Ok(()),
        }
    })
}

async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::install(&config.telemetry)?;
    if let Some(listen) = config.telemetry.metrics_listen {
        metrics::install(listen, "api")?;
    }
    let grace = config.worker.grace;
    let shutdown = Shutdown::install(grace)?;
    let listen = config.http.listen;
    let deps = Deps::connect(config).await?;
    let vault = deps.vault.clone();
    tracing::info!(listen = %listen, "ready");
    let stop = shutdown.token();
    let patience = grace.saturating_sub(Duration::from_secs(1));
    Server::new(TcpListener::bind(listen))
        .run_with_graceful_shutdown(routes::app(deps), async move { stop.cancelled().await }, Some(patience))
        .await?;
    vault.drain().await;
    Ok(())
}
