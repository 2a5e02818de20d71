//! Unfinished recordings. While the call is recent, the recording counts as not ready, which costs no attempt and no
//! coins. After that, the available file is used, or the call fails.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_audio::{AudioError, Prepared};
use flysk_clients::amocrm::Note;
use flysk_clients::outbound::OutboundError;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::readiness::{RecordingWait, SettleTime, is_far_shorter};
use flysk_jobs::flysense::calls::FetchRecording;
use flysk_queue::{JobContext, JobError, JobOutcome, JobResult};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::audio_storage;
use super::stage::Stage;
use crate::flysense::FlySense;
use crate::job_error::job_error;

/// Attempts with a rejected certificate: it seldom changes, unless the host is just being set up.
const CERTIFICATE_ATTEMPTS: u32 = 3;
/// A truncated file this close to the note's duration counts as complete, ms: notes have whole seconds.
const COMPLETE_TOLERANCE_MS: u64 = 2_000;

/// Reason why a link gave no file.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// An empty file.
    Empty,
    /// An error of the host or the network.
    Error(OutboundError),
}

/// Decides after a link gave no file: park the call while the recording may still appear, retry, or fail with the cause.
pub(super) async fn handle_obstacle(
    stage: &Stage,
    run: &JobContext,
    flysense: &FlySense,
    note: &Note,
    obstacle: Obstacle,
) -> JobResult {
    let is_answer = match &obstacle {
        Obstacle::Empty => true,
        Obstacle::Error(error) => error.is_answer(),
    };
    let noted_s = note.call.as_ref().map(|call| call.duration_s).filter(|seconds| *seconds > 0);
    let next_check = settle_time(flysense, &stage.call, Some(note.created_at), noted_s).next_check(run.now());
    if is_answer && let Some(at) = next_check {
        let reason = RecordingWait::NotReady;
        stage.park(run, reason).await?.commit().await?;
        return Ok(JobOutcome::snooze(at, "the link has no recording yet"));
    }
    match classify_obstacle(&obstacle, run.attempt(), run.is_last_attempt()) {
        ObstacleAction::Fail(code, cause) => stage.fail_because(run, code, cause).await,
        // A host that keeps asking for a delay is retried as often as one that fails.
        ObstacleAction::Retry(JobError::Wait { after, reason }) if next_check.is_none() => {
            Err(JobError::Retry { reason, after: Some(after) })
        }
        ObstacleAction::Retry(error) => Err(error),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum ObstacleAction {
    Fail(FailureCode, Option<FailureCause>),
    Retry(JobError),
}

fn classify_obstacle(obstacle: &Obstacle, attempt: u32, is_last: bool) -> ObstacleAction {
    let error = match obstacle {
        Obstacle::Empty => return ObstacleAction::Fail(FailureCode::Empty, None),
        Obstacle::Error(error) => error,
    };
    let (code, cause) = error.failure();
    let is_hopeless = match error {
        // A local error: the remaining attempts may run on another machine.
        OutboundError::File(_) => return ObstacleAction::Retry(job_error(error.outcome(), error)),
        OutboundError::Tls(_) => attempt >= CERTIFICATE_ATTEMPTS,
        _ => error.outcome() == FailureAction::GiveUp || code != FailureCode::RecordingUnavailable,
    };
    if is_hopeless || is_last {
        return ObstacleAction::Fail(code, cause);
    }
    ObstacleAction::Retry(job_error(error.outcome(), error))
}

/// Time until which the recording of a call may be unfinished.
fn settle_time(
    flysense: &FlySense,
    call: &Transcription,
    note_at: Option<DateTime<Utc>>,
    noted_s: Option<u64>,
) -> SettleTime {
    // Some telephony systems date the note by the start of the call; the recording is not finished before its end.
    let lasted = noted_s.and_then(|seconds| i64::try_from(seconds).ok()).and_then(TimeDelta::try_seconds);
    let ended = note_at.and_then(|at| at.checked_add_signed(lasted.unwrap_or_default()));
    // A note dated in the future counts from the transcription's creation.
    let since = ended.map_or(call.created_at, |at| at.min(call.created_at));
    SettleTime { since, settle: flysense.recording_settle }
}

/// Time of the next fetch and its reason, if a decoded recording is incomplete and may still grow.
pub(super) fn recheck_at(
    flysense: &FlySense,
    call: &Transcription,
    decoded: &Result<Prepared, AudioError>,
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, RecordingWait)> {
    let noted_s = noted_s(call);
    let reason = match decoded {
        Ok(prepared) => {
            let is_cut = prepared.partial || call.partial;
            // A file that lacks only its last frame is complete by the note's duration.
            let is_whole = noted_s
                .is_some_and(|noted_s| prepared.duration_ms + COMPLETE_TOLERANCE_MS >= noted_s * 1_000);
            let is_short = is_far_shorter(prepared.duration_ms, noted_s) || (is_cut && !is_whole);
            is_short.then_some(RecordingWait::StillGrowing)
        }
        Err(AudioError::Empty | AudioError::NotAudio { .. }) => Some(RecordingWait::NotReady),
        // Files with their index at the end cannot be decoded before they are complete.
        Err(AudioError::Damaged { .. }) => Some(RecordingWait::StillGrowing),
        Err(_) => None,
    }?;
    Some((settle_time(flysense, call, call.called_at, noted_s).next_check(now)?, reason))
}

/// Whether the recording may lack its end, according to its bytes, its host or the note.
pub(super) fn is_partial(call: &Transcription, prepared: &Prepared) -> bool {
    prepared.partial || call.partial || is_far_shorter(prepared.duration_ms, noted_s(call))
}

fn noted_s(call: &Transcription) -> Option<u64> {
    call.note_duration_s.map(u64::from)
}

/// The kind of file found instead of a recording, if recognised.
pub(super) fn failure_cause(error: &AudioError) -> Option<FailureCause> {
    match error {
        AudioError::NotAudio { found } if found.contains("HTML") => Some(FailureCause::LoginPage),
        AudioError::NotAudio { found } if ["JSON", "XML", "text"].iter().any(|kind| found.contains(kind)) => {
            Some(FailureCause::Document)
        }
        _ => None,
    }
}

/// Parks the call and schedules another fetch at `at`. The next version has files of its own, so a copy of this one on
/// some machine is never used for it.
pub(super) async fn park_and_refetch(
    stage: &Stage,
    run: &JobContext,
    flysense: &FlySense,
    at: DateTime<Utc>,
    reason: RecordingWait,
) -> JobResult {
    let call = &stage.call;
    let mut unit = stage.park(run, reason).await?;
    transcriptions::set_aside_recording(&mut unit, call.id, call.recording_version).await?;
    unit.enqueue_at(&FetchRecording { transcription_id: call.id, account_id: call.account_id }, at).await?;
    let verdict = run.done(unit).await?;
    tracing::info!(transcription.id = %call.id, recording.wait = %reason, "recording unfinished; call parked");
    // Recordings are private, so copies are deleted early. The rest is deleted with the call's other audio.
    let _ = flysense.storage.delete(&audio_storage::source_key(call)).await;
    for path in [
        audio_storage::local_source(&flysense.scratch, call),
        audio_storage::local_prepared(&flysense.scratch, call),
    ] {
        let _ = tokio::fs::remove_file(path).await;
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flysk_clients::outbound::BadUrl;

    fn at(error: OutboundError, attempt: u32, is_last: bool) -> ObstacleAction {
        classify_obstacle(&Obstacle::Error(error), attempt, is_last)
    }

    #[test]
    fn each_final_failure_tells_what_was_in_the_way() {
        use FailureCause as C;
        let status = |status| OutboundError::Status { status, retry_after: None };
        let not_yet = |status| OutboundError::NotYet { status };
        for (error, cause) in [
            (status(401), C::LoginRequired),
            (status(407), C::LoginRequired),
            (status(400), C::HostRefused),
            (status(500), C::HostRefused),
            (not_yet(202), C::HostRefused),
            (not_yet(403), C::LinkExpired),
            (not_yet(404), C::LinkExpired),
            (not_yet(410), C::LinkExpired),
            (OutboundError::TimedOut, C::HostAway),
            (OutboundError::Cut { times: 6, source: None }, C::ConnectionBroken),
            (OutboundError::TooManyRedirects { limit: 5 }, C::RedirectLoop),
        ] {
            let told = format!("{error}");
            let expected = ObstacleAction::Fail(FailureCode::RecordingUnavailable, Some(cause));
            assert_eq!(at(error, 12, true), expected, "{told}");
        }
        for (error, cause) in [
            (OutboundError::ForbiddenAddress, C::InternalNetwork),
            (OutboundError::BadUrl(BadUrl::Scheme), C::NotALink),
        ] {
            let expected = ObstacleAction::Fail(FailureCode::LinkForbiddenAddress, Some(cause));
            assert_eq!(at(error, 1, false), expected);
        }
        let too_large = at(OutboundError::TooLarge { limit: 1 }, 1, false);
        assert_eq!(too_large, ObstacleAction::Fail(FailureCode::TooLarge, None));
        assert_eq!(
            classify_obstacle(&Obstacle::Empty, 1, false),
            ObstacleAction::Fail(FailureCode::Empty, None)
        );
    }

    #[test]
    fn what_may_pass_is_tried_again_until_the_last_attempt() {
        for error in [
            OutboundError::TimedOut,
            OutboundError::NotYet { status: 404 },
            OutboundError::Status { status: 503, retry_after: None },
            OutboundError::Cut { times: 6, source: None },
        ] {
            let told = format!("{error}");
            assert!(matches!(at(error, 11, false), ObstacleAction::Retry(JobError::Retry { .. })), "{told}");
        }
    }

    #[test]
    fn a_page_and_a_document_are_told_from_noise() {
        let cause = |found: &str| failure_cause(&AudioError::NotAudio { found: found.to_owned().into() });
        assert_eq!(cause("an HTML page"), Some(FailureCause::LoginPage));
        for found in ["a JSON document", "an XML document", "plain text"] {
            assert_eq!(cause(found), Some(FailureCause::Document), "{found}");
        }
        assert_eq!(cause("an unknown format"), None);
        assert_eq!(failure_cause(&AudioError::Empty), None);
    }
}
