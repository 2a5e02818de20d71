//! Request bodies of the gateway: short ones are buffered, longer ones are streamed.
//!
//! If amoCRM rejects the token, the request is repeated with its body. So the beginning of a body is buffered before anything
//! is sent: a body that ends within [`MAX_BUFFERED_LEN`] can be sent again, a longer one is streamed once.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use flysk_clients::amocrm::ProxyPayload;
use futures::stream::{self, BoxStream, StreamExt as _};
use poem::http::{HeaderMap, header};
use poem::{Body, Request};

use crate::problem::{Problem, ProblemCode};

/// Maximum length of a buffered body, in bytes. amoCRM's batches of 250 items are rarely longer.
const MAX_BUFFERED_LEN: usize = 64 << 10;

type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// The body of a request to amoCRM.
pub(super) struct ProxyBody {
    body: State,
    fault: Arc<OnceLock<BodyFault>>,
    limit: u64,
}

enum State {
    Buffered(Bytes),
    Streaming { head: Vec<Bytes>, rest: Pieces, length: Option<u64> },
    Consumed,
}

/// Why a body was not received completely.
#[derive(Debug, Clone, Copy)]
enum BodyFault {
    TooLong,
    Stalled,
    Truncated,
}

impl ProxyBody {
    /// Reads the beginning of a request's body. Fails if the caller sends nothing for `stall_timeout`.
    pub(super) async fn read(
        request: &Request,
        body: Body,
        limit: u64,
        stall_timeout: Duration,
    ) -> Result<Self, Problem> {
        let length = content_length(request.headers());
        if length.is_some_and(|length| length > limit) {
            return Err(too_long(limit));
        }
        let fault = Arc::default();
        let mut rest =
            limit_and_time_out(body.into_bytes_stream().boxed(), limit, stall_timeout, Arc::clone(&fault));
        let (mut head, mut buffered) = (Vec::new(), 0);
        while buffered <= MAX_BUFFERED_LEN {
            match rest.next().await {
                Some(Ok(piece)) => {
                    buffered += piece.len();
                    head.push(piece);
                }
                Some(Err(_)) => return Err(body_problem(fault.get().copied(), limit)),
                None => return Ok(Self { body: State::Buffered(head.concat().into()), fault, limit }),
            }
        }
        Ok(Self { body: State::Streaming { head, rest, length }, fault, limit })
    }

    /// The body is streamed. The token must be valid until the last chunk has arrived, because amoCRM may check it only then.
    pub(super) fn is_streamed(&self) -> bool {
        !matches!(self.body, State::Buffered(_))
    }

    /// The body was streamed and cannot be sent again.
    pub(super) fn is_consumed(&self) -> bool {
        matches!(self.body, State::Consumed)
    }

    /// The body for one request; empty once it is consumed.
    pub(super) fn payload(&mut self) -> ProxyPayload {
        match std::mem::replace(&mut self.body, State::Consumed) {
            State::Buffered(body) => {
                self.body = State::Buffered(body.clone());
                ProxyPayload::Buffered(body)
            }
            State::Streaming { head, rest, length } => {
                let pieces = stream::iter(head.into_iter().map(Ok)).chain(rest).boxed();
                ProxyPayload::Streaming { pieces, length }
            }
            State::Consumed => ProxyPayload::Buffered(Bytes::new()),
        }
    }

    /// The problem with the caller's body, if a request failed because of it. amoCRM received an incomplete request and did not
    /// execute it.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.fault.get().map(|fault| body_problem(Some(*fault), self.limit))
    }
}

/// `Content-Length`, unless a transfer coding overrides it (RFC 9112, 6.3).
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let coded = headers.contains_key(header::TRANSFER_ENCODING);
    headers.get(header::CONTENT_LENGTH).filter(|_| !coded)?.to_str().ok()?.parse().ok()
}

/// The same chunks. The stream ends with an error after `limit` bytes, or when the caller sends nothing for `stall_timeout`;
/// `fault` then contains the reason.
fn limit_and_time_out(
    pieces: Pieces,
    limit: u64,
    stall_timeout: Duration,
    fault: Arc<OnceLock<BodyFault>>,
) -> Pieces {
    stream::unfold(Some((pieces, limit)), move |state| {
        let fault = Arc::clone(&fault);
        async move {
            let (mut pieces, left) = state?;
            // The stream is polled only when amoCRM accepts more data, so a timeout is always the caller's.
            let why = match tokio::time::timeout(stall_timeout, pieces.next()).await {
                Err(_) => BodyFault::Stalled,
                Ok(None) => return None,
                Ok(Some(Err(_))) => BodyFault::Truncated,
                Ok(Some(Ok(piece))) => match left.checked_sub(piece.len() as u64) {
                    Some(left) => return Some((Ok(piece), Some((pieces, left)))),
                    None => BodyFault::TooLong,
                },
            };
            let _ = fault.set(why);
            Some((Err(io::Error::other("the body is incomplete")), None))
        }
    })
    .boxed()
}

fn body_problem(fault: Option<BodyFault>, limit: u64) -> Problem {
    match fault {
        Some(BodyFault::TooLong) => too_long(limit),
        Some(BodyFault::Stalled) => Problem::new(ProblemCode::BadRequest, "timeout while reading the body"),
        Some(BodyFault::Truncated) | None => {
            Problem::new(ProblemCode::BadRequest, "the body is incomplete: the connection was closed")
        }
    }
}

fn too_long(limit: u64) -> Problem {
    Problem::new(ProblemCode::TooLarge, format!("the body exceeds the limit of {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL_TIMEOUT: Duration = Duration::from_millis(100);

    fn chunked(pieces: impl IntoIterator<Item = Bytes, IntoIter: Send + 'static>) -> Body {
        Body::from_bytes_stream(stream::iter(pieces.into_iter().map(Ok::<_, io::Error>)))
    }

    async fn read_body(body: Body, limit: u64) -> Result<ProxyBody, Problem> {
        ProxyBody::read(&Request::default(), body, limit, STALL_TIMEOUT).await
    }

    #[tokio::test]
    async fn a_short_body_can_be_sent_again_and_a_long_one_once() {
        for length in [0, 1, MAX_BUFFERED_LEN] {
            let mut proxy_body = read_body(Body::from(vec![7; length]), 1 << 20).await.unwrap();
            for _ in 0..2 {
                assert!(matches!(proxy_body.payload(), ProxyPayload::Buffered(body) if body.len() == length));
                assert!(!proxy_body.is_consumed());
            }
        }
        let mut proxy_body = read_body(Body::from(vec![7; MAX_BUFFERED_LEN + 1]), 1 << 20).await.unwrap();
        assert!(proxy_body.is_streamed() && !proxy_body.is_consumed());
        assert!(matches!(proxy_body.payload(), ProxyPayload::Streaming { .. }) && proxy_body.is_consumed());
    }

    #[tokio::test]
    async fn all_pieces_of_a_long_body_come_in_order() {
        let whole: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let body = chunked(whole.chunks(7_000).map(Bytes::copy_from_slice).collect::<Vec<_>>());
        let mut proxy_body = read_body(body, 1 << 20).await.unwrap();
        let ProxyPayload::Streaming { pieces, length: None } = proxy_body.payload() else {
            panic!("it is short")
        };
        let pieces: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
        assert_eq!(pieces.concat(), whole);
    }

    #[tokio::test]
    async fn a_body_that_turns_out_too_long_ends_with_an_error() {
        let mut proxy_body =
            read_body(chunked((0..3).map(|_| vec![7; MAX_BUFFERED_LEN].into())), 150_000).await.unwrap();
        let ProxyPayload::Streaming { pieces, .. } = proxy_body.payload() else { panic!("it is short") };
        assert!(pieces.collect::<Vec<_>>().await.last().unwrap().is_err());
        assert_eq!(proxy_body.problem().unwrap().problem_code(), ProblemCode::TooLarge);
        let declared = Request::builder().header("content-length", "11").finish();
        let refused = ProxyBody::read(&declared, Body::empty(), 10, STALL_TIMEOUT).await.err().unwrap();
        assert_eq!(refused.problem_code(), ProblemCode::TooLarge);
    }

    #[tokio::test]
    async fn a_caller_who_stops_sending_is_not_waited_for() {
        let silent = Body::from_bytes_stream(stream::pending::<io::Result<Bytes>>());
        let refused = read_body(silent, 1 << 20).await.err().unwrap();
        assert_eq!(refused.problem_code(), ProblemCode::BadRequest);
    }
}
