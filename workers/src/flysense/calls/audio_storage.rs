//! Locations of a call's audio: object storage is authoritative; scratch directories of workers hold copies that save a download.

use std::path::{Path, PathBuf};

use flysk_audio::{Container, Prepared};
use flysk_domain::flysense::audio::AudioContainer;
use flysk_domain::id::TranscriptionId;
use flysk_domain::{Randomness as _, SystemRandomness};
use flysk_queue::JobError;
use flysk_store::flysense::transcriptions::Transcription;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::flysense::FlySense;
use crate::job_error::IntoJobError;

/// Prefix of the object keys of call audio.
pub(super) const KEY_PREFIX: &str = "calls/";

/// Prefix of all objects of a call.
pub(super) fn folder(id: TranscriptionId) -> String {
    format!("{KEY_PREFIX}{id}/")
}

/// Name of the current recording. Each run has its own, so that a late stage of an earlier run cannot use the wrong
/// one. Each version of an unfinished recording has its own too, because copies may exist on any machine.
fn recording_name(call: &Transcription) -> String {
    match call.recording_version {
        1 => call.run.to_string(),
        version => format!("{}.{version}", call.run),
    }
}

/// Key of the original recording.
pub(super) fn source_key(call: &Transcription) -> String {
    format!("{}{}-source", folder(call.id), recording_name(call))
}

/// Key of the audio for recognition, if it is not the original.
pub(super) fn prepared_key(call: &Transcription) -> String {
    format!("{}{}-prepared", folder(call.id), recording_name(call))
}

/// Path of the scratch copy of the recording.
pub(super) fn local_source(scratch: &Path, call: &Transcription) -> PathBuf {
    scratch.join(format!("{}-{}.source", call.id, recording_name(call)))
}

/// Path of the scratch copy of the audio for recognition.
pub(super) fn local_prepared(scratch: &Path, call: &Transcription) -> PathBuf {
    scratch.join(format!("{}-{}.prepared", call.id, recording_name(call)))
}

/// Downloads the recording to the scratch directory, if it is not there.
pub(super) async fn ensure_source(flysense: &FlySense, call: &Transcription) -> Result<PathBuf, JobError> {
    let path = local_source(&flysense.scratch, call);
    if fs::try_exists(&path).await.map_err(scratch_error)? {
        return Ok(path);
    }
    let mut object =
        flysense.storage.get_range(&source_key(call), None).await.map_err(IntoJobError::into_job_error)?;
    // A suspended worker may resume writing while another attempt downloads, so each attempt has a file of its own.
    let partial = path.with_extension(format!("source.part-{:08x}", SystemRandomness.random_u128() >> 96));
    let mut file = fs::File::create(&partial).await.map_err(scratch_error)?;
    while let Some(bytes) = object.body.next().await.map_err(IntoJobError::into_job_error)? {
        file.write_all(&bytes).await.map_err(scratch_error)?;
    }
    file.flush().await.map_err(scratch_error)?;
    // The rename is atomic, so an incomplete copy is never used.
    fs::rename(&partial, &path).await.map_err(scratch_error)?;
    Ok(path)
}

/// Whether the recording is in object storage.
pub(super) async fn has_source(flysense: &FlySense, call: &Transcription) -> Result<bool, JobError> {
    let key = source_key(call);
    let listed = flysense.storage.list(&key, None).await.map_err(IntoJobError::into_job_error)?;
    Ok(listed.objects.iter().any(|object| object.key == key))
}

/// Decodes, measures and converts the recording. Deterministic: the same bytes give the same result.
pub(super) async fn prepare(
    flysense: &FlySense,
    call: &Transcription,
) -> Result<Result<Prepared, flysk_audio::AudioError>, JobError> {
    let source = ensure_source(flysense, call).await?;
    let prepared = local_prepared(&flysense.scratch, call);
    let (options, decoders) = (flysense.audio.clone(), flysense.decoders.clone());
    // Untrusted bytes are decoded in a child process, so that a crash does not end this one.
    let work = move || decoders.prepare(&source, &prepared, &options);
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| JobError::retry(format!("decoding failed: {error}")))
}

/// Whether audio belongs to a later run than `run`, by its name without the call's id: `2-source`, `2.3-prepared`, `2.source`.
pub(super) fn is_of_later_run(name: &str, run: u32) -> bool {
    let number = name.split(['.', '-']).next().and_then(|number| number.parse::<u32>().ok());
    number.is_some_and(|number| number > run)
}

/// Deletes the scratch copies of a call of every run up to `last_run`.
pub(super) async fn delete_local(scratch: &Path, id: TranscriptionId, last_run: u32) -> std::io::Result<()> {
    let prefix = format!("{id}-");
    let mut entries = fs::read_dir(scratch).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        if name.to_string_lossy().strip_prefix(&prefix).is_some_and(|rest| !is_of_later_run(rest, last_run)) {
            // Another stage may have deleted it.
            let _ = fs::remove_file(entry.path()).await;
        }
    }
    Ok(())
}

/// Converts an I/O error of the scratch directory.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(super) fn scratch_error(error: std::io::Error) -> JobError {
    JobError::retry(format!("scratch directory: {error}"))
}

/// The container as the domain names it: the audio crate imports no other crate of the workspace.
pub(super) const fn audio_container(container: Container) -> AudioContainer {
    match container {
        Container::Wav => AudioContainer::Wav,
        Container::OggOpus => AudioContainer::OggOpus,
        Container::Mp3 => AudioContainer::Mp3,
    }
}

/// Media type of an object in storage; that of an original recording is unknown.
pub(super) fn media_type(container: Option<AudioContainer>) -> &'static str {
    container.map_or("application/octet-stream", AudioContainer::media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_of_a_run_that_began_meanwhile_is_told_by_its_name() {
        for name in ["2-source", "2.3-prepared", "2.source", "2.3.source.part-0badcafe", "10-source"] {
            assert!(is_of_later_run(name, 1), "{name}");
        }
        for name in ["1-source", "1.12-prepared", "2.source", "9.source", "unknown", ""] {
            assert!(!is_of_later_run(name, 9), "{name}");
        }
    }
}
