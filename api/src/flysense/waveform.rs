//! `GET /v1/flysense/transcriptions/{id}/waveform`: loudness and speakers of a recording in bins.

use flysk_domain::flysense::analysis::Analysis;
use flysk_domain::flysense::roles::{Role, Roles};
use flysk_domain::flysense::utterance::Utterance;
use flysk_domain::flysense::waveform::{DEFAULT_BINS, speaker_spans};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{transcripts, waveforms};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi};

use super::caller::authorize_caller;
use super::found_call::find;
use super::transcriptions::Tag;
use crate::auth::WidgetCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, answers};

/// Why a recording has no waveform. Reasons may be added.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
enum WaveformAbsence {
    /// The recording was decoded by a release that did not measure loudness.
    OldCall,
    /// The recording has not been decoded yet, or could not be.
    NotDecoded,
}

/// Consecutive bins in which one speaker talks.
#[derive(Debug, Object)]
struct SpeakerSpan {
    /// Role of the speaker.
    speaker: Choice<Role>,
    /// Channel or speaker tag from the recognizer.
    channel: String,
    /// The first bin.
    from_bin: u32,
    /// The bin after the last.
    to_bin: u32,
}

/// Loudness and speakers of a recording in bins of equal length.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Waveform {
    /// Duration of the recording, in milliseconds; null until it is decoded.
    duration_ms: Option<u64>,
    /// Number of bins, at most 800. Each is `duration_ms / bins` long.
    bins: u32,
    /// Loudness of each bin, 0 to 100 in equal steps of decibel; empty without a waveform.
    peaks: Vec<u8>,
    /// Why there is no waveform; null with one.
    absence: Option<WaveformAbsence>,
    /// Turns of the speakers, by their start; those of different speakers may overlap. Empty without a dialogue.
    speakers: Vec<SpeakerSpan>,
}

impl Example for Waveform {
    fn example() -> Self {
        Self {
            duration_ms: Some(42_000),
            bins: 5,
            peaks: vec![0, 62, 71, 40, 3],
            absence: None,
            speakers: vec![SpeakerSpan {
                speaker: Role::Operator.into(),
                channel: "0".to_owned(),
                from_bin: 1,
                to_bin: 3,
            }],
        }
    }
}

answers! {
    /// Responses of `getWaveform`.
    Got {
        /// The waveform.
        200 => Ok(Json<Waveform>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// The account has no such transcription.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation for waveforms.
pub(crate) struct WaveformApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl WaveformApi {
    /// Get loudness and speakers of a recording, for the player.
    #[oai(path = "/:id/waveform", method = "get", operation_id = "getWaveform")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Transcription id, `tr_…`.
        id: Path<String>,
    ) -> Got {
        match get(&deps, &caller, &id.0).await {
            Ok(waveform) => Got::Ok(Json(waveform)),
            Err(problem) => problem.into(),
        }
    }
}

async fn get(deps: &Deps, caller: &WidgetCaller, id: &str) -> Result<Waveform, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    let mut conn = deps.conn().await?;
    let measured = waveforms::find(&mut conn, call.id).await?;
    let transcript = transcripts::find::<Utterance, Analysis>(&mut conn, call.id).await?;
    let duration_ms = measured.as_ref().map(|measured| measured.duration_ms).or(call.duration_ms);
    let absence = measured.is_none().then(|| absence(&call));
    let peaks = measured.map(|measured| measured.peaks).unwrap_or_default();
    let bins = if peaks.is_empty() { DEFAULT_BINS } else { peaks.len() };
    let speakers = match (transcript, duration_ms) {
        (Some((dialogue, analysis)), Some(duration_ms)) => {
            let roles = if call.roles_swapped { analysis.roles.swapped() } else { analysis.roles };
            spans(&dialogue, &roles, duration_ms, bins)
        }
        _ => Vec::new(),
    };
    Ok(Waveform { duration_ms, bins: count(bins), peaks, absence, speakers })
}

/// A call with a duration was decoded.
fn absence(call: &Transcription) -> WaveformAbsence {
    if call.duration_ms.is_some() { WaveformAbsence::OldCall } else { WaveformAbsence::NotDecoded }
}

fn spans(dialogue: &[Utterance], roles: &Roles, duration_ms: u64, bins: usize) -> Vec<SpeakerSpan> {
    let spans = speaker_spans(dialogue, duration_ms, bins).into_iter();
    spans
        .map(|span| SpeakerSpan {
            speaker: roles.of(&span.channel).into(),
            channel: span.channel.to_string(),
            from_bin: count(span.from_bin),
            to_bin: count(span.to_bin),
        })
        .collect()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
