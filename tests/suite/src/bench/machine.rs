//! Description of the machine and its load.

use std::path::Path;
use std::process::Command;

/// CPU, memory and operating system, on one line.
pub(super) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let kib: Option<u64> =
        field("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse().ok());
    let memory = kib.map_or_else(String::new, |kib| format!(", {} GiB of memory", kib.div_ceil(1024 * 1024)));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} × {model}{memory}, {} {}", std::env::consts::OS, kernel.trim())
}

/// The load average of the last minute.
pub(super) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// The first line of what `program args` prints; `None` if it cannot be run.
pub(super) fn version(program: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Value of a field in a file of `name: value` lines.
pub(super) fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// A size in `/proc/<pid>/status`, in KiB: `VmRSS` is the current memory, `VmHWM` the peak.
pub(super) fn memory_kib(pid: u32, name: &str) -> Option<u64> {
    field(&format!("/proc/{pid}/status"), name)?.trim_end_matches(" kB").parse().ok()
}
