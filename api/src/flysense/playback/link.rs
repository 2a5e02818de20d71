//! `POST /v1/flysense/transcriptions/{id}/audio-link`: an address for the player.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::trace::Trace;
use flysk_services::calls::{MIN_PLAYABLE_TIME, request_playback_copy};
use flysk_store::flysense::playback_copies::{self, CopyState, PlaybackCopy};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};

use super::super::caller::{FlysenseUser, authorize_caller};
use super::super::found_call::find;
use super::super::transcriptions::Tag;
use super::ticket::{TICKET_TTL, Ticket};
use crate::auth::WidgetCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::recordings::Probe;
use crate::strict_json::NoBody;
use crate::time::Time;

/// Delay before the next question about a copy in the making, in milliseconds.
const ASK_AGAIN_MS: u32 = 1_000;

/// Whether a recording can be played. States may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum AudioState {
    /// `url` can be played.
    Ready,
    /// A copy that browsers can play is being made: ask again after `ask_again_ms`.
    Preparing,
    /// The telephony system does not have the recording any more. The text of the call stays.
    Deleted,
    /// The recording cannot be had at present, see `reason_label`.
    Unavailable,
}

/// An address for a player.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct AudioLink {
    /// Whether the recording can be played.
    state: AudioState,
    /// Address of the audio; it needs no credentials and answers ranges. Null unless `ready`.
    url: Option<String>,
    /// End of the address; null unless `ready`.
    expires_at: Option<Time>,
    /// Delay before the next request, in milliseconds; null unless `preparing`.
    ask_again_ms: Option<u32>,
    /// Why the recording cannot be played; null if it can, or is being prepared.
    reason: Option<Choice<FailureCode>>,
    /// The reason and advice for the user, in Russian; null without a reason.
    reason_label: Option<String>,
}

impl Example for AudioLink {
    fn example() -> Self {
        Self {
            url: Some("https://flysk.example.com/v1/flysense/audio?ticket=k1.3q2-7wEf".to_owned()),
            expires_at: Some(Time::example()),
            ..Self::of_state(AudioState::Ready)
        }
    }
}

impl AudioLink {
    const fn of_state(state: AudioState) -> Self {
        Self { state, url: None, expires_at: None, ask_again_ms: None, reason: None, reason_label: None }
    }

    fn preparing() -> Self {
        Self { ask_again_ms: Some(ASK_AGAIN_MS), ..Self::of_state(AudioState::Preparing) }
    }

    fn failed(code: FailureCode, cause: Option<FailureCause>) -> Self {
        let is_gone = code == FailureCode::LinkMissing || cause == Some(FailureCause::LinkExpired);
        let label = cause.map_or(code.label(), FailureCause::label);
        Self {
            reason: Some(code.into()),
            reason_label: Some(label.to_owned()),
            ..Self::of_state(if is_gone { AudioState::Deleted } else { AudioState::Unavailable })
        }
    }
}

answers! {
    /// Responses of `createAudioLink`.
    Linked {
        /// The address, or why there is none.
        200 => Ok(Json<AudioLink>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account, or must be connected again.
        403 => Forbidden [NotInstalled, InstallInactive, ReconnectRequired],
        /// The account has no such transcription.
        404 => NotFound,
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// The rate limit of amoCRM is reached.
        429 => TooMany,
        /// Internal error.
        500 => Internal,
        /// amoCRM does not return the call's note.
        502 => BadGateway [UpstreamUnavailable, RecordingUnavailable],
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation for addresses of recordings.
pub(crate) struct AudioLinkApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl AudioLinkApi {
    /// Get an address of the recording for a player.
    ///
    /// The address always answers ranges, and the audio is one that browsers play: a recording for which this is not so is
    /// converted first, which takes some seconds.
    #[oai(path = "/:id/audio-link", method = "post", operation_id = "createAudioLink")]
    async fn create(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Transcription id, `tr_…`.
        id: Path<String>,
        _body: NoBody,
    ) -> Linked {
        match create(&deps, &trace, &caller, &id.0).await {
            Ok(link) => Linked::Ok(Json(link)),
            Err(problem) => problem.into(),
        }
    }
}

async fn create(deps: &Deps, trace: &Trace, caller: &WidgetCaller, id: &str) -> Result<AudioLink, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    let now = deps.clock().now();
    let mut conn = deps.conn().await?;
    let copy = playback_copies::find(&mut conn, call.id).await?;
    drop(conn);
    match copy.as_ref().map(|copy| CopyOutlook::of(copy, now)) {
        Some(CopyOutlook::Playable { until }) => {
            return ready(deps, &user, &call, until.min(now + TICKET_TTL));
        }
        Some(CopyOutlook::NotPlayable(link)) => return Ok(link),
        Some(CopyOutlook::Expired) | None => {}
    }
    let recordings = deps.recordings()?;
    // The probe asks amoCRM and the telephony's host, as a listener does.
    let _permit = recordings.acquire_listener_permit(user.account_id())?;
    match recordings.probe(trace, &call).await? {
        Ok(Probe { plays: true, has_ranges: true }) => ready(deps, &user, &call, now + TICKET_TTL),
        Ok(_) => prepare(deps, trace, &call).await,
        Err((code, cause)) => Ok(AudioLink::failed(code, cause)),
    }
}

/// Whether the stored copy of a recording can be played.
enum CopyOutlook {
    /// The copy can be played until then.
    Playable { until: DateTime<Utc> },
    /// The copy is being prepared, or could not be made.
    NotPlayable(AudioLink),
    /// The copy has expired, or is about to.
    Expired,
}

impl CopyOutlook {
    fn of(copy: &PlaybackCopy, now: DateTime<Utc>) -> Self {
        match copy.state {
            CopyState::Ready if copy.expires_at > now + MIN_PLAYABLE_TIME => {
                Self::Playable { until: copy.expires_at }
            }
            CopyState::Preparing if copy.expires_at > now => Self::NotPlayable(AudioLink::preparing()),
            CopyState::Failed if copy.expires_at > now => Self::NotPlayable(AudioLink::failed(
                copy.failure_code().unwrap_or(FailureCode::Internal),
                copy.failure_cause(),
            )),
            CopyState::Ready | CopyState::Preparing | CopyState::Failed => Self::Expired,
        }
    }
}

/// An address of audio that can be played until then.
fn ready(
    deps: &Deps,
    user: &FlysenseUser,
    call: &Transcription,
    until: DateTime<Utc>,
) -> Result<AudioLink, Problem> {
    let ticket = Ticket {
        transcription: call.id,
        account: call.account_id,
        user: user.user_id,
        until: until.timestamp(),
    };
    let url = ticket.url(&deps.config.http.public_url, &deps.keyring);
    let url = url.ok_or_else(|| Problem::new(ProblemCode::Internal, "quote X-Request-Id to support"))?;
    Ok(AudioLink { url: Some(url), expires_at: Some(until.into()), ..AudioLink::of_state(AudioState::Ready) })
}

/// Begins a copy.
async fn prepare(deps: &Deps, trace: &Trace, call: &Transcription) -> Result<AudioLink, Problem> {
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        request_playback_copy(&mut unit, call).await?;
        Ok::<_, Problem>(unit.commit().await?)
    };
    repeat_contended(write).await?;
    Ok(AudioLink::preparing())
}
