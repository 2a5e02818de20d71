//! Stopping: a signal asks, the grace time decides.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The wish to stop, shared by everything in a process.
///
/// On SIGTERM or SIGINT the token is cancelled, and a clock starts that ends the process with status 1 when
/// it is still there after the grace time: a stop must not hang on a Redis that is down or a thread that is
/// stuck. A second signal ends it at once.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// Listens for the signals; inside a tokio runtime, once per process.
    pub fn install(grace: Duration) -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let token = CancellationToken::new();
        tokio::spawn(obey(terminate, interrupt, token.clone(), grace));
        Ok(Self { token })
    }

    /// Cancelled when the process should stop; take no new work then.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Resolves when the process should stop.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Asks everything to stop, as a signal would, but without a deadline.
    pub fn request(&self) {
        self.token.cancel();
    }
}

async fn obey(mut terminate: Signal, mut interrupt: Signal, token: CancellationToken, grace: Duration) {
    let signal = next(&mut terminate, &mut interrupt).await;
    tracing::info!(signal, grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), "stopping");
    end_after(grace);
    token.cancel();
    let signal = next(&mut terminate, &mut interrupt).await;
    tracing::warn!(signal, "asked to stop a second time: ending now");
    std::process::exit(1);
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// A thread of its own: the runtime may be the very thing that is stuck.
fn end_after(grace: Duration) {
    let timer = std::thread::Builder::new().name("grace".to_owned()).spawn(move || {
        std::thread::sleep(grace);
        tracing::error!("still here after the grace time: ending now, leases will bring the work back");
        std::process::exit(1);
    });
    if let Err(error) = timer {
        tracing::error!(%error, "no thread for the grace time; ending now");
        std::process::exit(1);
    }
}
