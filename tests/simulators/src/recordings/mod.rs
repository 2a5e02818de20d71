//! A telephony provider's recording host: serves the files of a directory, correctly or with faults.
//!
//! `GET /<file>` is a correct host with ranges; fields of [`Behaviour`] in the query add faults.
//! [`Recordings::link`] adds a link with any path (`/system/media/talk/1/abc/`). [`Recordings::raw_url`] serves
//! responses that no HTTP library would write.

mod behaviour;
mod odd;
mod range;
mod raw;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use futures::stream::{self, BoxStream, StreamExt};
use poem::http::{StatusCode, header};
use poem::web::{Data, Json};
use poem::{Body, EndpointExt, IntoResponse, Request, Response, Route, get, handler, post};
use serde::{Deserialize, Serialize};

pub use behaviour::Behaviour;
use range::Part;

use crate::Running;
use crate::control::Control;
use crate::index::index;
use crate::lock::locked;
use crate::server;

/// Chunk size of a streamed body, bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// Page that cloud drives and telephony providers return instead of a file when the session has expired.
const LOGIN_PAGE: &str = "<!DOCTYPE html><html><head><title>Вход</title></head><body><form method=\"post\">\
    <input name=\"login\"><input name=\"password\" type=\"password\"></form></body></html>";

/// A URL path that serves a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Path of the URL, beginning with a slash.
    pub path: String,
    /// File name in the directory.
    pub file: String,
    /// How the host serves the file, or fails to.
    #[serde(default)]
    pub behaviour: Behaviour,
}

/// Test handle of the host. Clones share its state.
#[derive(Debug, Clone)]
pub struct Recordings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    links: Mutex<HashMap<String, Link>>,
    /// Requests per URL of files that can be absent: their number, and the time of the first.
    seen: Mutex<HashMap<String, (u32, DateTime<Utc>)>>,
    control: Control,
    raw: SocketAddr,
}

impl Recordings {
    /// Base URL of handwritten responses: `<raw_url>/<file>?<shape>`, see [`raw`].
    pub fn raw_url(&self) -> String {
        format!("http://{}", self.0.raw)
    }

    /// Adds a link, or replaces the one with the same path.
    pub fn link(&self, link: Link) {
        locked(&self.0.links).insert(link.path.clone(), link);
    }

    /// File and behaviour for a request.
    fn find(&self, request: &Request) -> Result<(PathBuf, Behaviour), StatusCode> {
        let link = locked(&self.0.links).get(request.uri().path()).cloned();
        let queried = || request.params::<Behaviour>().map_err(|_| StatusCode::BAD_REQUEST);
        let (file, behaviour) = match link {
            // In the redirects of a link, the query carries the rest of the behaviour.
            Some(link) if request.uri().query().is_some_and(|query| query.contains("redirects=")) => {
                (link.file, queried()?)
            }
            Some(link) => (link.file, link.behaviour),
            None => {
                let name = request.uri().path().rsplit('/').next().unwrap_or_default();
                (name.to_owned(), queried()?)
            }
        };
        let plain = |name: &Path| name.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain(Path::new(&file)) || file.is_empty() {
            return Err(StatusCode::NOT_FOUND);
        }
        Ok((self.0.folder.join(file), behaviour))
    }

    /// Whether the file is absent for this request. Counts the request.
    fn is_late(&self, address: &str, behaviour: &Behaviour) -> bool {
        let now = self.0.control.clock().now();
        let mut seen = locked(&self.0.seen);
        let (times, first) = seen.entry(address.to_owned()).or_insert((0, now));
        *times += 1;
        let waited_ms = (now - *first).num_milliseconds();
        *times <= behaviour.absent_times || waited_ms < i64::try_from(behaviour.absent_ms).unwrap_or(i64::MAX)
    }
}

/// Starts a host for the files in `folder` on `addr` (`None`: a free port of 127.0.0.1).
pub async fn start(
    addr: Option<SocketAddr>,
    folder: impl Into<PathBuf>,
    control: Control,
) -> std::io::Result<Running<Recordings>> {
    let folder = folder.into();
    let raw = raw::Listener::bind(folder.clone()).await?;
    let state = Recordings(Arc::new(Inner {
        folder,
        raw: raw.address,
        links: Mutex::default(),
        seen: Mutex::default(),
        control: control.clone(),
    }));
    let routes = Route::new().at("/*path", get(serve_file).head(serve_file)).data(state.clone());
    let sim_routes = Route::new()
        .at("/", index(include_str!("index.md")))
        .at("/links", post(put_link).data(state.clone()));
    let running = server::serve(server::bind(addr).await?, control, state, routes, sim_routes)?;
    tokio::spawn(running.stopping().run_until_cancelled_owned(raw.serve()));
    Ok(running)
}

#[handler]
fn put_link(Data(recordings): Data<&Recordings>, Json(link): Json<Link>) -> StatusCode {
    recordings.link(link);
    StatusCode::NO_CONTENT
}

#[handler]
async fn serve_file(request: &Request, Data(recordings): Data<&Recordings>) -> Response {
    let (file, mut behaviour) = match recordings.find(request) {
        Ok(found) => found,
        Err(status) => return status.into_response(),
    };
    if behaviour.redirects > 0 {
        behaviour.redirects -= 1;
        // `redirects=0` stays in the query, so that the link's own behaviour does not restart.
        let rest = Behaviour { redirects: 0, ..behaviour.clone() }.to_query();
        let target = format!("{}?redirects={}&{rest}", request.uri().path(), behaviour.redirects);
        return redirect(target.trim_end_matches('&'));
    }
    if let Some(target) = &behaviour.redirect_to {
        return redirect(target);
    }
    if let Some(answer) = odd::at_the_door(request, &behaviour) {
        return answer;
    }
    let late = behaviour.absent_times > 0 || behaviour.absent_ms > 0;
    if late && recordings.is_late(&request.uri().to_string(), &behaviour) {
        let content = tokio::fs::read(&file).await.unwrap_or_default();
        return odd::absent(behaviour.absent_as.as_deref(), &content);
    }
    if behaviour.html {
        return Response::builder().content_type("text/html; charset=utf-8").body(LOGIN_PAGE);
    }
    if behaviour.huge {
        let piece = Bytes::from(vec![0_u8; CHUNK_BYTES]);
        let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
        let pieces = paced(endless.boxed(), behaviour.bytes_per_s);
        return Response::builder().content_type("audio/mpeg").body(Body::from_bytes_stream(pieces));
    }
    // Some telephony providers answer every conditional request with 304, although the client has no copy.
    if request.header(header::IF_NONE_MATCH).is_some() || request.header(header::IF_MODIFIED_SINCE).is_some()
    {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    match tokio::fs::read(&file).await {
        Ok(content) => answer(request, &file, &Bytes::from(content), &behaviour),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

fn redirect(target: &str) -> Response {
    Response::builder().status(StatusCode::FOUND).header(header::LOCATION, target).finish()
}

fn answer(request: &Request, file: &Path, content: &Bytes, behaviour: &Behaviour) -> Response {
    let length = content.len() as u64;
    let asked = request.header(header::RANGE).filter(|_| !behaviour.no_range);
    let content_type = behaviour.content_type.clone().unwrap_or_else(|| type_of(file).to_owned());
    let mut response = Response::builder().content_type(content_type);
    if !behaviour.no_range {
        response = response.header(header::ACCEPT_RANGES, "bytes");
    }
    let (start, end) = match range::part(asked, length) {
        Part::Whole => (0, length),
        Part::Range(start, end) => {
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1));
            (start, end)
        }
        Part::Unsatisfiable => {
            return response
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{length}"))
                .finish();
        }
    };
    if behaviour.gzip {
        return odd::gzipped(response, content);
    }
    if !behaviour.no_length {
        response = response.header(header::CONTENT_LENGTH, end - start + behaviour.excess);
    }
    let cut_at = behaviour.cut_at.filter(|at| start < *at);
    let cut_after = behaviour.cut_after.map(|bytes| start.saturating_add(bytes));
    let cut_at = cut_at.into_iter().chain(cut_after).min().filter(|at| *at < end);
    let sent = slice(content, start, cut_at.unwrap_or(end));
    let pieces: Vec<_> = sent.chunks(CHUNK_BYTES).map(|piece| Ok(sent.slice_ref(piece))).collect();
    let pieces = paced(stream::iter(pieces).boxed(), behaviour.bytes_per_s);
    let is_cut = cut_at.is_some() || behaviour.excess > 0;
    let body = if is_cut { pieces.chain(stream::once(cut())).boxed() } else { pieces };
    response.body(Body::from_bytes_stream(body))
}

fn slice(content: &Bytes, start: u64, end: u64) -> Bytes {
    let index = |at: u64| usize::try_from(at).map_or(content.len(), |at| at.min(content.len()));
    content.slice(index(start)..index(end))
}

/// Fails the body, which closes the connection. The delay lets earlier bytes be sent.
async fn cut() -> std::io::Result<Bytes> {
    tokio::time::sleep(Duration::from_millis(50)).await;
    Err(std::io::ErrorKind::ConnectionReset.into())
}

type Pieces = BoxStream<'static, std::io::Result<Bytes>>;

/// Limits the rate to `bytes_per_s`.
fn paced(pieces: Pieces, bytes_per_s: Option<u64>) -> Pieces {
    let Some(rate) = bytes_per_s else { return pieces };
    // Ten small chunks per second look like a slow connection, unlike rare bursts.
    let step = usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1);
    let smaller = pieces.flat_map(move |piece| {
        let parts: Vec<_> = match piece {
            Ok(piece) => piece.chunks(step).map(|part| Ok(piece.slice_ref(part))).collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(parts)
    });
    smaller
        .then(|part| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            part
        })
        .boxed()
}

fn type_of(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/x-wav",
        Some("ogg" | "opus") => "audio/ogg",
        Some("flac") => "audio/flac",
        Some("m4a") => "audio/mp4",
        Some("html") => "text/html",
        _ => "application/octet-stream",
    }
}
