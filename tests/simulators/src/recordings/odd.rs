//! Responses of hosts that are not ready, require authentication, or send unrequested encodings.

use std::io;

use async_compression::tokio::bufread::GzipEncoder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, IntoResponse, Request, Response, ResponseBuilder};
use tokio_util::io::ReaderStream;

use super::{Behaviour, LOGIN_PAGE};

const COOKIE: &str = "pbx_session=42";

/// Redirects and rejections before the file; `None` if the request may proceed.
pub(super) fn at_the_door(request: &Request, behaviour: &Behaviour) -> Option<Response> {
    if let Some(login) = &behaviour.login {
        let wanted = format!("Basic {}", STANDARD.encode(login));
        if request.header(header::AUTHORIZATION) != Some(wanted.as_str()) {
            let asks = Response::builder().status(StatusCode::UNAUTHORIZED);
            return Some(asks.header(header::WWW_AUTHENTICATE, "Basic realm=\"records\"").finish());
        }
    }
    if behaviour.cookie && request.header(header::COOKIE) != Some(COOKIE) {
        let same = request.uri().to_string();
        let found = Response::builder().status(StatusCode::FOUND).header(header::LOCATION, same);
        return Some(found.header(header::SET_COOKIE, format!("{COOKIE}; Path=/; HttpOnly")).finish());
    }
    if behaviour.raw_location {
        let raw = HeaderValue::from_bytes(format!("/записи{}", request.uri().path()).as_bytes()).ok()?;
        return Some(Response::builder().status(StatusCode::FOUND).header(header::LOCATION, raw).finish());
    }
    None
}

/// Response while the file is absent or incomplete.
pub(super) fn absent(shape: Option<&str>, content: &[u8]) -> Response {
    let ok = |media_type: &str, body: &'static str| Response::builder().content_type(media_type).body(body);
    match shape {
        None => StatusCode::NOT_FOUND.into_response(),
        Some("empty") => ok("audio/mpeg", ""),
        Some("json") => ok("application/json", "{\"status\": \"processing\"}"),
        Some("page") => ok("text/html; charset=utf-8", LOGIN_PAGE),
        Some("third") => {
            let third = content[..content.len() / 3].to_vec();
            Response::builder().content_type("audio/mpeg").body(third)
        }
        Some(status) => {
            let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            status.unwrap_or(StatusCode::NOT_IMPLEMENTED).into_response()
        }
    }
}

/// The file as an object stored with gzip encoding.
pub(super) fn gzipped(response: ResponseBuilder, content: &Bytes) -> Response {
    let coded = ReaderStream::new(GzipEncoder::new(io::Cursor::new(content.clone())));
    response.header(header::CONTENT_ENCODING, "gzip").body(Body::from_bytes_stream(coded))
}
