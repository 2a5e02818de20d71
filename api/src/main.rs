//! `flysk-api`: serves the HTTP API.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flysk_api::{Config, Deps, routes};
use flysk_config::Env;
use flysk_config::process::{Shutdown, cli, exit_code, health, metrics, telemetry};
use flysk_serving::{ConnectionLimits, Connections, MAX_HTTP2_STREAMS};
use poem::{EndpointExt as _, Server};
use tokio::net::TcpListener;

/// Serves Flysk's HTTP API.
///
/// Configured only by environment variables (see `.env.example`). A command that fails prints the reason on standard error
/// and exits with a non-zero status.
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
    /// Listens on `FLYSK_LISTEN`; Swagger UI is at `/docs`, the OpenAPI document at `/openapi.json`. On SIGTERM it accepts no new
    /// connections, waits for running requests, and exits within `FLYSK_GRACE_SECONDS`.
    Serve,
    /// Print the OpenAPI document (api/openapi.json); needs no configuration.
    Openapi,
    /// Check that the server on this host is ready; for container health checks.
    ///
    /// Calls `/readyz` on `FLYSK_LISTEN`. Exits with status 0 if the response is 200, which requires MySQL.
    Healthcheck,
    /// Print this reference of commands as Markdown (a part of docs/cli.md).
    #[command(name = "cli:reference", hide = true)]
    CliReference,
}

fn main() -> ExitCode {
    exit_code(run(&Cli::parse()))
}

fn run(args: &Cli) -> anyhow::Result<()> {
    match args.command {
        Command::Openapi => return Ok(std::io::stdout().write_all(routes::specification().as_bytes())?),
        Command::CliReference => return Ok(std::io::stdout().write_all(cli::reference::<Cli>().as_bytes())?),
        Command::Serve | Command::Healthcheck => {}
    }
    let config = Config::from_env(&Env::from_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.command {
            Command::Serve => Box::pin(serve(config)).await,
            Command::Healthcheck => Ok(health::check(config.http.listen, "/readyz").await?),
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
    let kept = deps.clone();
    tracing::info!(listen = %listen, "ready");
    let stop = shutdown.token();
    let drain_timeout = grace.saturating_sub(Duration::from_secs(1));
    let connections = Connections::default();
    let acceptor =
        connections.accept_within(TcpListener::bind(listen).await?, ConnectionLimits::default())?;
    Server::new_with_acceptor(acceptor)
        .http2_max_concurrent_streams(MAX_HTTP2_STREAMS)
        .run_with_graceful_shutdown(
            routes::app(deps).with(connections),
            async move { stop.cancelled().await },
            Some(drain_timeout),
        )
        .await?;
    kept.vault.drain().await;
    kept.flush_logs().await;
    Ok(())
}
