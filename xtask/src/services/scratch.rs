//! Directories for the data of private servers.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::workspace;

/// Memory file system of Linux.
const SHM_DIR: &str = "/dev/shm";

/// Minimum free space for the servers and test databases of one run, in bytes.
const MIN_FREE_BYTES: u64 = 4 << 30;

/// A directory on disk below `target`.
pub(super) fn on_disk() -> PathBuf {
    workspace::target().join("services")
}

/// The fastest directory whose data survives a crash of the server, but not of the machine: in memory if there is enough
/// space. Creating a database there takes a tenth of the time, because no table waits for the disk.
pub fn fastest() -> PathBuf {
    let roomy = statvfs(SHM_DIR).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) >= MIN_FREE_BYTES);
    if !roomy {
        return on_disk();
    }
    // One directory per checkout, so that one run does not remove another's data.
    let mut checkout = DefaultHasher::new();
    workspace::target().hash(&mut checkout);
    Path::new(SHM_DIR).join(format!("flysk-services-{:016x}", checkout.finish()))
}
