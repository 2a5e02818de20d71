//! Stopping a process without ending it.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use xtask::services::Server;

const FREEZE_TIMEOUT: Duration = Duration::from_mins(1);

/// Stops the server. Connections stay open, and new ones are accepted by the kernel.
pub fn freeze(server: &Server) -> anyhow::Result<()> {
    freeze_process(server.pid)
}

/// Stops the process and waits until every thread has stopped: `kill` returns before a thread on another core has seen the
/// signal, and that thread still works.
pub(super) fn freeze_process(pid: u32) -> anyhow::Result<()> {
    let sent = Command::new("kill").arg("-STOP").arg(pid.to_string()).status()?;
    ensure!(sent.success(), "kill -STOP failed");
    let deadline = Instant::now() + FREEZE_TIMEOUT;
    while !is_frozen(pid)? {
        ensure!(Instant::now() < deadline, "the process did not stop within {FREEZE_TIMEOUT:?}");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Whether the kernel reports every thread as stopped (`T` in `/proc/PID/task/TID/stat`).
fn is_frozen(pid: u32) -> anyhow::Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may exit between the listing and the read.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        // The name before the state is in parentheses and may contain spaces.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if state != Some('T') {
            return Ok(false);
        }
    }
    Ok(true)
}
