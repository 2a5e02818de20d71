//! `GET /v1/flysense/transcriptions/{id}/audio`: streams a recording to the player.

use flysk_domain::trace::Trace;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path};

use super::audio_answer::Played;
use super::caller::authorize_caller;
use super::found_call::find;
use super::playback::open_audio;
use super::transcriptions::Tag;
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::Problem;

/// Operation to play recordings.
pub(crate) struct AudioApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl AudioApi {
    /// Play the recording of a call.
    ///
    /// The recording is streamed from the telephony provider and not stored. `Range` is forwarded, so that a player can seek. If
    /// the provider does not support ranges, the response is 200 with the whole recording. `createAudioLink` gives an address
    /// that always answers ranges; a copy that it made is served here too.
    #[oai(path = "/:id/audio", method = "get", operation_id = "getTranscriptionAudio")]
    async fn play(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Transcription id, `tr_…`.
        id: Path<String>,
        /// One range of bytes, `bytes=0-99`; other values are ignored.
        #[oai(name = "Range")]
        range: Header<Option<String>>,
    ) -> Played {
        match play(&deps, &trace, &caller, &id.0, range.0.as_deref()).await {
            Ok(played) => played,
            Err(problem) => problem.into(),
        }
    }
}

async fn play(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    id: &str,
    range: Option<&str>,
) -> Result<Played, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    let permit = deps.recordings()?.acquire_listener_permit(user.account_id())?;
    open_audio(deps, trace, &call, range, permit).await
}
