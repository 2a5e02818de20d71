//! A caller's body on its way to amoCRM: in full if it is short, else piece by piece.
//!
//! amoCRM may refuse the token, and then a request is repeated, which takes its body. So the beginning of a body is
//! kept before anything is sent: one that ends within [`KEPT`] can be sent again, a longer one passes through once.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use flysk_clients::amocrm::Payload;
use futures::stream::{self, BoxStream, StreamExt as _};
use poem::http::{HeaderMap, header};
use poem::{Body, Request};

use crate::problem::{Problem, ProblemCode};

/// How much of a body is held in memory: amoCRM's batches of 250 are seldom longer.
const KEPT: usize = 64 << 10;

type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// What the caller sends.
pub(super) struct Upload {
    body: State,
    fault: Arc<OnceLock<Fault>>,
    limit: u64,
}

enum State {
    Kept(Bytes),
    Passing { begun: Vec<Bytes>, rest: Pieces, length: Option<u64> },
    Gone,
}

/// Why a body did not come whole.
#[derive(Debug, Clone, Copy)]
enum Fault {
    TooLong,
    Silent,
    BrokenOff,
}

impl Upload {
    /// Takes the body of a request in hand, and reads its beginning. A caller may be silent for `patience`.
    pub(super) async fn begin(
        request: &Request,
        body: Body,
        limit: u64,
        patience: Duration,
    ) -> Result<Self, Problem> {
        let length = told_length(request.headers());
        if length.is_some_and(|length| length > limit) {
            return Err(too_long(limit));
        }
        let fault = Arc::default();
        let mut rest = guarded(body.into_bytes_stream().boxed(), limit, patience, Arc::clone(&fault));
        let (mut begun, mut kept) = (Vec::new(), 0);
        while kept <= KEPT {
            match rest.next().await {
                Some(Ok(piece)) => {
                    kept += piece.len();
                    begun.push(piece);
                }
                Some(Err(_)) => return Err(told(fault.get().copied(), limit)),
                None => return Ok(Self { body: State::Kept(begun.concat().into()), fault, limit }),
            }
        }
        Ok(Self { body: State::Passing { begun, rest, length }, fault, limit })
    }

    /// The token has to live until the last piece arrived, since amoCRM may look at it only then.
    pub(super) fn takes_long(&self) -> bool {
        !matches!(self.body, State::Kept(_))
    }

    /// It has passed by and cannot be sent again.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.body, State::Gone)
    }

    /// The body for one request; nothing of one that is gone.
    pub(super) fn payload(&mut self) -> Payload {
        match std::mem::replace(&mut self.body, State::Gone) {
            State::Kept(body) => {
                self.body = State::Kept(body.clone());
                Payload::Whole(body)
            }
            State::Passing { begun, rest, length } => {
                let pieces = stream::iter(begun.into_iter().map(Ok)).chain(rest).boxed();
                Payload::Arriving { pieces, length }
            }
            State::Gone => Payload::Whole(Bytes::new()),
        }
    }

    /// What the caller's side did wrong, if a request failed by it: amoCRM has not had the whole, so it did nothing.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.fault.get().map(|fault| told(Some(*fault), self.limit))
    }
}

/// `Content-Length`, unless a transfer coding overrules it (RFC 9112, 6.3).
fn told_length(headers: &HeaderMap) -> Option<u64> {
    let coded = headers.contains_key(header::TRANSFER_ENCODING);
    headers.get(header::CONTENT_LENGTH).filter(|_| !coded)?.to_str().ok()?.parse().ok()
}

/// The same pieces, which end with an error after `limit` bytes or when the caller is silent, and `fault` says why.
fn guarded(pieces: Pieces, limit: u64, patience: Duration, fault: Arc<OnceLock<Fault>>) -> Pieces {
    stream::unfold(Some((pieces, limit)), move |state| {
        let fault = Arc::clone(&fault);
        async move {
            let (mut pieces, left) = state?;
            // Asked for only when there is room for it: this is the caller's silence and nobody else's.
            let why = match tokio::time::timeout(patience, pieces.next()).await {
                Err(_) => Fault::Silent,
                Ok(None) => return None,
                Ok(Some(Err(_))) => Fault::BrokenOff,
                Ok(Some(Ok(piece))) => match left.checked_sub(piece.len() as u64) {
                    Some(left) => return Some((Ok(piece), Some((pieces, left)))),
                    None => Fault::TooLong,
                },
            };
            let _ = fault.set(why);
            Some((Err(io::Error::other("the body did not come whole")), None))
        }
    })
    .boxed()
}

fn told(fault: Option<Fault>, limit: u64) -> Problem {
    match fault {
        Some(Fault::TooLong) => too_long(limit),
        Some(Fault::Silent) => Problem::new(ProblemCode::BadRequest, "the body stopped coming"),
        Some(Fault::BrokenOff) | None => Problem::new(ProblemCode::BadRequest, "the body broke off"),
    }
}

fn too_long(limit: u64) -> Problem {
    Problem::new(ProblemCode::TooLarge, format!("a body of at most {limit} bytes is passed on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(100);

    fn chunked(pieces: impl IntoIterator<Item = Bytes, IntoIter: Send + 'static>) -> Body {
        Body::from_bytes_stream(stream::iter(pieces.into_iter().map(Ok::<_, io::Error>)))
    }

    async fn begin(body: Body, limit: u64) -> Result<Upload, Problem> {
        Upload::begin(&Request::default(), body, limit, PATIENCE).await
    }

    #[tokio::test]
    async fn a_short_body_can_be_sent_again_and_a_long_one_once() {
        for length in [0, 1, KEPT] {
            let mut upload = begin(Body::from(vec![7; length]), 1 << 20).await.unwrap();
            for _ in 0..2 {
                assert!(matches!(upload.payload(), Payload::Whole(body) if body.len() == length));
                assert!(!upload.is_gone());
            }
        }
        let mut upload = begin(Body::from(vec![7; KEPT + 1]), 1 << 20).await.unwrap();
        assert!(upload.takes_long() && !upload.is_gone());
        assert!(matches!(upload.payload(), Payload::Arriving { .. }) && upload.is_gone());
    }

    #[tokio::test]
    async fn all_pieces_of_a_long_body_come_in_order() {
        let whole: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let body = chunked(whole.chunks(7_000).map(Bytes::copy_from_slice).collect::<Vec<_>>());
        let mut upload = begin(body, 1 << 20).await.unwrap();
        let Payload::Arriving { pieces, length: None } = upload.payload() else { panic!("it is short") };
        let pieces: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
        assert_eq!(pieces.concat(), whole);
    }

    #[tokio::test]
    async fn a_body_that_turns_out_too_long_ends_with_an_error() {
        let mut upload = begin(chunked((0..3).map(|_| vec![7; KEPT].into())), 150_000).await.unwrap();
        let Payload::Arriving { pieces, .. } = upload.payload() else { panic!("it is short") };
        assert!(pieces.collect::<Vec<_>>().await.last().unwrap().is_err());
        assert_eq!(upload.problem().unwrap().problem_code(), ProblemCode::TooLarge);
        let told = Request::builder().header("content-length", "11").finish();
        let refused = Upload::begin(&told, Body::empty(), 10, PATIENCE).await.err().unwrap();
        assert_eq!(refused.problem_code(), ProblemCode::TooLarge);
    }

    #[tokio::test]
    async fn a_caller_who_stops_sending_is_not_waited_for() {
        let silent = Body::from_bytes_stream(stream::pending::<io::Result<Bytes>>());
        let refused = begin(silent, 1 << 20).await.err().unwrap();
        assert_eq!(refused.problem_code(), ProblemCode::BadRequest);
    }
}
