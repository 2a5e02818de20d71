//! Graceful shutdown: a signal requests it, the grace time limits it.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Shutdown signal shared by all tasks of a process.
///
/// SIGTERM or SIGINT cancels the token and starts a timer. If the process still runs after the grace time, the timer
/// exits it with status 1, so that an unreachable Redis or a stuck thread cannot block the shutdown. A second signal
/// exits at once.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// Installs the signal handlers. Call once per process, inside a tokio runtime.
    pub fn install(grace: Duration) -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let token = CancellationToken::new();
        tokio::spawn(handle_signals(terminate, interrupt, token.clone(), grace));
        Ok(Self { token })
    }

    /// Token that is cancelled when the process should stop. Tasks then accept no new work.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Resolves when the process should stop.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Requests a shutdown like a signal, but without the grace time limit.
    pub fn request(&self) {
        self.token.cancel();
    }
}

async fn handle_signals(
    mut terminate: Signal,
    mut interrupt: Signal,
    token: CancellationToken,
    grace: Duration,
) {
    let signal = next_signal(&mut terminate, &mut interrupt).await;
    tracing::info!(signal, grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), "stopping");
    exit_after(grace);
    token.cancel();
    let signal = next_signal(&mut terminate, &mut interrupt).await;
    tracing::warn!(signal, "second stop signal: exiting now");
    std::process::exit(1);
}

async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// Uses a separate thread, because the tokio runtime itself may be stuck.
fn exit_after(grace: Duration) {
    let timer = std::thread::Builder::new().name("grace".to_owned()).spawn(move || {
        std::thread::sleep(grace);
        tracing::error!("shutdown took longer than the grace time: exiting now, unfinished jobs return when their leases expire");
        std::process::exit(1);
    });
    if let Err(error) = timer {
        tracing::error!(%error, "cannot start the grace timer thread: exiting now");
        std::process::exit(1);
    }
}
