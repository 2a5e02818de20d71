//! Where servers of tests keep their files.

use tempfile::TempDir;
use xtask::services::fastest_directory;

/// A temporary directory for a test's own servers.
pub fn own_directory() -> anyhow::Result<TempDir> {
    let parent = fastest_directory();
    std::fs::create_dir_all(&parent)?;
    Ok(tempfile::tempdir_in(parent)?)
}
