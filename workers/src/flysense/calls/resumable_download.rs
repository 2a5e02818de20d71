//! Resumable download of a recording: the part received by earlier attempts stays on this machine.
//!
//! This is only an optimisation. On another machine, after a reboot, with another link, or if the saved state does not
//! match, the download starts from the beginning. The state is saved beside the part only while no attempt is running.
//! A process that dies saves none, so its part is not reused.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use flysk_clients::outbound::{Partial, ResumeToken};
use flysk_domain::{Randomness as _, SystemRandomness};
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File};

/// The file that a recording is downloaded into.
#[derive(Debug)]
pub(super) struct ResumableDownload {
    /// Destination of the bytes.
    pub(super) file: File,
    /// Bytes already in the file.
    pub(super) partial: Partial,
    path: PathBuf,
    state_path: PathBuf,
    link: u64,
    completed: bool,
}

/// State saved beside an incomplete file.
#[derive(Debug, Serialize, Deserialize)]
struct ResumeState {
    /// Hash of the link; links are often signed, so they are not stored.
    link: u64,
    /// Boot of the machine. Bytes written before a reboot may not have reached the disk.
    boot_id: String,
    part: ResumeToken,
}

impl ResumableDownload {
    /// Resumes the part that an earlier attempt left of `link` for `target`, or starts from the beginning.
    pub(super) async fn open(target: &Path, link: &str) -> io::Result<Self> {
        let link = fingerprint(link);
        let (path, state_path) =
            (target.with_extension("source.part"), target.with_extension("source.part.json"));
        let file = open(&path).await?;
        // A suspended worker may resume writing while another attempt runs: a lock keeps one writer per file.
        let Ok(()) = file.try_lock() else {
            let path =
                target.with_extension(format!("source.part-{:08x}", SystemRandomness.random_u128() >> 96));
            let file = File::from_std(open(&path).await?);
            let state_path = path.with_extension("json");
            return Ok(Self { file, partial: Partial::default(), path, state_path, link, completed: false });
        };
        let kept = load_state(&state_path, link).await?;
        let partial = match kept {
            Some(kept) => Partial::from_saved(&kept, file.metadata()?.len()),
            None => Partial::default(),
        };
        if partial.bytes() > 0 {
            tracing::info!(bytes = partial.bytes(), "resuming an earlier download");
        }
        Ok(Self { file: File::from_std(file), partial, path, state_path, link, completed: false })
    }

    /// Renames the complete recording to `target`.
    pub(super) async fn finish(mut self, target: &Path) -> io::Result<()> {
        self.completed = true;
        fs::rename(&self.path, target).await
    }

    fn save_state(&self) -> io::Result<()> {
        let Some(part) = self.partial.resume_token() else { return Ok(()) };
        let state = ResumeState { link: self.link, boot_id: boot_id()?, part };
        std::fs::write(&self.state_path, serde_json::to_vec(&state)?)
    }
}

/// Saves the state however an attempt ends: with an error, a timeout or a shutdown. A few hundred bytes, so blocking
/// I/O is acceptable.
impl Drop for ResumableDownload {
    fn drop(&mut self) {
        if !self.completed
            && let Err(error) = self.save_state()
        {
            tracing::debug!(error = %error, "failed to save the download state");
        }
    }
}

async fn open(path: &Path) -> io::Result<std::fs::File> {
    let mut options = fs::OpenOptions::new();
    Ok(options.read(true).write(true).create(true).truncate(false).open(path).await?.into_std().await)
}

/// Loads the saved state and deletes it, because this attempt will change the file.
async fn load_state(state_path: &Path, link: u64) -> io::Result<Option<ResumeToken>> {
    let text = match fs::read(state_path).await {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::remove_file(state_path).await?;
    let kept: Option<ResumeState> = serde_json::from_slice(&text).ok();
    let boot_id = boot_id()?;
    Ok(kept.filter(|kept| kept.link == link && kept.boot_id == boot_id).map(|kept| kept.part))
}

/// Hash of a link. Another release may compute another value; the download then starts from the beginning.
fn fingerprint(link: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}

/// Identifies this boot of the machine.
fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://pbx.example.com/r/1.mp3?sig=1";

    /// A part with `bytes` of a file of 9, as a download would leave it.
    async fn leave(target: &Path, bytes: &str) {
        let part = ResumableDownload::open(target, LINK).await.unwrap();
        std::fs::write(&part.path, bytes).unwrap();
        drop(part);
        let state = format!(
            r#"{{"link":{},"boot_id":"{}","part":{{"bytes":{},"total":9,"validator":"\"v1\""}}}}"#,
            fingerprint(LINK),
            boot_id().unwrap(),
            bytes.len()
        );
        std::fs::write(target.with_extension("source.part.json"), state).unwrap();
    }

    #[tokio::test]
    async fn a_part_is_taken_up_once_and_only_under_its_link() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("tr_1-1.source");
        leave(&target, "12345").await;
        let again = ResumableDownload::open(&target, LINK).await.unwrap();
        assert_eq!((again.partial.bytes(), again.partial.total()), (5, Some(9)));
        // A process that dies now leaves no state, because its writes are unknown.
        assert!(!target.with_extension("source.part.json").exists());
        drop(again);
        // A process that ends in order saves it.
        let third = ResumableDownload::open(&target, LINK).await.unwrap();
        assert_eq!(third.partial.bytes(), 5);
        drop(third);
        let other = ResumableDownload::open(&target, "https://pbx.example.com/r/2.mp3").await.unwrap();
        assert_eq!(other.partial, Partial::default());
    }

    #[tokio::test]
    async fn a_part_that_somebody_holds_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("tr_1-1.source");
        leave(&target, "12345").await;
        let first = ResumableDownload::open(&target, LINK).await.unwrap();
        let second = ResumableDownload::open(&target, LINK).await.unwrap();
        assert_ne!(first.path, second.path);
        assert_eq!((first.partial.bytes(), second.partial.bytes()), (5, 0));
        second.finish(&target).await.unwrap();
        assert!(target.exists() && first.path.exists());
    }

    #[tokio::test]
    async fn bytes_that_did_not_reach_the_file_are_asked_for_again() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("tr_1-1.source");
        leave(&target, "12345").await;
        std::fs::write(target.with_extension("source.part"), "123").unwrap();
        assert_eq!(ResumableDownload::open(&target, LINK).await.unwrap().partial.bytes(), 3);
    }
}
