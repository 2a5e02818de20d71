//! Keeps this machine's scratch folder clean.
//!
//! `calls.delete_audio` deletes a call's copies on the machine it happens to run on; those that other machines made while
//! they downloaded or decoded are deleted here, by each worker process for its own disk.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use flysk_domain::flysense::state::TranscriptionState as State;
use flysk_domain::id::TranscriptionId;
use flysk_jobs::JobError;
use flysk_store::flysense::transcriptions;
use tokio::fs;
use tokio_util::sync::CancellationToken;

use super::files::disk;
use crate::App;

/// Between two looks. What is left behind is people's voices.
const EVERY: std::time::Duration = std::time::Duration::from_secs(30);
/// Calls per statement.
const AT_ONCE: usize = 1_000;
/// Another deployment may work in the same folder; what nobody here knows is left alone for so long.
const STRANGERS_KEPT: Duration = Duration::minutes(30);
/// Everything here is a copy of what lies in storage.
const KEPT: Duration = Duration::days(1);

/// A file of the folder.
#[derive(Debug)]
struct ScratchFile {
    path: PathBuf,
    call: Option<TranscriptionId>,
    modified_at: DateTime<Utc>,
}

/// Looks until `stop`; only where FlySense works.
pub(crate) async fn keep_clean(app: Arc<App>, stop: CancellationToken) {
    let Ok(flysense) = app.flysense() else { return };
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        match stop.run_until_cancelled(sweep(&app, &flysense.scratch)).await {
            Some(Ok(swept)) if swept > 0 => tracing::info!(swept, "copies of ended calls were deleted"),
            Some(Err(error)) => tracing::warn!(error = %error, "the scratch folder could not be swept"),
            _ => {}
        }
    }
}

/// Deletes what is not needed any more; how many files that were.
async fn sweep(app: &App, folder: &Path) -> Result<usize, JobError> {
    // Listed before the states are read: a call that is asked for again meanwhile has files of another run.
    let files = list(folder).await.map_err(disk)?;
    let calls: BTreeSet<TranscriptionId> = files.iter().filter_map(|file| file.call).collect();
    let calls: Vec<TranscriptionId> = calls.into_iter().collect();
    let mut states = HashMap::new();
    for some in calls.chunks(AT_ONCE) {
        let known = transcriptions::known_states(&mut *app.outbox.pool().acquire().await?, some).await?;
        states.extend(known.into_iter().map(|(id, state, _)| (id, state)));
    }
    let now = app.clock().now();
    let mut swept = 0;
    for file in files {
        let state = file.call.and_then(|id| states.get(&id)).copied();
        // Another worker on this machine may have been faster.
        if is_left_over(state, file.modified_at, now) && fs::remove_file(&file.path).await.is_ok() {
            swept += 1;
        }
    }
    Ok(swept)
}

async fn list(folder: &Path) -> io::Result<Vec<ScratchFile>> {
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
            let call = owner(&entry.file_name().to_string_lossy());
            files.push(ScratchFile { path: entry.path(), call, modified_at });
        }
    }
    Ok(files)
}

/// `<transcription>-<run>.…`.
fn owner(name: &str) -> Option<TranscriptionId> {
    name.split('-').next()?.parse().ok()
}

fn is_left_over(state: Option<State>, modified_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let kept = match state {
        Some(state) if state.is_final() || state == State::Settling => return true,
        Some(_) => KEPT,
        None => STRANGERS_KEPT,
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
            assert!(!swept(Some(under_way), KEPT - Duration::minutes(1)), "{under_way}");
            assert!(swept(Some(under_way), KEPT + Duration::minutes(1)), "{under_way}");
        }
        assert!(!swept(None, STRANGERS_KEPT - Duration::minutes(1)));
        assert!(swept(None, STRANGERS_KEPT + Duration::minutes(1)));
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
                owner(&format!("{id}-{rest}")).map(|id| id.to_string()).as_deref(),
                Some(id),
                "{rest}"
            );
        }
        assert_eq!(owner(".tmpAbCdEf"), None);
    }
}
