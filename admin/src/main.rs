//! `flysk-admin`: serves the admin panel, and creates its operators.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use flysk_admin::commands::{operator_create, operator_list, operator_reset, operator_unlock};
use flysk_admin::routes::{self, Only};
use flysk_admin::{Config, Deps};
use flysk_config::Env;
use flysk_config::process::{Shutdown, cli, exit_code, health, metrics, telemetry};
use flysk_serving::{ConnectionLimits, Connections, MAX_HTTP2_STREAMS};
use poem::{EndpointExt as _, Server};
use tokio::net::TcpListener;

/// Serves the admin panel.
///
/// Configured only by environment variables (see `.env.example`). A command that fails prints the reason on standard error
/// and exits with a non-zero status.
#[derive(Debug, Parser)]
#[command(name = "flysk-admin", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the panel until SIGTERM.
    ///
    /// Serves the vendors' portal below `/portal`, too. Listens on `FLYSK_ADMIN_LISTEN`. On SIGTERM it accepts no new connections,
    /// waits for running requests, and exits within `FLYSK_GRACE_SECONDS`.
    Serve {
        /// Serve the panel or the portal only: the panel in a private network, the portal for everybody.
        #[arg(long)]
        only: Option<Only>,
    },
    /// Create an operator and print the password, only once.
    ///
    /// The operator sets up the second factor at the first sign-in.
    #[command(name = "operator:create")]
    OperatorCreate(operator_create::Create),
    /// Give an operator a new password, remove the second factor, and end all sessions.
    ///
    /// The way in when the second factor is lost. The audit log records it.
    #[command(name = "operator:reset")]
    OperatorReset(operator_reset::Reset),
    /// Lift the lock-out of an operator after too many wrong passwords or codes.
    ///
    /// The lock-out of an address ends by itself. The audit log records it.
    #[command(name = "operator:unlock")]
    OperatorUnlock(operator_unlock::Unlock),
    /// List all operators, one line each: id, login, role, state, name.
    #[command(name = "operator:list")]
    OperatorList,
    /// Check that the panel on this host is ready; for container health checks.
    ///
    /// Calls `/readyz` on `FLYSK_ADMIN_LISTEN`. Exits with status 0 if the response is 200, which requires MySQL.
    Healthcheck,
    /// Print this reference of commands as Markdown (a part of docs/cli.md).
    #[command(name = "cli:reference", hide = true)]
    CliReference,
}

fn main() -> ExitCode {
    exit_code(run(Cli::parse()))
}

fn run(args: Cli) -> anyhow::Result<()> {
    if let Command::CliReference = args.command {
        return Ok(std::io::stdout().write_all(cli::reference::<Cli>().as_bytes())?);
    }
    let config = Config::from_env(&Env::from_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match args.command {
            Command::Serve { only } => Box::pin(serve(config, only)).await,
            Command::Healthcheck => Ok(health::check(config.admin.listen, "/readyz").await?),
            Command::OperatorCreate(create) => Box::pin(create.run(config)).await,
            Command::OperatorReset(reset) => Box::pin(reset.run(config)).await,
            Command::OperatorUnlock(unlock) => Box::pin(unlock.run(config)).await,
            Command::OperatorList => Box::pin(operator_list::run(config)).await,
            Command::CliReference => Ok(()),
        }
    })
}

async fn serve(config: Config, only: Option<Only>) -> anyhow::Result<()> {
    telemetry::install(&config.telemetry)?;
    if let Some(listen) = config.telemetry.metrics_listen {
        metrics::install(listen, "admin")?;
    }
    let grace = config.worker.grace;
    let shutdown = Shutdown::install(grace)?;
    let listen = config.admin.listen;
    let deps = Deps::connect(config).await?;
    tracing::info!(listen = %listen, "ready");
    let stop = shutdown.token();
    let drain_timeout = grace.saturating_sub(Duration::from_secs(1));
    let connections = Connections::default();
    let acceptor =
        connections.accept_within(TcpListener::bind(listen).await?, ConnectionLimits::default())?;
    Server::new_with_acceptor(acceptor)
        .http2_max_concurrent_streams(MAX_HTTP2_STREAMS)
        .run_with_graceful_shutdown(
            routes::app_with(deps, only).with(connections),
            async move { stop.cancelled().await },
            Some(drain_timeout),
        )
        .await?;
    Ok(())
}
