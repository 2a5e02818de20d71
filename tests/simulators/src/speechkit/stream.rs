//! Body of a result stream: JSON objects in chunks that end inside objects and inside UTF-8 characters.

use std::io;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use poem::{Body, Response};
use serde_json::Value;

use super::behaviour::StreamBreak;
use crate::yandex::Status;

/// Chunk size, bytes; odd, so that chunks end inside Russian letters.
const CHUNK_LEN: usize = 997;

/// Responds with the events, broken as `stream_break` specifies.
pub(super) fn respond(mut events: Vec<Value>, pretty: bool, stream_break: Option<StreamBreak>) -> Response {
    let mut torn = false;
    if let Some(stream_break) = stream_break.filter(|it| it.after_events < events.len()) {
        torn = stream_break.code.is_none();
        events.truncate(stream_break.after_events + usize::from(torn));
        events.extend(
            stream_break.code.map(|code| Status::new(code, "recognition stream is broken").wrapped()),
        );
    }
    let mut text = printed(&events, pretty).into_bytes();
    let mut response = Response::builder().content_type("application/json");
    if torn {
        // `Content-Length` covers the whole body, so that the early end is an error. A failing chunked body would
        // be closed as if it were complete.
        response = response.header(CONTENT_LENGTH, text.len());
        let last = printed(events.last().map_or(&[], std::slice::from_ref), pretty).len();
        text.truncate(text.len() - last / 2);
    }
    let pieces = Bytes::from(text);
    let count = pieces.len().div_ceil(CHUNK_LEN);
    let stream = (0..count).map(move |piece| {
        Ok::<_, io::Error>(pieces.slice(piece * CHUNK_LEN..pieces.len().min((piece + 1) * CHUNK_LEN)))
    });
    response.body(Body::from_bytes_stream(futures::stream::iter(stream)))
}

/// Pretty-printed, or in one line separated by blanks.
fn printed(events: &[Value], pretty: bool) -> String {
    let text = |event: &Value| if pretty { format!("{event:#}") } else { event.to_string() };
    events.iter().map(text).collect::<Vec<_>>().join(if pretty { "\n" } else { " " })
}
