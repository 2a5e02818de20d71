//! Responses that are shorter or longer than declared.

use std::time::Duration;

use flysk_clients::outbound::{DownloadLimits, Downloaded, OutboundError, Partial};

use crate::outbound_addresses::opened_for;
use crate::server::{Reply, Request, Server};

fn recording() -> Vec<u8> {
    (0..200).collect()
}

async fn download(server: &Server) -> Result<(Downloaded, Vec<u8>), OutboundError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut target = tokio::fs::File::from_std(file.reopen().unwrap());
    let (limits, mut partial) = (DownloadLimits::default(), Partial::default());
    let done = opened_for(server).download(&server.url("/r.wav"), &mut target, &limits, &mut partial).await?;
    Ok((done, std::fs::read(file.path()).unwrap()))
}

/// A response that declares `promised` bytes and contains these.
fn promising(promised: usize, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut padded = body.to_vec();
    padded.resize(promised, 0);
    Reply::cut(status, headers, padded, body.len())
}

fn asked_from(request: &Request) -> Option<usize> {
    request.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

#[tokio::test]
async fn a_download_that_ends_twice_at_the_same_byte_is_complete() {
    let server = Server::always(promising(1200, 200, &[], &recording())).await;
    let (done, content) = download(&server).await.unwrap();
    assert_eq!((done.bytes, done.is_short, content), (200, true, recording()));
    assert_eq!(server.requests().len(), 3);
}

/// Hosts with range support confirm the end of the file with an empty rest, or with the length of the file.
#[tokio::test]
async fn a_range_response_can_confirm_the_end_of_the_file() {
    let empty_rest = Server::start(|request, _| match asked_from(request) {
        None => promising(1200, 200, &[("ETag", "\"v1\"")], &recording()),
        Some(_) => promising(1000, 206, &[("Content-Range", "bytes 200-1199/1200")], b""),
    })
    .await;
    let (done, content) = download(&empty_rest).await.unwrap();
    assert_eq!((done.bytes, done.is_short, content), (200, true, recording()));

    let told = Server::start(|request, _| match asked_from(request) {
        None => promising(1200, 200, &[("ETag", "\"v1\"")], &recording()),
        Some(_) => Reply::new(416, &[("Content-Range", "bytes */200")], ""),
    })
    .await;
    let (done, content) = download(&told).await.unwrap();
    assert_eq!((done.bytes, done.is_short, content), (200, false, recording()));
    assert_eq!(told.requests().len(), 2);
}

#[tokio::test]
async fn a_chunked_response_that_always_ends_early_is_accepted() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nC8\r\n".to_vec();
    bytes.extend(recording());
    bytes.extend(b"\r\nC8\r\n");
    let server = Server::always(Reply::Bytes(bytes)).await;
    let (done, content) = download(&server).await.unwrap();
    assert_eq!((done.bytes, done.is_short, content), (200, true, recording()));
}

/// A host that declares more bytes and keeps the connection open: each attempt stalls, and the third accepts the file.
/// Ends are counted across attempts.
#[tokio::test]
async fn a_download_that_hangs_repeatedly_at_the_same_byte_is_complete() {
    let server = Server::always(promising(1200, 200, &[], &recording()).then_silence()).await;
    // Long enough for a busy machine to read the part before the silence.
    let limits = DownloadLimits { idle: Duration::from_secs(1), ..DownloadLimits::default() };
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().unwrap());
    let outbound = opened_for(&server);
    let mut memo = None;
    for attempt in 1..=3 {
        let mut partial = memo.map_or_else(Partial::default, |memo| Partial::from_saved(&memo, 200));
        let done = outbound.download(&server.url("/r.wav"), &mut file, &limits, &mut partial).await;
        if attempt < 3 {
            assert!(matches!(done, Err(OutboundError::TimedOut)), "{done:?}");
        } else {
            assert!(matches!(done, Ok(Downloaded { bytes: 200, is_short: true, .. })), "{done:?}");
        }
        memo = partial.resume_token();
    }
}

/// A host that becomes unreachable after a part of the file has not reached the end of the file.
#[tokio::test]
async fn connections_that_break_before_a_response_do_not_confirm_an_end() {
    let server = Server::start(|_, nth| match nth {
        0 => promising(1200, 200, &[("ETag", "\"v1\"")], &recording()),
        _ => Reply::nothing(),
    })
    .await;
    let error = download(&server).await.unwrap_err();
    assert!(matches!(error, OutboundError::Cut { times: 6, .. }), "{error:?}");
}

#[tokio::test]
async fn ends_at_different_bytes_or_without_bytes_are_broken_connections() {
    let growing = Server::start(|_, nth| promising(1200, 200, &[], &recording()[..100 + nth])).await;
    let error = download(&growing).await.unwrap_err();
    assert!(matches!(error, OutboundError::Cut { times: 6, .. }), "{error:?}");
    let nothing = Server::always(promising(1200, 200, &[], b"")).await;
    let error = download(&nothing).await.unwrap_err();
    assert!(matches!(error, OutboundError::Cut { times: 6, .. }), "{error:?}");
}

/// Bytes after the declared length are ignored; only the length of the call shows that the file is incomplete.
#[tokio::test]
async fn bytes_beyond_the_promised_length_are_not_read() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n".to_vec();
    bytes.extend(recording());
    let server = Server::always(Reply::Bytes(bytes)).await;
    let (done, content) = download(&server).await.unwrap();
    assert_eq!((done.is_short, content), (false, recording()[..50].to_vec()));
}
