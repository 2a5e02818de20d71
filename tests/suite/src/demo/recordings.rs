//! Which recordings the demonstration plays.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::stand::RECORDINGS;

/// A recording and what the telephony says of it.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// Its file name.
    pub(super) name: String,
    path: PathBuf,
    duration_ms: Option<u64>,
}

impl Recording {
    fn new(path: PathBuf, manifest: &Value) -> anyhow::Result<Self> {
        let name =
            path.file_name().and_then(|name| name.to_str()).context("a recording has a name")?.to_owned();
        let duration_ms =
            manifest.get(&name).and_then(|entry| entry.get("duration_ms")).and_then(Value::as_u64);
        Ok(Self { name, path, duration_ms })
    }

    /// What the telephony writes into the note; for an unknown file some length that is not "missed".
    pub(super) fn told_seconds(&self) -> u32 {
        let seconds = self.duration_ms.map_or(60, |ms| ms.div_ceil(1_000)).max(1);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Puts a copy where the simulated host of recordings serves from.
    pub(super) fn put_into(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::copy(&self.path, folder.join(&self.name))
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(())
    }
}

/// The given files, or all of the fixtures.
pub(super) fn choose(given: &[PathBuf]) -> anyhow::Result<Vec<Recording>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS);
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(fixtures.join("manifest.json"))?)?;
    if !given.is_empty() {
        return given.iter().map(|path| Recording::new(path.clone(), &manifest)).collect();
    }
    let mut names: Vec<&String> = manifest.as_object().context("the manifest is an object")?.keys().collect();
    names.sort();
    names.into_iter().map(|name| Recording::new(fixtures.join(name), &manifest)).collect()
}
