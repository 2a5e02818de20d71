//! `GET /v1/flysense/transcriptions/{id}/audio`: streams a recording to the player.

use flysk_clients::outbound::FileStream;
use flysk_domain::trace::Trace;
use poem::web::Data;
use poem::{Body, IntoResponse, Response};
use poem_openapi::param::{Header, Path};
use poem_openapi::registry::{MetaMediaType, MetaSchema, MetaSchemaRef};
use poem_openapi::{OpenApi, ResponseContent};

use super::attended_stream::{MAX_UNREAD, attended};
use super::caller::authorize_caller;
use super::listeners::ListenerPermit;
use super::playback::open_audio;
use super::recordings::Recordings;
use super::transcriptions::{Tag, find};
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};

/// Media types of recordings. The telephony provider determines the type; a type without a safe name is
/// `application/octet-stream` (`sound_type::media_type`).
const MEDIA_TYPES: [&str; 7] = [
    "audio/mpeg",
    "audio/wav",
    "audio/ogg",
    "audio/*",
    "video/mp4",
    "video/webm",
    "application/octet-stream",
];

/// Bytes of a recording.
pub(crate) struct AudioBody(Body);

impl AudioBody {
    pub(super) fn new(body: Body) -> Self {
        Self(body)
    }
}

/// Bytes of this media type, for the OpenAPI document.
pub(super) fn binary(content_type: &'static str) -> MetaMediaType {
    let schema = MetaSchema { format: Some("binary"), ..MetaSchema::new("string") };
    MetaMediaType { content_type, schema: MetaSchemaRef::Inline(Box::new(schema)) }
}

/// Recordings are personal data: no cache may store them.
pub(super) const NO_STORE: &str = "private, no-store";

impl ResponseContent for AudioBody {
    fn media_types() -> Vec<MetaMediaType> {
        MEDIA_TYPES.map(binary).into()
    }
}

impl IntoResponse for AudioBody {
    fn into_response(self) -> Response {
        Response::builder().body(self.0)
    }
}

answers! {
    /// Responses of `getTranscriptionAudio` and `playAudio`.
    Played {
        /// The whole recording.
        200 => Whole(AudioBody, header "Content-Type" String, header "Content-Length" Option<u64>,
            header "Accept-Ranges" String, header "ETag" Option<String>, header "Last-Modified" Option<String>,
            header "Cache-Control" String, header "X-Content-Type-Options" String),
        /// The requested range.
        206 => Part(AudioBody, header "Content-Type" String, header "Content-Length" Option<u64>,
            header "Content-Range" Option<String>, header "ETag" Option<String>,
            header "Last-Modified" Option<String>, header "Cache-Control" String,
            header "X-Content-Type-Options" String),
        /// The requested range is beyond the end of the recording.
        416 => Beyond { header "Content-Range" Option<String> },
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account, or must be connected again.
        403 => Forbidden [NotInstalled, InstallInactive, ReconnectRequired],
        /// The account has no such transcription, or the call has no recording.
        404 => NotFound,
        /// Too many listeners, or the rate limit of amoCRM is reached: retry in a few seconds.
        429 => TooMany,
        /// Internal error.
        500 => Internal,
        /// amoCRM or the telephony provider does not return the recording.
        502 => BadGateway [UpstreamUnavailable, RecordingUnavailable],
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

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
    let permit = Recordings::of(deps)?.acquire_listener_permit(user.account_id())?;
    open_audio(deps, trace, &call, range, permit).await
}

/// Converts the provider's response. Only safe headers are forwarded, so that a browser treats the body as a recording only.
pub(super) fn audio_response(stream: FileStream, content_type: String, permit: ListenerPermit) -> Played {
    let (length, range) = (stream.content_length, stream.content_range);
    let (etag, modified) = (stream.etag, stream.last_modified);
    let body = attended(stream.body, permit, MAX_UNREAD);
    let body = AudioBody::new(Body::from_bytes_stream(body));
    let (cache, nosniff) = (NO_STORE.to_owned(), "nosniff".to_owned());
    match stream.status {
        206 => Played::Part(body, content_type, length, range, etag, modified, cache, nosniff),
        416 => Played::Beyond(range),
        _ => {
            let ranges = "bytes".to_owned();
            Played::Whole(body, content_type, length, ranges, etag, modified, cache, nosniff)
        }
    }
}
