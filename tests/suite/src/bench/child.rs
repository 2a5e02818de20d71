//! Runs a command and measures its CPU time and memory through `/proc` (Linux only).

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::machine::memory_kib;

/// Polling interval. The memory figure is a peak value, so one late poll is enough.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Unit of times in `/proc/<pid>/stat`: `USER_HZ`, 100 on every architecture that Rust's Linux targets run on
/// (proc(5)).
const CLOCK_TICK: Duration = Duration::from_millis(10);
/// A command that runs longer is considered hung.
const WAIT_TIMEOUT: Duration = Duration::from_mins(10);

/// Measured cost of a command.
#[derive(Debug, Clone)]
pub(super) struct Cost {
    /// User and system time of the process and its children.
    pub(super) cpu: Duration,
    /// Peak memory, in KiB.
    pub(super) peak_kib: u64,
    /// Standard output.
    pub(super) stdout: String,
}

/// A process that is killed on drop.
pub(super) struct ChildGuard(pub(super) Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end and measures it.
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

/// Polls `/proc` until the process has exited. A zombie stays readable until it is waited for.
fn watch(pid: u32) -> anyhow::Result<(Duration, u64)> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let mut peak_kib = 0;
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .context("CPU time and memory can be measured on Linux only")?;
        let (ended, cpu) = read_stat(&stat).context("unknown format of /proc/<pid>/stat")?;
        if ended {
            return Ok((cpu, peak_kib));
        }
        peak_kib = peak_kib.max(memory_kib(pid, "VmHWM").unwrap_or_default());
        if Instant::now() > deadline {
            bail!("the command did not end within {} s", WAIT_TIMEOUT.as_secs());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// CPU time of a running process and its reaped children so far.
pub(super) fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .context("CPU time and memory can be measured on Linux only")?;
    Ok(read_stat(&stat).context("unknown format of /proc/<pid>/stat")?.1)
}

/// CPU time of a process and its children so far, those included that still run.
pub(super) fn cpu_with_children_of(pid: u32) -> anyhow::Result<Duration> {
    let mut cpu = cpu_of(pid)?;
    for entry in std::fs::read_dir("/proc")? {
        let Some(other) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{other}/stat")) else { continue };
        if read_parent(&stat) == Some(pid) {
            cpu += read_stat(&stat).context("unknown format of /proc/<pid>/stat")?.1;
        }
    }
    Ok(cpu)
}

/// CPU time of all processes of the machine since it started.
pub(super) fn cpu_of_machine() -> anyhow::Result<Duration> {
    let stat =
        std::fs::read_to_string("/proc/stat").context("CPU time and memory can be measured on Linux only")?;
    Ok(CLOCK_TICK * read_busy(&stat).context("unknown format of /proc/stat")?)
}

/// Ticks that the machine was busy: the first line without the idle time and the waits for a disk (proc(5)).
/// Guests are part of the user time.
fn read_busy(stat: &str) -> Option<u32> {
    let ticks: Vec<u32> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|it| it.parse().ok())
        .collect();
    let &[user, nice, system, _idle, _waits, interrupts, soft_interrupts, ..] = ticks.as_slice() else {
        return None;
    };
    Some(user + nice + system + interrupts + soft_interrupts)
}

/// The process's parent (proc(5), field 4).
fn read_parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether the process has exited, and the CPU time of it and its reaped children (proc(5), fields 3 and 14 to
/// 17).
fn read_stat(stat: &str) -> Option<(bool, Duration)> {
    // The command name may contain anything, so fields are counted from the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ended = fields.next()? == "Z";
    let ticks: u32 = fields.skip(10).take(4).map(str::parse::<u32>).sum::<Result<_, _>>().ok()?;
    Some((ended, CLOCK_TICK * ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_command_name_is_parsed() {
        let stat = "42 (a ) b) Z 1 42 42 0 -1 4194304 100 0 0 0 150 25 3 2 20 0 1 0 100 0 0";
        assert_eq!(read_stat(stat), Some((true, Duration::from_millis(1_800))));
        assert_eq!(read_stat("42 (sleep"), None);
        assert_eq!(read_parent(stat), Some(1));
    }

    /// A decoder serves many recordings: its time would be missing until it ends.
    #[test]
    fn children_that_still_run_are_counted() {
        let busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let busy = ChildGuard(busy);
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while cpu_of(busy.0.id()).unwrap() < 10 * CLOCK_TICK {
            assert!(Instant::now() < deadline, "it gets no CPU time");
            std::thread::sleep(POLL_INTERVAL);
        }
        let itself = std::process::id();
        let (alone, together) = (cpu_of(itself).unwrap(), cpu_with_children_of(itself).unwrap());
        assert!(together >= alone + 10 * CLOCK_TICK, "{together:?}, of these {alone:?} its own");
    }

    #[test]
    fn idle_time_is_not_busy() {
        let stat = "cpu  100 2 30 9000 400 5 6 7 0 0\ncpu0 50 1 15 4500 200 2 3 3 0 0\n";
        assert_eq!(read_busy(stat), Some(143));
        assert_eq!(read_busy("intr 1"), None);
    }

    #[test]
    fn errors_contain_the_command_output() {
        let error = measure(Command::new("sh").args(["-c", "echo no such format >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("no such format"), "{error}");
        let cost = measure(Command::new("sh").args(["-c", "echo fine"])).unwrap();
        assert_eq!(cost.stdout, "fine\n");
    }
}
