//! `flysk-api`: serves the HTTP API.

use std::io::Write as _;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flysk_api::{Config, Deps, routes};
use flysk_runtime::config::Env;
use flysk_runtime::{Shutdown, health, metrics, telemetry};
use poem::Server;
use poem::listener::TcpListener;

/// Serves Flysk's HTTP API. Configured by the environment; see `.env.example`.
#[derive(Debug, Parser)]
#[command(name = "flysk-api", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM.
    Serve,
    /// Print the OpenAPI document (api/openapi.json).
    Openapi,
    /// Ask the server of this environment whether it is ready; for containers.
    Healthcheck,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Command::Openapi = cli.command {
        return Ok(std::io::stdout().write_all(routes::specification().as_bytes())?);
    }
    let config = Config::from_env(&Env::from_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve => serve(config).await,
            Command::Healthcheck => Ok(health::ask(config.http.listen, "/readyz").await?),
            Command::Openapi => Ok(()),
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
