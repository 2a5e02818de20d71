//! What a command costs: processor time and memory, as Linux tells them under `/proc`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::machine::memory_kib;

/// How often a running command is looked at; its memory counts at its largest, so a look late in the run is enough.
const LOOK: Duration = Duration::from_millis(5);
/// The unit of times in `/proc/<pid>/stat`: `USER_HZ`, 100 on every architecture Rust's Linux targets run on (proc(5)).
const TICK: Duration = Duration::from_millis(10);
/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_mins(10);

/// What a command cost.
#[derive(Debug, Clone)]
pub(super) struct Cost {
    /// User and system time of it and of its children.
    pub(super) cpu: Duration,
    /// The most memory it held at once.
    pub(super) peak_kib: u64,
    /// What it printed.
    pub(super) stdout: String,
}

/// Runs a command to its end.
pub(super) fn measure(command: &mut Command) -> anyhow::Result<Cost> {
    let errors = tempfile::NamedTempFile::new()?;
    let output = tempfile::NamedTempFile::new()?;
    command.stdin(Stdio::null()).stdout(output.reopen()?).stderr(errors.reopen()?);
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let watched = watch(child.id());
    if watched.is_err() {
        let _ = child.kill();
    }
    let status = child.wait()?;
    let (cpu, peak_kib) = watched?;
    let stdout = std::fs::read_to_string(output.path())?;
    if !status.success() {
        let said = std::fs::read_to_string(errors.path()).unwrap_or_default();
        let last = said.lines().chain(stdout.lines()).last().unwrap_or_default();
        bail!("{name} ended with {status}: {last}");
    }
    Ok(Cost { cpu, peak_kib, stdout })
}

/// Looks until the process has ended; it stays readable until somebody waits for it.
fn watch(pid: u32) -> anyhow::Result<(Duration, u64)> {
    let deadline = Instant::now() + PATIENCE;
    let mut peak_kib = 0;
    loop {
        let stat =
            std::fs::read_to_string(format!("/proc/{pid}/stat")).context("costs are known on Linux only")?;
        let (ended, cpu) = read_stat(&stat).context("an unknown form of /proc/<pid>/stat")?;
        if ended {
            return Ok((cpu, peak_kib));
        }
        peak_kib = peak_kib.max(memory_kib(pid, "VmHWM").unwrap_or_default());
        if Instant::now() > deadline {
            bail!("it did not end in {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether the process has ended, and the time it and its waited-for children took (proc(5), fields 3 and 14 to 17).
fn read_stat(stat: &str) -> Option<(bool, Duration)> {
    // The command's name may contain anything, so fields are counted from the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ended = fields.next()? == "Z";
    let ticks: u32 = fields.skip(10).take(4).map(str::parse::<u32>).sum::<Result<_, _>>().ok()?;
    Some((ended, TICK * ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "42 (a ) b) Z 1 42 42 0 -1 4194304 100 0 0 0 150 25 3 2 20 0 1 0 100 0 0";
        assert_eq!(read_stat(stat), Some((true, Duration::from_millis(1_800))));
        assert_eq!(read_stat("42 (sleep"), None);
    }

    #[test]
    fn failures_say_what_was_said() {
        let error = measure(Command::new("sh").args(["-c", "echo no such format >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("no such format"), "{error}");
        let cost = measure(Command::new("sh").args(["-c", "echo fine"])).unwrap();
        assert_eq!(cost.stdout, "fine\n");
    }
}
