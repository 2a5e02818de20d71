//! Where a call's audio lies: in storage, which is the truth, and in the scratch folder of whichever
//! machine touched it last, which only saves a download.

use std::path::{Path, PathBuf};

use flysk_audio::{Container, Prepared};
use flysk_domain::id::TranscriptionId;
use flysk_jobs::JobError;
use flysk_store::flysense::transcriptions::Transcription;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::flysense::FlySense;
use crate::outcome::HasOutcome;

/// What all keys of ours begin with.
pub(super) const PREFIX: &str = "calls/";

/// Where everything of a call lies in storage.
pub(super) fn folder(id: TranscriptionId) -> String {
    format!("{PREFIX}{id}/")
}

/// Which recording of a call it is. Each run has its own, so that a late stage of an earlier run cannot mix them up, and
/// so has each version of an unfinished recording, of which copies may lie on any machine.
fn recording_name(call: &Transcription) -> String {
    match call.recording_version {
        1 => call.run.to_string(),
        version => format!("{}.{version}", call.run),
    }
}

/// The recording as the telephony gave it.
pub(super) fn source_key(call: &Transcription) -> String {
    format!("{}{}-source", folder(call.id), recording_name(call))
}

/// What recognition takes, if that is not the recording itself.
pub(super) fn prepared_key(call: &Transcription) -> String {
    format!("{}{}-prepared", folder(call.id), recording_name(call))
}

/// The scratch copy of the recording.
pub(super) fn local_source(scratch: &Path, call: &Transcription) -> PathBuf {
    scratch.join(format!("{}-{}.source", call.id, recording_name(call)))
}

/// The scratch copy of what recognition takes.
pub(super) fn local_prepared(scratch: &Path, call: &Transcription) -> PathBuf {
    scratch.join(format!("{}-{}.prepared", call.id, recording_name(call)))
}

/// Makes sure that the recording lies in the scratch folder.
pub(super) async fn ensure_source(flysense: &FlySense, call: &Transcription) -> Result<PathBuf, JobError> {
    let path = local_source(&flysense.scratch, call);
    if fs::try_exists(&path).await.map_err(disk)? {
        return Ok(path);
    }
    let mut object =
        flysense.storage.get_range(&source_key(call), None).await.map_err(HasOutcome::into_job_error)?;
    // A frozen worker may come back to its copy while another attempt makes one: each has a file of its own.
    let partial = path.with_extension(format!("source.part-{:08x}", rand::random::<u32>()));
    let mut file = fs::File::create(&partial).await.map_err(disk)?;
    while let Some(bytes) = object.body.next().await.map_err(HasOutcome::into_job_error)? {
        file.write_all(&bytes).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    // A whole file appears at once: a copy cut off half-way is never taken for one.
    fs::rename(&partial, &path).await.map_err(disk)?;
    Ok(path)
}

/// Whether the recording is still in storage.
pub(super) async fn source_is_kept(flysense: &FlySense, call: &Transcription) -> Result<bool, JobError> {
    let key = source_key(call);
    let listed = flysense.storage.list(&key, None).await.map_err(HasOutcome::into_job_error)?;
    Ok(listed.objects.iter().any(|object| object.key == key))
}

/// Decodes, measures and converts the recording; the same bytes give the same result however often.
pub(super) async fn prepare(
    flysense: &FlySense,
    call: &Transcription,
) -> Result<Result<Prepared, flysk_audio::AudioError>, JobError> {
    let source = ensure_source(flysense, call).await?;
    let prepared = local_prepared(&flysense.scratch, call);
    let (options, confinement) = (flysense.audio.clone(), flysense.confinement.clone());
    // A stranger's bytes are decoded in a process of their own: whatever they do to it, this one lives.
    let work = move || flysk_audio::prepare_confined(&source, &prepared, &options, &confinement);
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| JobError::retry(format!("decoding ended badly: {error}")))
}

/// Deletes the scratch copies of every run of a call.
pub(super) async fn forget_local(scratch: &Path, id: TranscriptionId) -> std::io::Result<()> {
    let prefix = format!("{id}-");
    let mut entries = fs::read_dir(scratch).await?;
    while let Some(entry) = entries.next_entry().await? {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            // Another stage may have been faster.
            let _ = fs::remove_file(entry.path()).await;
        }
    }
    Ok(())
}

/// A failure of our own disk.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(super) fn disk(error: std::io::Error) -> JobError {
    JobError::retry(format!("scratch folder: {error}"))
}

/// The container's name, as stored.
pub(super) fn container_name(container: Container) -> &'static str {
    match container {
        Container::Wav => "WAV",
        Container::OggOpus => "OGG_OPUS",
        Container::Mp3 => "MP3",
    }
}

/// The container's media type.
pub(super) fn media_type(container: &str) -> &'static str {
    match container {
        "WAV" => "audio/wav",
        "OGG_OPUS" => "audio/ogg",
        "MP3" => "audio/mpeg",
        _ => "application/octet-stream",
    }
}
