//! Which recordings the demonstration plays.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::stand::RECORDINGS;

/// How a call should end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its transcript.
    Done,
    /// Nobody speaks in it.
    NoSpeech,
    /// With this code.
    Failed(String),
    /// In any way but a failure: it is not ours, and nobody knows whether there is speech in it.
    NotFailed,
    /// With any failure: it is not ours, and named as bad on purpose.
    FailedSomehow,
}

/// A recording and what the telephony says of it.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// Its file name.
    pub(super) name: String,
    /// What the host of recordings calls it: two folders may have files of one name, and names may be anything.
    pub(super) served_as: String,
    /// How its call should end.
    pub(super) ending: Ending,
    path: PathBuf,
    duration_ms: Option<u64>,
}

impl Recording {
    fn new(number: usize, path: PathBuf, fixtures: &Fixtures) -> anyhow::Result<Self> {
        let name =
            path.file_name().and_then(|name| name.to_str()).context("a recording has a name")?.to_owned();
        let entry = fixtures.entry(&name, &path);
        let duration_ms = entry.and_then(|entry| entry.get("duration_ms")).and_then(Value::as_u64);
        let ending = match entry {
            Some(entry) => ending(entry),
            None if name.starts_with("bad-") => Ending::FailedSomehow,
            None => Ending::NotFailed,
        };
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        let is_plain = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let served_as = format!("call-{number}.{}", if is_plain { kind } else { "audio" });
        Ok(Self { name, served_as, ending, path, duration_ms })
    }

    /// What the telephony writes into the note; for an unknown file some length that is not "missed".
    pub(super) fn told_seconds(&self) -> u32 {
        let seconds = self.duration_ms.map_or(60, |ms| ms.div_ceil(1_000)).max(1);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Puts a copy where the simulated host of recordings serves from.
    pub(super) fn put_into(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::copy(&self.path, folder.join(&self.served_as))
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(())
    }
}

/// The recordings we know, and what is known of them.
struct Fixtures {
    folder: PathBuf,
    manifest: Value,
}

impl Fixtures {
    fn read() -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS);
        let manifest = serde_json::from_str(&std::fs::read_to_string(folder.join("manifest.json"))?)?;
        Ok(Self { folder, manifest })
    }

    /// What is known of a file: it is one of ours if it has the bytes, too.
    fn entry(&self, name: &str, path: &Path) -> Option<&Value> {
        let entry = self.manifest.get(name)?;
        let (given, ours) = (std::fs::read(path).ok()?, std::fs::read(self.folder.join(name)).ok()?);
        (given == ours).then_some(entry)
    }
}

/// How the manifest says that a call ends. One whose speech was made without turns has no `turns` at all.
fn ending(entry: &Value) -> Ending {
    let turns = entry.get("turns").and_then(Value::as_array);
    match entry.get("error").and_then(Value::as_str) {
        Some(error) => Ending::Failed(error.replace(' ', "_")),
        None if turns.is_some_and(Vec::is_empty) => Ending::NoSpeech,
        None => Ending::Done,
    }
}

/// The given files, or all of the fixtures.
pub(super) fn choose(given: &[PathBuf]) -> anyhow::Result<Vec<Recording>> {
    let fixtures = Fixtures::read()?;
    let paths = if given.is_empty() {
        let known = fixtures.manifest.as_object().context("the manifest is an object")?;
        let mut names: Vec<&String> = known.keys().collect();
        names.sort();
        names.into_iter().map(|name| fixtures.folder.join(name)).collect()
    } else {
        given.to_vec()
    };
    let number = |(index, path): (usize, PathBuf)| Recording::new(index + 1, path, &fixtures);
    paths.into_iter().enumerate().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_of_one_name_are_two_recordings() {
        let [here, there] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let paths = [&here, &there].map(|folder| folder.path().join("call 1.mp3"));
        paths.iter().zip(["one", "two"]).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        let chosen = choose(&paths).unwrap();
        let served = tempfile::tempdir().unwrap();
        for recording in &chosen {
            recording.put_into(served.path()).unwrap();
        }
        let read = |recording: &Recording| std::fs::read_to_string(served.path().join(&recording.served_as));
        assert_eq!(chosen.iter().map(|it| read(it).unwrap()).collect::<Vec<_>>(), ["one", "two"]);
        assert!(chosen.iter().all(|it| it.name == "call 1.mp3" && it.ending == Ending::NotFailed));
    }

    #[test]
    fn fixtures_end_as_their_manifest_says_and_a_namesake_is_not_one() {
        let known = choose(&[]).unwrap();
        let of = |name: &str| known.iter().find(|it| it.name == name).unwrap().ending.clone();
        assert_eq!(of("bad-html-login.mp3"), Ending::Failed("not_audio".to_owned()));
        assert_eq!((of("silence-5s.wav"), of("bad-truncated.mp3")), (Ending::NoSpeech, Ending::Done));
        let folder = tempfile::tempdir().unwrap();
        let namesake = folder.path().join("silence-5s.wav");
        std::fs::write(&namesake, "something else").unwrap();
        assert_eq!(choose(&[namesake]).unwrap()[0].ending, Ending::NotFailed);
    }
}
