//! Streams of recordings from servers that are slow, endless or forbidden.

use std::io::ErrorKind;
use std::time::Duration;

use flysk_clients::outbound::{ByteRange, FileStream, OutboundError, StreamLimits};
use futures::StreamExt as _;

use crate::outbound_addresses::{closed, opened_for};
use crate::server::{Reply, Server};

const LIMITS: StreamLimits = StreamLimits {
    head: Duration::from_mins(1),
    idle: Duration::from_mins(1),
    total: Duration::from_mins(1),
    max_bytes: 1000,
};

async fn open(server: &Server, limits: &StreamLimits) -> Result<FileStream, OutboundError> {
    let range = ByteRange::parse("bytes=10-");
    opened_for(server).stream(&server.url("/r.mp3?sign=s3cr3t"), range.as_ref(), limits).await
}

/// The received bytes and the error, if any.
async fn read(stream: FileStream) -> (Vec<u8>, Option<ErrorKind>) {
    let (mut body, mut got) = (stream.body, Vec::new());
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => got.extend_from_slice(&piece),
            Err(error) => {
                assert!(!error.to_string().contains("s3cr3t"), "{error}");
                return (got, Some(error.kind()));
            }
        }
    }
    (got, None)
}

#[tokio::test]
async fn a_range_request_and_its_response_are_passed_through() {
    let headers = [("Content-Range", "bytes 10-14/200"), ("ETag", "\"v1\""), ("Content-Type", "audio/mpeg")];
    let server = Server::always(Reply::new(206, &headers, "bytes")).await;
    let stream = open(&server, &LIMITS).await.unwrap();
    assert_eq!((stream.status, stream.content_length), (206, Some(5)));
    assert_eq!(stream.content_range.as_deref(), Some("bytes 10-14/200"));
    assert_eq!(
        (stream.etag.as_deref(), stream.content_type.as_deref()),
        (Some("\"v1\""), Some("audio/mpeg"))
    );
    assert_eq!(read(stream).await, (b"bytes".to_vec(), None));
    assert_eq!(server.only_request().header("range"), Some("bytes=10-"));
}

#[tokio::test]
async fn redirects_are_followed_but_not_to_local_addresses() {
    let home = Reply::new(302, &[("Location", "http://169.254.169.254/latest/meta-data/")], "");
    let server = Server::always(home).await;
    let error = open(&server, &LIMITS).await.unwrap_err();
    assert!(matches!(error, OutboundError::ForbiddenAddress), "{error:?}");
    let error = closed().stream(&server.url("/r.mp3"), None, &LIMITS).await.unwrap_err();
    assert!(matches!(error, OutboundError::ForbiddenAddress), "{error:?}");
}

#[tokio::test]
async fn a_stream_over_the_size_limit_is_cut_off() {
    let announced = Server::always(Reply::new(200, &[], vec![7; 1001])).await;
    let error = open(&announced, &LIMITS).await.unwrap_err();
    assert!(matches!(error, OutboundError::TooLarge { limit: 1000 }), "{error:?}");
    let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    endless.extend([7; 1001]);
    let unannounced = Server::always(Reply::Hang(endless)).await;
    let (got, ended) = read(open(&unannounced, &LIMITS).await.unwrap()).await;
    assert!(got.len() <= 1000 && ended.is_some());
}

#[tokio::test]
async fn hanging_and_slow_streams_time_out() {
    let soon = Duration::from_millis(50);
    let silent = Server::always(Reply::nothing().then_silence()).await;
    let error = open(&silent, &StreamLimits { head: soon, ..LIMITS }).await.unwrap_err();
    assert!(matches!(error, OutboundError::TimedOut), "{error:?}");
    // Long enough for a busy machine to read the part before the silence.
    let soon = Duration::from_secs(1);
    let stalled = Server::always(Reply::cut(200, &[], [7; 200], 100).then_silence()).await;
    for limits in [StreamLimits { idle: soon, ..LIMITS }, StreamLimits { total: soon * 2, ..LIMITS }] {
        let (got, ended) = read(open(&stalled, &limits).await.unwrap()).await;
        assert_eq!((got.len(), ended), (100, Some(ErrorKind::TimedOut)));
    }
}
