//! `GET /v1/flysense/audio?ticket=…`: the audio behind an address of `createAudioLink`.

use flysk_clients::outbound;
use flysk_clients::storage::{ByteRange, Object, StorageError};
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::trace::Trace;
use flysk_store::flysense::playback_copies::{self, CopyState, PlaybackCopy};
use flysk_store::flysense::transcriptions::Transcription;
use flysk_store::flysense::{accounts, transcriptions};
use futures::TryStreamExt as _;
use poem::Body;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Query};

use super::super::attended_stream::{MAX_UNREAD, attended};
use super::super::audio_answer::{AudioBody, NO_STORE, Played, audio_response};
use super::super::transcriptions::Tag;
use super::ticket::Ticket;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};
use crate::recordings::{ListenerPermit, Recordings};

/// Operation to play audio by its address.
pub(crate) struct AudioStreamApi;

#[OpenApi(tag = "Tag::FlySense")]
impl AudioStreamApi {
    /// Play a recording by the address from `createAudioLink`.
    #[oai(path = "/v1/flysense/audio", method = "get", operation_id = "playAudio")]
    async fn play(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        /// Ticket of the address.
        ticket: Query<String>,
        /// One range of bytes, `bytes=0-99`; other values are ignored.
        #[oai(name = "Range")]
        range: Header<Option<String>>,
    ) -> Played {
        match play(&deps, &trace, &ticket.0, range.0.as_deref()).await {
            Ok(played) => played,
            Err(problem) => problem.into(),
        }
    }
}

async fn play(deps: &Deps, trace: &Trace, sealed: &str, range: Option<&str>) -> Result<Played, Problem> {
    let now = deps.clock().now();
    let expired = || Problem::new(ProblemCode::Unauthorized, "the address has expired: get another one");
    let ticket = Ticket::open(sealed, &deps.keyring, now).ok_or_else(expired)?;
    let mut conn = deps.conn().await?;
    let account = accounts::find(&mut conn, ticket.account).await?;
    if account.is_none_or(|account| account.status != AccountStatus::Active) {
        return Err(Problem::new(ProblemCode::InstallInactive, "FlySense is not active in this account"));
    }
    let call = transcriptions::find(&mut conn, ticket.account, ticket.transcription).await?;
    let call = call.ok_or_else(expired)?;
    drop(conn);
    let permit = deps.recordings()?.acquire_listener_permit(ticket.account)?;
    open_audio(deps, trace, &call, range, permit).await
}

/// Streams the copy for players if there is one, otherwise the recording from its host.
pub(in crate::flysense) async fn open_audio(
    deps: &Deps,
    trace: &Trace,
    call: &Transcription,
    range: Option<&str>,
    permit: ListenerPermit,
) -> Result<Played, Problem> {
    let recordings = deps.recordings()?;
    let mut conn = deps.conn().await?;
    let copy = playback_copies::find(&mut conn, call.id).await?;
    drop(conn);
    let now = deps.clock().now();
    if let Some(copy) = copy.filter(|copy| copy.state == CopyState::Ready && copy.expires_at > now) {
        return stream_copy(recordings, &copy, range, permit).await;
    }
    let range = range.and_then(outbound::ByteRange::parse);
    let (stream, media_type) = recordings.open_typed(trace, call, range.as_ref()).await?;
    Ok(audio_response(stream, media_type, permit))
}

async fn stream_copy(
    recordings: &Recordings,
    copy: &PlaybackCopy,
    range: Option<&str>,
    permit: ListenerPermit,
) -> Result<Played, Problem> {
    let total = copy.bytes.unwrap_or_default();
    let range = range.and_then(storage_range);
    if range.is_some_and(|range| is_beyond(range, total)) {
        return Ok(Played::Beyond(Some(format!("bytes */{total}"))));
    }
    let key = copy.object_key.as_deref().unwrap_or_default();
    let object =
        recordings.storage()?.get_range(key, range).await.map_err(|error| storage_problem(&error))?;
    let media_type = copy.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
    let Object { bytes, content_range, etag, body, .. } = object;
    let stream = attended(body.into_stream().map_err(std::io::Error::other), permit, MAX_UNREAD);
    let body = AudioBody::new(Body::from_bytes_stream(stream));
    let (cache, nosniff) = (NO_STORE.to_owned(), "nosniff".to_owned());
    Ok(if let Some(range) = content_range {
        Played::Part(body, media_type, Some(bytes), Some(range), etag, None, cache, nosniff)
    } else {
        let ranges = "bytes".to_owned();
        Played::Whole(body, media_type, Some(bytes), ranges, etag, None, cache, nosniff)
    })
}

/// Parses `bytes=0-99`, `bytes=100-` or `bytes=-100`; `None` for anything else, which a server may ignore.
fn storage_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u64>().ok())?;
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => number(last).map(ByteRange::Last),
        (false, true) => Some(ByteRange::From { start: number(first)?, end: None }),
        (false, false) => {
            let (start, end) = (number(first)?, number(last)?);
            (start <= end).then_some(ByteRange::From { start, end: Some(end) })
        }
    }
}

fn is_beyond(range: ByteRange, total: u64) -> bool {
    match range {
        ByteRange::From { start, .. } => start >= total,
        ByteRange::Last(count) => count == 0,
    }
}

fn storage_problem(error: &StorageError) -> Problem {
    if error.is_not_found() {
        return Problem::new(ProblemCode::NotFound, "the copy of the recording was deleted");
    }
    tracing::warn!(error = %error, "cannot read a copy of a recording");
    Problem::new(ProblemCode::UpstreamUnavailable, "the storage does not return the recording")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_servers_read_them() {
        let from = |start, end| Some(ByteRange::From { start, end });
        for (text, range) in [
            ("bytes=0-99", from(0, Some(99))),
            ("bytes=100-", from(100, None)),
            ("bytes=-100", Some(ByteRange::Last(100))),
            ("bytes=9-5", None),
            ("bytes=-", None),
            ("bytes=0-1,4-5", None),
            ("items=0-1", None),
            ("bytes=99999999999999999999-", None),
        ] {
            assert_eq!(storage_range(text), range, "{text}");
        }
        assert!(is_beyond(ByteRange::From { start: 10, end: None }, 10));
        assert!(!is_beyond(ByteRange::From { start: 9, end: None }, 10));
    }
}
