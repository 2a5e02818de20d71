//! `GET /v1/flysense/transcriptions/{id}/audio`.

use flysk_clients::outbound::{ByteRange, FileStream};
use flysk_domain::trace::Trace;
use futures::StreamExt as _;
use poem::web::Data;
use poem::{Body, IntoResponse, Response};
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};

use super::caller::admit;
use super::recordings::Place;
use super::transcriptions::{Tag, find};
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};

/// Bytes of a recording. Of which type they are the telephony decides, so the document promises none.
pub(crate) struct Sound(Body);

impl Payload for Sound {
    const CONTENT_TYPE: &'static str = "*/*";

    fn schema_ref() -> MetaSchemaRef {
        let schema = MetaSchema { format: Some("binary"), ..MetaSchema::new("string") };
        MetaSchemaRef::Inline(Box::new(schema))
    }
}

impl IntoResponse for Sound {
    fn into_response(self) -> Response {
        Response::builder().body(self.0)
    }
}

answers! {
    /// Answers of `getRecording`.
    Played {
        /// The whole recording, as the telephony has it.
        200 => Whole(Sound, header "Content-Type" String, header "Content-Length" Option<u64>,
            header "Accept-Ranges" String, header "ETag" Option<String>, header "Last-Modified" Option<String>,
            header "Cache-Control" String, header "X-Content-Type-Options" String),
        /// The part that was asked for.
        206 => Part(Sound, header "Content-Type" String, header "Content-Length" Option<u64>,
            header "Content-Range" Option<String>, header "ETag" Option<String>,
            header "Last-Modified" Option<String>, header "Cache-Control" String,
            header "X-Content-Type-Options" String),
        /// The recording is shorter than the part that was asked for.
        416 => Beyond(Sound, header "Content-Range" Option<String>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// FlySense is not active in the account, or has to be connected again.
        403 => Forbidden,
        /// There is none of this id in the account, or it has no recording.
        404 => NotFound,
        /// Too many listeners, or amoCRM was asked too much: try again in a moment.
        429 => TooMany,
        /// A defect of ours.
        500 => Internal,
        /// amoCRM or the telephony does not give it.
        502 => BadGateway,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Recordings, to be listened to.
pub(crate) struct AudioApi;

#[OpenApi(prefix_path = "/v1/flysense/transcriptions", tag = "Tag::FlySense")]
impl AudioApi {
    /// Listen to the call.
    ///
    /// The recording is passed on from the telephony as it comes and kept nowhere; `Range` is passed on too, so that
    /// a player can jump. A telephony that knows no ranges answers 200 with everything.
    #[oai(path = "/:id/audio", method = "get", operation_id = "getRecording")]
    async fn play(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        id: Path<String>,
        /// One range of bytes, `bytes=0-99`; anything else is ignored.
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
    let user = admit(deps, caller).await?;
    let call = find(deps, &user, id).await?;
    let unconfigured = || Problem::new(ProblemCode::Internal, "told to our operators");
    let recordings = deps.recordings.as_ref().ok_or_else(unconfigured)?;
    let place = recordings.place(user.account_id())?;
    let range = range.and_then(ByteRange::parse);
    let (stream, media_type) = recordings.open_typed(deps, trace, &call, range.as_ref()).await?;
    Ok(passed_on(stream, media_type, place))
}

/// The telephony's answer, stripped of what could make it more than a recording in a browser.
fn passed_on(stream: FileStream, content_type: String, place: Place) -> Played {
    let (length, range) = (stream.content_length, stream.content_range);
    let (etag, modified) = (stream.etag, stream.last_modified);
    // The place is kept for as long as the body is read.
    let body = stream.body.inspect(move |_| _ = &place);
    let body = Sound(Body::from_bytes_stream(body));
    // Personal: nobody on the way may keep it.
    let (cache, nosniff) = ("private, no-store".to_owned(), "nosniff".to_owned());
    match stream.status {
        206 => Played::Part(body, content_type, length, range, etag, modified, cache, nosniff),
        416 => Played::Beyond(Sound(Body::empty()), range),
        _ => {
            let ranges = "bytes".to_owned();
            Played::Whole(body, content_type, length, ranges, etag, modified, cache, nosniff)
        }
    }
}
