//! A recording on its way: the part that came in earlier attempts stays on this machine.
//!
//! Only an optimisation: on another machine, after a restart of this one, under another link, or when what
//! was remembered does not fit, the download starts anew. What is remembered lies beside the part while nobody
//! works on it; a process that dies leaves no memory, and so nothing to be stitched.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use flysk_clients::outbound::{Partial, PartialMemo};
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File};

/// A file that a recording is downloaded into.
#[derive(Debug)]
pub(super) struct Part {
    /// Where the bytes go.
    pub(super) file: File,
    /// What the file holds already.
    pub(super) partial: Partial,
    path: PathBuf,
    memo: PathBuf,
    link: u64,
    whole: bool,
}

/// What lies beside a part.
#[derive(Debug, Serialize, Deserialize)]
struct Memo {
    /// Which link it came from, as a hash: links are often signed.
    link: u64,
    /// Bytes of a start of the machine that ended are not to be trusted: they may not have reached the disk.
    boot: String,
    part: PartialMemo,
}

impl Part {
    /// Takes up what an earlier attempt left of `link` on its way to `target`, or begins anew.
    pub(super) async fn open(target: &Path, link: &str) -> io::Result<Self> {
        let link = fingerprint(link);
        let (path, memo) = (target.with_extension("source.part"), target.with_extension("source.part.json"));
        let file = open(&path).await?;
        // A frozen worker may come back to its part while another attempt runs: two must not write one file.
        let Ok(()) = file.try_lock() else {
            let path = target.with_extension(format!("source.part-{:08x}", rand::random::<u32>()));
            let file = File::from_std(open(&path).await?);
            let memo = path.with_extension("json");
            return Ok(Self { file, partial: Partial::default(), path, memo, link, whole: false });
        };
        let kept = recall(&memo, link).await?;
        let partial = match kept {
            Some(kept) => Partial::remembered(&kept, file.metadata()?.len()),
            None => Partial::default(),
        };
        if partial.bytes() > 0 {
            tracing::info!(bytes = partial.bytes(), "going on with what an earlier attempt downloaded");
        }
        Ok(Self { file: File::from_std(file), partial, path, memo, link, whole: false })
    }

    /// The recording is whole: it appears at `target` at once.
    pub(super) async fn finish(mut self, target: &Path) -> io::Result<()> {
        self.whole = true;
        fs::rename(&self.path, target).await
    }

    fn remember(&self) -> io::Result<()> {
        let Some(part) = self.partial.memo() else { return Ok(()) };
        let memo = Memo { link: self.link, boot: boot()?, part };
        std::fs::write(&self.memo, serde_json::to_vec(&memo)?)
    }
}

/// However an attempt ends (an error, a time limit, a process that leaves), what came is remembered. A few
/// hundred bytes are written: that may be done in passing.
impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole
            && let Err(error) = self.remember()
        {
            tracing::debug!(error = %error, "the part will not be taken up again");
        }
    }
}

async fn open(path: &Path) -> io::Result<std::fs::File> {
    let mut options = fs::OpenOptions::new();
    Ok(options.read(true).write(true).create(true).truncate(false).open(path).await?.into_std().await)
}

/// What was remembered, once: whatever becomes of this attempt, the file will not be as it was.
async fn recall(memo: &Path, link: u64) -> io::Result<Option<PartialMemo>> {
    let text = match fs::read(memo).await {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::remove_file(memo).await?;
    let kept: Option<Memo> = serde_json::from_slice(&text).ok();
    let boot = boot()?;
    Ok(kept.filter(|kept| kept.link == link && kept.boot == boot).map(|kept| kept.part))
}

/// A release with another standard library may give another number, and starts anew.
fn fingerprint(link: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    link.hash(&mut hasher);
    hasher.finish()
}

/// This start of the machine.
fn boot() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "https://pbx.example.com/r/1.mp3?sig=1";

    /// A part with `bytes` of a file of 9, as a download would leave it.
    async fn leave(target: &Path, bytes: &str) {
        let part = Part::open(target, LINK).await.unwrap();
        std::fs::write(&part.path, bytes).unwrap();
        drop(part);
        let memo = format!(
            r#"{{"link":{},"boot":"{}","part":{{"bytes":{},"total":9,"validator":"\"v1\""}}}}"#,
            fingerprint(LINK),
            boot().unwrap(),
            bytes.len()
        );
        std::fs::write(target.with_extension("source.part.json"), memo).unwrap();
    }

    #[tokio::test]
    async fn a_part_is_taken_up_once_and_only_under_its_link() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("tr_1-1.source");
        leave(&target, "12345").await;
        let again = Part::open(&target, LINK).await.unwrap();
        assert_eq!((again.partial.bytes(), again.partial.total()), (5, Some(9)));
        // A process that dies now leaves no memory behind: what it wrote is not known.
        assert!(!target.with_extension("source.part.json").exists());
        drop(again);
        // One that ends in order does.
        let third = Part::open(&target, LINK).await.unwrap();
        assert_eq!(third.partial.bytes(), 5);
        drop(third);
        let other = Part::open(&target, "https://pbx.example.com/r/2.mp3").await.unwrap();
        assert_eq!(other.partial, Partial::default());
    }

    #[tokio::test]
    async fn a_part_that_somebody_holds_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("tr_1-1.source");
        leave(&target, "12345").await;
        let first = Part::open(&target, LINK).await.unwrap();
        let second = Part::open(&target, LINK).await.unwrap();
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
        assert_eq!(Part::open(&target, LINK).await.unwrap().partial.bytes(), 3);
    }
}
