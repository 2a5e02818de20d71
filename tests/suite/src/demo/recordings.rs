//! Recordings of the demo.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::environment::RECORDINGS;

/// Expected end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// Done, with a transcript.
    Done,
    NoSpeech,
    /// Failed with this error code.
    Failed(String),
    /// Anything but a failure: an unknown recording, which may have no speech.
    NotFailed,
    /// Any failure: an unknown recording whose name marks it as bad.
    FailedSomehow,
}

/// A recording and the metadata of its call note.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// File name.
    pub(super) name: String,
    /// File name on the simulated recording host. Names of given files may collide or contain any character.
    pub(super) served_as: String,
    /// Expected end of its call.
    pub(super) ending: Ending,
    path: PathBuf,
    duration_ms: Option<u64>,
}

impl Recording {
    fn new(number: usize, path: PathBuf, fixtures: &Fixtures) -> anyhow::Result<Self> {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .context("the recording has no file name")?
            .to_owned();
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

    /// Duration in the call note, in seconds. For an unknown file, a value that does not mark the call as missed.
    pub(super) fn told_seconds(&self) -> u32 {
        let seconds = self.duration_ms.map_or(60, |ms| ms.div_ceil(1_000)).max(1);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Copies the file into the directory that the simulated recording host serves.
    pub(super) fn put_into(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::copy(&self.path, folder.join(&self.served_as))
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(())
    }
}

/// The fixtures and their manifest.
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

    /// Manifest entry of a file. The file must have the fixture's content, not only its name.
    fn entry(&self, name: &str, path: &Path) -> Option<&Value> {
        let entry = self.manifest.get(name)?;
        let (given, ours) = (std::fs::read(path).ok()?, std::fs::read(self.folder.join(name)).ok()?);
        (given == ours).then_some(entry)
    }
}

/// Expected end by the manifest. An entry without `turns` has speech that was not generated from turns.
fn ending(entry: &Value) -> Ending {
    let turns = entry.get("turns").and_then(Value::as_array);
    match entry.get("error").and_then(Value::as_str) {
        Some(error) => Ending::Failed(error.replace(' ', "_")),
        None if turns.is_some_and(Vec::is_empty) => Ending::NoSpeech,
        None => Ending::Done,
    }
}

/// The given files, or all fixtures.
pub(super) fn choose(given: &[PathBuf]) -> anyhow::Result<Vec<Recording>> {
    let fixtures = Fixtures::read()?;
    let paths = if given.is_empty() {
        let known = fixtures.manifest.as_object().context("the manifest is not an object")?;
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
    fn files_with_the_same_name_are_separate_recordings() {
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
    fn only_fixtures_take_their_expected_end_from_the_manifest() {
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
