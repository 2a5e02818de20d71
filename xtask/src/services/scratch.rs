//! Where the data of private servers lies.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::workspace;

/// Memory as a file system, on Linux.
const MEMORY: &str = "/dev/shm";

/// Below this the servers of one run and their test databases may not fit, in bytes.
const MIN_FREE_BYTES: u64 = 4 << 30;

/// A directory on the disk, below `target`.
pub(super) fn on_disk() -> PathBuf {
    workspace::target().join("services")
}

/// The directory where data is written fastest and survives a crash of the server, not of the machine: in memory if
/// there is room. Creating a database there takes a tenth of the time, because no table waits for the disk.
pub fn fastest() -> PathBuf {
    let roomy = statvfs(MEMORY).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) >= MIN_FREE_BYTES);
    if !roomy {
        return on_disk();
    }
    // One for each checkout, so that one run does not sweep away another's.
    let mut checkout = DefaultHasher::new();
    workspace::target().hash(&mut checkout);
    Path::new(MEMORY).join(format!("flysk-services-{:016x}", checkout.finish()))
}
