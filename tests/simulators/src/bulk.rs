//! Bodies of any size that are streamed, counted and not stored.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::StatusCode;
use poem::{Body, Response};

/// Chunk size of a flood, bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// Counters of streamed bodies. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Bulk(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    open: AtomicUsize,
    broken: AtomicUsize,
}

/// A body in transfer; counted as finished on drop.
struct Passage(Bulk);

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Bulk {
    /// Bytes received and sent so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::SeqCst)
    }

    /// Bodies in transfer.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Bodies that ended early.
    pub fn broken(&self) -> usize {
        self.0.broken.load(Ordering::SeqCst)
    }

    fn begin(&self) -> Passage {
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Passage(self.clone())
    }

    fn count(&self, piece: &Bytes) {
        self.0.bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
    }

    /// Reads a body to its end and responds with its size in bytes.
    pub(crate) async fn drain(&self, body: Body) -> Response {
        let _passage = self.begin();
        let mut pieces = Box::pin(body.into_bytes_stream());
        let mut length = 0_u64;
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else {
                self.0.broken.fetch_add(1, Ordering::SeqCst);
                return StatusCode::BAD_REQUEST.into();
            };
            length += piece.len() as u64;
            self.count(&piece);
        }
        Response::builder().content_type("application/json").body(format!("{{\"bytes\":{length}}}"))
    }

    /// Never reads the body and never responds.
    pub(crate) async fn ignore(&self, body: Body) -> Response {
        let _passage = self.begin();
        let _body = body;
        std::future::pending().await
    }

    /// Sends `bytes` bytes as fast as the client reads them.
    pub(crate) fn flood(&self, bytes: u64) -> Response {
        let begin = (self.begin(), bytes);
        let pieces = stream::unfold(begin, |(passage, left)| async move {
            let length = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let piece = (length > 0).then(|| Bytes::from_static(&[b'.'; CHUNK_BYTES]).slice(..length))?;
            passage.0.count(&piece);
            Some((Ok::<_, io::Error>(piece), (passage, left - length as u64)))
        });
        Response::builder().content_type("application/octet-stream").body(Body::from_bytes_stream(pieces))
    }
}
