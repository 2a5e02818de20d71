//! The recording of a call, for operators with the right to listen. Each request has a reason and a record; the file is served
//! for a while after it.

use std::io;

use askama::Template;
use chrono::TimeDelta;
use flysk_clients::storage::ByteRange;
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::failure_cause::FailureCause;
use flysk_domain::id::TranscriptionId;
use flysk_services::calls::request_playback_copy;
use flysk_store::admin::audit;
use flysk_store::admin::lists::calls as listed;
use flysk_store::flysense::playback_copies::{self, CopyState, PlaybackCopy};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::{Conn, repeat_contended};
use futures::TryStreamExt as _;
use poem::http::header::{self, HeaderValue};
use poem::http::{HeaderName, StatusCode};
use poem::{Body, Response};
use serde_json::Value;

use crate::http::respond::with_headers;
use crate::http::{Fault, Listening, Record, Visit};
use crate::view::Layout;

/// Act in the audit log.
const LISTEN: &str = "call.listen";
/// Time after a request in which the recording may be heard.
const LISTEN_TTL: TimeDelta = TimeDelta::minutes(30);
/// Latest acts on a call among which the request is looked for.
const ACTS_READ: u32 = 50;

/// Context of the player's page.
#[derive(Template)]
#[template(path = "call_audio.html")]
struct CallAudioPage {
    layout: Layout,
    /// Path of the call's page.
    call: String,
    /// Path of the audio, once it can be played.
    file: Option<String>,
    /// Why there is none.
    text: String,
    is_live: bool,
}

async fn find_call(conn: &mut Conn, id: TranscriptionId) -> Result<Transcription, Fault> {
    let row = listed::rows(conn, &[id.to_string()]).await?.into_iter().next().ok_or(Fault::NotFound)?;
    transcriptions::find(conn, row.account_id, id).await?.ok_or(Fault::NotFound)
}

/// `POST /calls/:id/listen`: records the request, and has a copy made that browsers play.
pub(crate) async fn request(visit: Visit<Listening>) -> Result<Response, Fault> {
    let (id, reason): (TranscriptionId, _) = (visit.request.id()?, visit.reason()?);
    if visit.deps.storage.is_none() {
        return Err(Fault::refused("Хранилище файлов не настроено: записи не воспроизводятся."));
    }
    let call = find_call(&mut *visit.deps.read().await?, id).await?;
    let write = || async {
        let mut act = visit.begin().await?;
        request_playback_copy(act.unit(), &call).await?;
        act.commit(Record {
            action: LISTEN,
            subject: ("call", id.to_string()),
            reason,
            before: Value::Null,
            after: Value::Null,
        })
        .await
    };
    repeat_contended(write).await?;
    Ok(visit.done(&format!("/calls/{id}/audio"), "Запрос записан в журнал."))
}

/// Refuses who has not requested this recording within [`LISTEN_TTL`].
async fn check_request(visit: &Visit<Listening>, conn: &mut Conn, id: TranscriptionId) -> Result<(), Fault> {
    let (own, now) = (visit.who.id.to_string(), visit.deps.clock().now());
    let acts = audit::list_of_subject(conn, "call", &id.to_string(), ACTS_READ).await?;
    let is_request = |act: &audit::AuditRow| {
        act.action == LISTEN
            && act.operator_id.as_deref() == Some(own.as_str())
            && now - act.happened_at < LISTEN_TTL
    };
    if acts.iter().any(is_request) {
        return Ok(());
    }
    Err(Fault::conflict("Запросите прослушивание на странице звонка, с причиной."))
}

/// `GET /calls/:id/audio`: the player, or how far its copy is.
pub(crate) async fn show(visit: Visit<Listening>) -> Result<Response, Fault> {
    let id: TranscriptionId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    check_request(&visit, &mut conn, id).await?;
    let copy = playback_copies::find(&mut conn, id).await?;
    let text = match copy.as_ref().map(|copy| copy.state) {
        Some(CopyState::Preparing) => "Запись готовится, обычно меньше минуты.".to_owned(),
        Some(CopyState::Failed) => failure_text(copy.as_ref()),
        Some(CopyState::Ready) => String::new(),
        None => "Копии записи больше нет. Запросите прослушивание ещё раз.".to_owned(),
    };
    let is_ready = copy.as_ref().is_some_and(|copy| copy.state == CopyState::Ready);
    let page = CallAudioPage {
        layout: visit.layout("Запись звонка"),
        call: format!("/calls/{id}"),
        file: is_ready.then(|| format!("/calls/{id}/audio/file")),
        text,
        is_live: copy.is_some_and(|copy| copy.state == CopyState::Preparing),
    };
    visit.page(&page)
}

fn failure_text(copy: Option<&PlaybackCopy>) -> String {
    let code = copy.and_then(PlaybackCopy::failure_code).unwrap_or(FailureCode::Internal);
    let cause = copy.and_then(PlaybackCopy::failure_cause);
    cause.map_or(code.label(), FailureCause::label).to_owned()
}

/// `GET /calls/:id/audio/file`: the audio, whole or a range of it.
pub(crate) async fn stream(visit: Visit<Listening>) -> Result<Response, Fault> {
    let id: TranscriptionId = visit.request.id()?;
    let storage = visit.deps.storage.as_ref().ok_or(Fault::NotFound)?;
    let mut conn = visit.deps.read().await?;
    check_request(&visit, &mut conn, id).await?;
    let copy = playback_copies::find(&mut conn, id).await?.filter(|copy| copy.state == CopyState::Ready);
    drop(conn);
    let copy = copy.ok_or(Fault::NotFound)?;
    let (Some(key), Some(bytes)) = (&copy.object_key, copy.bytes) else { return Err(Fault::NotFound) };
    let range = visit.request.range.as_deref().and_then(|text| parse_range(text, bytes));
    let object = match storage.get_range(key, range).await {
        Err(error) if error.is_not_found() => return Err(Fault::NotFound),
        got => got?,
    };
    let status = if object.content_range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let media_type = copy.media_type.as_deref().unwrap_or("application/octet-stream");
    let body = Body::from_bytes_stream(object.body.into_stream().map_err(io::Error::other));
    let mut response = with_headers(Response::builder().status(status).content_type(media_type).body(body));
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CONTENT_LENGTH, &object.bytes.to_string());
    if let Some(range) = &object.content_range {
        set(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// One range of bytes with a start (RFC 9110, 14.1.2) within `total`; others are ignored, which gives the whole file.
fn parse_range(text: &str, total: u64) -> Option<ByteRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let start: u64 = first.parse().ok().filter(|start| *start < total)?;
    let end = match last {
        "" => None,
        last => Some(last.parse().ok().filter(|end| *end >= start)?),
    };
    Some(ByteRange::From { start, end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_is_not_understood_gives_the_whole_file() {
        let from = |start, end| Some(ByteRange::From { start, end });
        for (text, range) in [
            ("bytes=0-", from(0, None)),
            ("bytes=5-9", from(5, Some(9))),
            ("bytes=5-99", from(5, Some(99))),
            ("bytes=10-", None),
            ("bytes=9-5", None),
            ("bytes=-5", None),
            ("bytes=0-1,3-4", None),
            ("seconds=1-", None),
        ] {
            assert_eq!(parse_range(text, 10), range, "{text}");
        }
    }
}
