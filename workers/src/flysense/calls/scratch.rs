//! Cleans this machine's scratch directory.
//!
//! `calls.delete_audio` deletes the copies on the machine it runs on. Copies on other machines are deleted here, by
//! each worker process on its own disk.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use flysk_domain::flysense::state::TranscriptionState as State;
use flysk_domain::id::TranscriptionId;
use flysk_queue::JobError;
use flysk_store::flysense::transcriptions;
use tokio::fs;
use tokio_util::sync::CancellationToken;

use super::audio_storage::scratch_error;
use crate::App;

/// Interval between sweeps; short, because the files are recordings of people's voices.
const SWEEP_INTERVAL: std::time::Duration = std::time::Duration::from_secs(30);
/// Calls per statement.
const CALL_BATCH_SIZE: usize = 1_000;
/// Age at which files of unknown calls are deleted. Younger ones may belong to another deployment in the same directory.
const UNKNOWN_FILE_TTL: Duration = Duration::minutes(30);
/// Age at which files of unfinished calls are deleted; all are copies of objects in storage.
const CALL_FILE_TTL: Duration = Duration::days(1);

/// A file of the scratch directory.
#[derive(Debug)]
struct ScratchFile {
    path: PathBuf,
    call: Option<TranscriptionId>,
    modified_at: DateTime<Utc>,
}

/// Sweeps until `stop`. Does nothing if FlySense is not enabled.
pub(crate) async fn keep_clean(app: Arc<App>, stop: CancellationToken) {
    let Ok(flysense) = app.flysense() else { return };
    let mut tick = tokio::time::interval(SWEEP_INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        match stop.run_until_cancelled(sweep(&app, &flysense.scratch)).await {
            Some(Ok(swept)) if swept > 0 => tracing::info!(swept, "deleted copies of ended calls"),
            Some(Err(error)) => tracing::warn!(error = %error, "failed to sweep the scratch directory"),
            _ => {}
        }
    }
}

/// Deletes files that are not needed any more; returns their number.
async fn sweep(app: &App, folder: &Path) -> Result<usize, JobError> {
    // Listed before the states are read: a call that is requested again meanwhile has files of another run.
    let files = list_files(folder).await.map_err(scratch_error)?;
    let calls: BTreeSet<TranscriptionId> = files.iter().filter_map(|file| file.call).collect();
    let calls: Vec<TranscriptionId> = calls.into_iter().collect();
    let mut states = HashMap::new();
    for some in calls.chunks(CALL_BATCH_SIZE) {
        let known = transcriptions::known_states(&mut *app.outbox.pool().acquire().await?, some).await?;
        states.extend(known.into_iter().map(|(id, state, _)| (id, state)));
    }
    let now = app.clock().now();
    let mut swept = 0;
    for file in files {
        let state = file.call.and_then(|id| states.get(&id)).copied();
        // Another worker on this machine may have deleted it.
        if is_left_over(state, file.modified_at, now) && fs::remove_file(&file.path).await.is_ok() {
            swept += 1;
        }
    }
    Ok(swept)
}

async fn list_files(folder: &Path) -> io::Result<Vec<ScratchFile>> {
    let mut files = Vec::new();
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        let metadata = match entry.metadata().await {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_file() {
            let modified_at = metadata.modified()?.into();
            let call = owning_call(&entry.file_name().to_string_lossy());
            files.push(ScratchFile { path: entry.path(), call, modified_at });
        }
    }
    Ok(files)
}

/// Parses `<transcription>-<run>.…`.
fn owning_call(name: &str) -> Option<TranscriptionId> {
    name.split('-').next()?.parse().ok()
}

fn is_left_over(state: Option<State>, modified_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let kept = match state {
        Some(state) if state.is_final() || state == State::Settling => return true,
        Some(_) => CALL_FILE_TTL,
        None => UNKNOWN_FILE_TTL,
    };
    modified_at < now - kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_with_their_call_and_with_time() {
        let now = DateTime::UNIX_EPOCH + Duration::days(1_000);
        let swept = |state, age| is_left_over(state, now - age, now);
        for over in [State::Settling, State::Done, State::NoSpeech, State::Failed, State::Cancelled] {
            assert!(swept(Some(over), Duration::zero()), "{over}");
        }
        for under_way in [State::Fetching, State::Converting, State::Uploading, State::NoBalance] {
            assert!(!swept(Some(under_way), CALL_FILE_TTL - Duration::minutes(1)), "{under_way}");
            assert!(swept(Some(under_way), CALL_FILE_TTL + Duration::minutes(1)), "{under_way}");
        }
        assert!(!swept(None, UNKNOWN_FILE_TTL - Duration::minutes(1)));
        assert!(swept(None, UNKNOWN_FILE_TTL + Duration::minutes(1)));
    }

    #[test]
    fn every_kind_of_file_names_its_call() {
        let id = "tr_01JD0000000000000000000000";
        for rest in [
            "1.source",
            "12.prepared",
            "1.2.source",
            "1.source.part",
            "1.2.source.part-0a1b2c3d",
            "1.source.part.json",
        ] {
            assert_eq!(
                owning_call(&format!("{id}-{rest}")).map(|id| id.to_string()).as_deref(),
                Some(id),
                "{rest}"
            );
        }
        assert_eq!(owning_call(".tmpAbCdEf"), None);
    }
}
