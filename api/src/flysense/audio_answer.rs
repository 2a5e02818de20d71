//! Answers with the bytes of a recording.

use flysk_clients::outbound::FileStream;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ResponseContent;
use poem_openapi::registry::{MetaMediaType, MetaSchema, MetaSchemaRef};

use super::attended_stream::{MAX_UNREAD, attended};
use crate::problem::answers;
use crate::recordings::ListenerPermit;

/// Media types of recordings. The telephony provider determines the type; a type without a safe name is
/// `application/octet-stream` (`recordings/sound_type.rs`).
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
