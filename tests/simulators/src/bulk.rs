//! Bodies of any size: taken or given as they come, kept nowhere, and counted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::StatusCode;
use poem::{Body, Response};

/// How much a flood gives at a time, bytes.
const PIECE: usize = 16 * 1024;

/// Counts what passed in bodies that are kept nowhere. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Bulk(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    open: AtomicUsize,
    broken: AtomicUsize,
}

/// One body under way; it is over when this is dropped.
struct Passage(Bulk);

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Bulk {
    /// Bytes taken and given so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::SeqCst)
    }

    /// Bodies under way.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Bodies that did not come whole.
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

    /// Takes a body to its end and answers how many bytes it had.
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

    /// Leaves a body where it is, for ever.
    pub(crate) async fn ignore(&self, body: Body) -> Response {
        let _passage = self.begin();
        let _body = body;
        std::future::pending().await
    }

    /// Gives so many bytes, as fast as they are taken.
    pub(crate) fn flood(&self, bytes: u64) -> Response {
        let begin = (self.begin(), bytes);
        let pieces = stream::unfold(begin, |(passage, left)| async move {
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = (length > 0).then(|| Bytes::from_static(&[b'.'; PIECE]).slice(..length))?;
            passage.0.count(&piece);
            Some((Ok::<_, io::Error>(piece), (passage, left - length as u64)))
        });
        Response::builder().content_type("application/octet-stream").body(Body::from_bytes_stream(pieces))
    }
}
