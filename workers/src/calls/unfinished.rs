//! Recordings that their telephony has not finished, and what becomes of them: while the note is young they are not there
//! yet, which costs no attempt and no coin; later what is there decides.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_audio::{AudioError, Prepared};
use flysk_clients::amocrm::Note;
use flysk_clients::outbound::OutboundError;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::flysense::readiness::{RecordingWait, SettleTime, is_far_shorter};
use flysk_domain::platform::outcome::Outcome;
use flysk_jobs::calls::FetchRecording;
use flysk_jobs::{JobError, JobResult, Run, Verdict};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::files;
use super::stage::Stage;
use crate::flysense::FlySense;
use crate::outcome::job_error;

/// A certificate that is refused stays refused; a few attempts are for a host that is just being set up.
const CERTIFICATE_ATTEMPTS: u32 = 3;
/// A file that is cut by its own account and this close to the length of its note is whole, in milliseconds: notes tell
/// whole seconds.
const WHOLE_WITHIN_MS: u64 = 2_000;

/// Why a link gave no file.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// A file without a byte.
    Empty,
    /// An error of the host or of the way to it.
    Error(OutboundError),
}

/// The link gave no file: the call waits while it may still come, is tried again, or fails with what was in the way.
pub(super) async fn meet_obstacle(
    stage: &Stage,
    run: &Run,
    flysense: &FlySense,
    note: &Note,
    obstacle: Obstacle,
) -> JobResult {
    let is_answer = match &obstacle {
        Obstacle::Empty => true,
        Obstacle::Error(error) => error.is_answer(),
    };
    let told_s = note.call.as_ref().map(|call| call.duration_s).filter(|seconds| *seconds > 0);
    let next_look = settle_time(flysense, &stage.call, Some(note.created_at), told_s).next_look(run.now());
    if is_answer && let Some(at) = next_look {
        let reason = RecordingWait::NotReady;
        stage.park(run, reason).await?.commit().await?;
        return Ok(Verdict::snooze(at, "the link does not lead to a recording yet"));
    }
    match judge(&obstacle, run.attempt(), run.is_last_attempt()) {
        Judgement::Final(code, cause) => stage.fail_because(run, code, cause).await,
        // A host that asks for patience without end is asked as often as one that fails.
        Judgement::Again(JobError::Wait { after, reason }) if next_look.is_none() => {
            Err(JobError::Retry { reason, after: Some(after) })
        }
        Judgement::Again(error) => Err(error),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Final(FailureCode, Option<FailureCause>),
    Again(JobError),
}

fn judge(obstacle: &Obstacle, attempt: u32, is_last: bool) -> Judgement {
    use FailureCode::{LinkForbiddenAddress, RecordingUnavailable};
    let error = match obstacle {
        Obstacle::Empty => return Judgement::Final(FailureCode::Empty, None),
        Obstacle::Error(error) => error,
    };
    let cause = match error {
        OutboundError::ForbiddenAddress => {
            return Judgement::Final(LinkForbiddenAddress, Some(FailureCause::InternalNetwork));
        }
        OutboundError::BadUrl(_) => {
            return Judgement::Final(LinkForbiddenAddress, Some(FailureCause::NotALink));
        }
        OutboundError::TooLarge { .. } => return Judgement::Final(FailureCode::TooLarge, None),
        // A fault of ours: the attempts that are left may end on another machine.
        OutboundError::File(_) => return Judgement::Again(job_error(error.outcome(), error)),
        OutboundError::TooManyRedirects { .. } => FailureCause::RedirectLoop,
        OutboundError::TimedOut | OutboundError::Connect(_) => FailureCause::HostAway,
        OutboundError::Tls(_) => FailureCause::CertificateRefused,
        OutboundError::Cut { .. } => FailureCause::ConnectionBroken,
        OutboundError::Coding => FailureCause::HostRefused,
        OutboundError::NotYet { status } | OutboundError::Status { status, .. } => match status {
            401 | 407 => FailureCause::LoginRequired,
            403 | 404 | 410 => FailureCause::LinkExpired,
            _ => FailureCause::HostRefused,
        },
    };
    let is_hopeless = match error {
        OutboundError::Tls(_) => attempt >= CERTIFICATE_ATTEMPTS,
        _ => error.outcome() == Outcome::GiveUp,
    };
    if is_hopeless || is_last {
        return Judgement::Final(RecordingUnavailable, Some(cause));
    }
    Judgement::Again(job_error(error.outcome(), error))
}

/// Until when the recording of a call may be unfinished.
fn settle_time(
    flysense: &FlySense,
    call: &Transcription,
    note_at: Option<DateTime<Utc>>,
    told_s: Option<u64>,
) -> SettleTime {
    // Some telephonies date the note by the call's beginning; the recording is not finished before its end.
    let lasted = told_s.and_then(|seconds| i64::try_from(seconds).ok()).and_then(TimeDelta::try_seconds);
    let ended = note_at.and_then(|at| at.checked_add_signed(lasted.unwrap_or_default()));
    // A note from the future is as old as our knowledge of it.
    let since = ended.map_or(call.created_at, |at| at.min(call.created_at));
    SettleTime { since, settle: flysense.recording_settle }
}

/// When to look again at a recording that was decoded, and why, if it cannot be the whole call and may still grow.
pub(super) fn look_again(
    flysense: &FlySense,
    call: &Transcription,
    decoded: &Result<Prepared, AudioError>,
    now: DateTime<Utc>,
) -> Option<(DateTime<Utc>, RecordingWait)> {
    let told_s = told_s(call);
    let reason = match decoded {
        Ok(prepared) => {
            let is_cut = prepared.partial || call.partial;
            // A file that lacks its last frame only is whole by the note's word.
            let is_whole =
                told_s.is_some_and(|told_s| prepared.duration_ms + WHOLE_WITHIN_MS >= told_s * 1_000);
            let is_short = is_far_shorter(prepared.duration_ms, told_s) || (is_cut && !is_whole);
            is_short.then_some(RecordingWait::StillGrowing)
        }
        Err(AudioError::Empty | AudioError::NotAudio { .. }) => Some(RecordingWait::NotReady),
        // Files whose index comes last cannot be read before.
        Err(AudioError::Damaged { .. }) => Some(RecordingWait::StillGrowing),
        Err(_) => None,
    }?;
    Some((settle_time(flysense, call, call.called_at, told_s).next_look(now)?, reason))
}

/// Whether a recording that is taken as it is may lack its end: by its own bytes, by its host's word, or by the note's.
pub(super) fn is_partial(call: &Transcription, prepared: &Prepared) -> bool {
    prepared.partial || call.partial || is_far_shorter(prepared.duration_ms, told_s(call))
}

fn told_s(call: &Transcription) -> Option<u64> {
    call.note_duration_s.map(u64::from)
}

/// What is in place of a recording, if that can be told.
pub(super) fn cause_of(error: &AudioError) -> Option<FailureCause> {
    match error {
        AudioError::NotAudio { found } if found.contains("HTML") => Some(FailureCause::LoginPage),
        AudioError::NotAudio { found } if ["JSON", "XML", "text"].iter().any(|kind| found.contains(kind)) => {
            Some(FailureCause::Document)
        }
        _ => None,
    }
}

/// Sets an unfinished recording aside, and has the call fetched again at `at`, as another version with files of its own: a
/// copy of this one on some machine is never taken for the next.
pub(super) async fn set_aside(
    stage: &Stage,
    run: &Run,
    flysense: &FlySense,
    at: DateTime<Utc>,
    reason: RecordingWait,
) -> JobResult {
    let call = &stage.call;
    let mut unit = stage.park(run, reason).await?;
    transcriptions::set_aside_recording(&mut unit, call.id, call.recording_version).await?;
    unit.enqueue_at(&FetchRecording { transcription_id: call.id, account_id: call.account_id }, at).await?;
    let verdict = run.done(unit).await?;
    tracing::info!(transcription.id = %call.id, recording.wait = %reason, "the recording is not finished");
    // People's voices do not lie about; what cannot be deleted now goes with the rest of the call.
    let _ = flysense.storage.delete(&files::source_key(call)).await;
    for path in [files::local_source(&flysense.scratch, call), files::local_prepared(&flysense.scratch, call)]
    {
        let _ = tokio::fs::remove_file(path).await;
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flysk_clients::outbound::BadUrl;

    fn at(error: OutboundError, attempt: u32, is_last: bool) -> Judgement {
        judge(&Obstacle::Error(error), attempt, is_last)
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
            let expected = Judgement::Final(FailureCode::RecordingUnavailable, Some(cause));
            assert_eq!(at(error, 12, true), expected, "{told}");
        }
        for (error, cause) in [
            (OutboundError::ForbiddenAddress, C::InternalNetwork),
            (OutboundError::BadUrl(BadUrl::Scheme), C::NotALink),
        ] {
            let expected = Judgement::Final(FailureCode::LinkForbiddenAddress, Some(cause));
            assert_eq!(at(error, 1, false), expected);
        }
        let too_large = at(OutboundError::TooLarge { limit: 1 }, 1, false);
        assert_eq!(too_large, Judgement::Final(FailureCode::TooLarge, None));
        assert_eq!(judge(&Obstacle::Empty, 1, false), Judgement::Final(FailureCode::Empty, None));
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
            assert!(matches!(at(error, 11, false), Judgement::Again(JobError::Retry { .. })), "{told}");
        }
    }

    #[test]
    fn a_page_and_a_document_are_told_from_noise() {
        let cause = |found: &str| cause_of(&AudioError::NotAudio { found: found.to_owned().into() });
        assert_eq!(cause("an HTML page"), Some(FailureCause::LoginPage));
        for found in ["a JSON document", "an XML document", "plain text"] {
            assert_eq!(cause(found), Some(FailureCause::Document), "{found}");
        }
        assert_eq!(cause("bytes of no audio format we know"), None);
        assert_eq!(cause_of(&AudioError::Empty), None);
    }
}
