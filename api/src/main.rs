//! `flysk-api`: serves the HTTP API.

use std::io::Write as _;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flysk_api::{Config, Deps, routes};
use flysk_runtime::config::Env;
use flysk_runtime::{Shutdown, metrics, telemetry};
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
            Command::Healthcheck => healthcheck(&config).await,
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

async fn healthcheck(config: &Config) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", config.http.listen.port())).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer).await?;
        anyhow::ensure!(answer.split_whitespace().nth(1) == Some("200"), "not ready: {answer}");
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(5), ask).await?
}
