//! Content codings that were not requested.

use async_compression::tokio::write::{BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use flysk_clients::outbound::{ByteRange, DownloadLimits, OutboundError, Partial, StreamLimits};
use futures::StreamExt as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::outbound_addresses::{opened_for, try_download};
use crate::server::{Reply, Server};

fn recording() -> Vec<u8> {
    (0..60_000_u32).flat_map(|at| (at * at % 977).to_le_bytes()).collect()
}

async fn encode<E: AsyncWrite + Unpin>(
    mut encoder: E,
    bytes: &[u8],
    end: impl FnOnce(E) -> Vec<u8>,
) -> Vec<u8> {
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    end(encoder)
}

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    encode(GzipEncoder::new(Vec::new()), bytes, GzipEncoder::into_inner).await
}

#[tokio::test]
async fn an_unrequested_coding_is_decoded() {
    let plain = recording();
    let zlib = encode(ZlibEncoder::new(Vec::new()), &plain, ZlibEncoder::into_inner).await;
    let deflate = encode(DeflateEncoder::new(Vec::new()), &plain, DeflateEncoder::into_inner).await;
    let brotli = encode(BrotliEncoder::new(Vec::new()), &plain, BrotliEncoder::into_inner).await;
    let zstd = encode(ZstdEncoder::new(Vec::new()), &plain, ZstdEncoder::into_inner).await;
    let members = [gzip(&plain[..100_000]).await, gzip(&plain[100_000..]).await].concat();
    for (coding, body) in [
        ("gzip", gzip(&plain).await),
        ("x-gzip", gzip(&plain).await),
        ("gzip", members),
        ("deflate", zlib),
        ("deflate", deflate),
        ("br", brotli),
        ("zstd", zstd),
        // Codings that are declared but not applied, and unknown names.
        ("gzip", plain.clone()),
        ("utf-8", plain.clone()),
        ("identity", plain.clone()),
    ] {
        let server = Server::always(Reply::new(200, &[("Content-Encoding", coding)], &body)).await;
        let got = try_download(&opened_for(&server), &server.url("/r.wav")).await.unwrap();
        assert!(got == plain, "{coding}: {} bytes", got.len());
        assert_eq!(server.only_request().header("accept-encoding"), Some("identity"));
    }
}

/// The size limit applies to decoded bytes.
#[tokio::test]
async fn the_limit_of_bytes_counts_after_decoding() {
    let bomb = gzip(&vec![0; 3_000_000]).await;
    assert!(bomb.len() < 10_000);
    let limits = DownloadLimits { max_bytes: 1_000_000, ..DownloadLimits::default() };
    let server = Server::always(Reply::new(200, &[("Content-Encoding", "gzip")], bomb.clone())).await;
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().unwrap());
    let outbound = opened_for(&server);
    let url = server.url("/r.wav");
    let error = outbound.download(&url, &mut file, &limits, &mut Partial::default()).await.unwrap_err();
    assert!(matches!(error, OutboundError::TooLarge { limit: 1_000_000 }), "{error:?}");
    assert!(file.metadata().await.unwrap().len() <= 1_000_000);
    // Bytes between two codings would not be counted.
    let twice = gzip(&bomb).await;
    let server = Server::always(Reply::new(200, &[("Content-Encoding", "gzip, gzip")], &twice)).await;
    let error = try_download(&opened_for(&server), &server.url("/r.wav")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Coding), "{error:?}");
}

/// Length and `ETag` of coded bytes do not apply to the file, so a cut download restarts.
#[tokio::test]
async fn an_interrupted_coded_download_restarts_from_the_beginning() {
    let plain = recording();
    let coded = gzip(&plain).await;
    let headers = [("Content-Encoding", "gzip"), ("ETag", "\"v1\"")];
    let (whole, half) =
        (Reply::new(200, &headers, &coded), Reply::cut(200, &headers, &coded, coded.len() / 2));
    let server = Server::start(move |_, nth| if nth == 0 { half.clone() } else { whole.clone() }).await;
    let got = try_download(&opened_for(&server), &server.url("/r.wav")).await.unwrap();
    assert!(got == plain);
    assert!(server.requests().iter().all(|request| request.header("range").is_none()));
}

#[tokio::test]
async fn a_damaged_coding_is_reported() {
    let mut coded = gzip(&recording()).await;
    let middle = coded.len() / 2;
    coded[middle..middle + 200].fill(0xff);
    let server = Server::always(Reply::new(200, &[("Content-Encoding", "gzip")], coded)).await;
    let error = try_download(&opened_for(&server), &server.url("/r.wav")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Coding), "{error:?}");
}

/// A stream returns decoded bytes without length and `ETag` of the coded ones. A range of coded bytes is replaced by the
/// whole file.
#[tokio::test]
async fn the_player_gets_the_decoded_file() {
    let minute = std::time::Duration::from_mins(1);
    let limits = StreamLimits { head: minute, idle: minute, total: minute, max_bytes: 1_000_000 };
    let plain = recording();
    let coded = gzip(&plain).await;
    let server = Server::start(move |request, _| {
        let headers = [("Content-Encoding", "gzip"), ("ETag", "\"v1\""), ("Content-Range", "bytes 9-/*")];
        match request.header("range") {
            Some(_) => Reply::new(206, &headers, &coded[9..]),
            None => Reply::new(200, &headers[..2], &coded),
        }
    })
    .await;
    let range = ByteRange::parse("bytes=9-");
    let stream = opened_for(&server).stream(&server.url("/r.wav"), range.as_ref(), &limits).await.unwrap();
    assert_eq!((stream.status, stream.content_length, stream.etag), (200, None, None));
    let got: Vec<u8> = stream.body.map(|piece| piece.unwrap()).collect::<Vec<_>>().await.concat();
    assert!(got == plain);
}

/// Windows larger than RFC 7932 and RFC 9659 allow would use a gigabyte for a few bytes, so they are refused at once.
#[tokio::test]
async fn oversized_compression_windows_are_rejected() {
    let server = Server::always(Reply::new(200, &[("Content-Encoding", "br")], [0x11, 0x1e, 0, 0])).await;
    let error = try_download(&opened_for(&server), &server.url("/r.wav")).await.unwrap_err();
    assert!(matches!(error, OutboundError::Coding), "{error:?}");
}
