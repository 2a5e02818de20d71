//! Content codings that nobody asked for: undone as browsers undo them, piece by piece, so that memory stays flat and
//! whoever reads counts the bytes after decoding.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{
    BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use async_compression::zstd::DParameter;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use reqwest::Response;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio_util::io::{ReaderStream, StreamReader};

use super::error::OutboundError;

/// Codings of one answer that are undone. A second one could swell what the first one has to read, beyond every count of what
/// comes out.
const MAX_CODINGS: usize = 1;
/// The window of zstd as a power of two, 8 MiB: what RFC 9659 allows in HTTP.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;
/// The first byte of brotli's large windows, up to 1 GiB; streams of RFC 7932 never begin with it.
const LARGE_WINDOW_BROTLI: u8 = 0x11;
/// Bytes of one piece after decoding.
const PIECE: usize = 16 * 1024;

/// A content coding (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The body of an answer without its codings; an error ends it.
pub(super) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// Whether the answer's bytes are those of a coding, so that its lengths and ranges are not the file's.
pub(super) fn is_coded(headers: &HeaderMap) -> bool {
    codings(headers).is_some_and(|codings| !codings.is_empty())
}

/// The body as the file's bytes.
pub(super) fn decode(response: Response) -> Result<Pieces, OutboundError> {
    let codings = codings(response.headers()).ok_or(OutboundError::Coding)?;
    let mut pieces = response
        .bytes_stream()
        // A decoder reads on while pieces are there, even if nothing comes out: time limits need a turn in between.
        .then(|piece| async {
            tokio::task::yield_now().await;
            piece.map_err(|error| io::Error::other(error.without_url()))
        })
        .boxed();
    // The last one that was put on comes off first.
    for coding in codings.into_iter().rev() {
        pieces = futures::stream::once(undo(pieces, coding))
            .flat_map(|opened| match opened {
                Ok(pieces) => pieces,
                Err(error) => futures::stream::once(async { Err(error) }).boxed(),
            })
            .boxed();
    }
    Ok(pieces)
}

/// The codings that an answer names, in the order they were put on; `None` if there are too many of them. Names that
/// nobody knows are put up with: hosts write types and character sets there.
fn codings(headers: &HeaderMap) -> Option<Vec<Coding>> {
    let named = headers.get_all(CONTENT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let known = named.flat_map(|value| value.split(',')).filter_map(|name| {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            "br" => Some(Coding::Brotli),
            "zstd" => Some(Coding::Zstd),
            _ => None,
        }
    });
    let known: Vec<Coding> = known.collect();
    (known.len() <= MAX_CODINGS).then_some(known)
}

/// Takes one coding off. Bytes that do not begin as the coding does are passed on as they are: such a host names a coding
/// and puts none on.
async fn undo(pieces: Pieces, coding: Coding) -> io::Result<Pieces> {
    let mut reader = BufReader::new(StreamReader::new(pieces));
    let head = reader.fill_buf().await?;
    let (first, second) = (head.first().copied(), head.get(1).copied());
    let Some(first) = first else { return Ok(futures::stream::empty().boxed()) };
    let reader: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(reader);
    Ok(match coding {
        Coding::Gzip if first == 0x1f => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            stream(decoder)
        }
        Coding::Zstd if first == 0x28 => {
            let window = DParameter::window_log_max(MAX_ZSTD_WINDOW_LOG);
            stream(ZstdDecoder::with_params(reader, &[window]))
        }
        Coding::Brotli if first == LARGE_WINDOW_BROTLI => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a brotli window beyond RFC 7932"));
        }
        // RFC 9110 means zlib by it; some hosts send the bare deflate inside.
        Coding::Deflate if is_zlib(first, second) => stream(ZlibDecoder::new(reader)),
        Coding::Deflate => stream(DeflateDecoder::new(reader)),
        Coding::Brotli => stream(BrotliDecoder::new(reader)),
        Coding::Gzip | Coding::Zstd => stream(reader),
    })
}

/// The two bytes a zlib stream begins with (RFC 1950, 2.2).
fn is_zlib(first: u8, second: Option<u8>) -> bool {
    let checks = second.is_none_or(|second| u16::from_be_bytes([first, second]).is_multiple_of(31));
    first & 0x0f == 8 && first >> 4 <= 7 && checks
}

fn stream(reader: impl AsyncRead + Send + 'static) -> Pieces {
    ReaderStream::with_capacity(reader, PIECE).boxed()
}

/// A body that did not come to its end.
pub(super) fn broken(error: io::Error) -> OutboundError {
    let kind = error.kind();
    let inner = error.into_inner().and_then(|inner| inner.downcast::<reqwest::Error>().ok());
    match inner {
        Some(error) => OutboundError::of_request(*error),
        None if kind == io::ErrorKind::UnexpectedEof => OutboundError::Cut { times: 1, source: None },
        None => OutboundError::Coding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Option<Vec<Coding>> {
        let values = values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap()));
        codings(&values.collect())
    }

    #[test]
    fn codings_are_read_in_their_order_and_nonsense_is_put_up_with() {
        assert_eq!(of(&["gzip"]), Some(vec![Coding::Gzip]));
        assert_eq!(of(&["BR"]), Some(vec![Coding::Brotli]));
        assert_eq!(of(&["identity, x-gzip"]), Some(vec![Coding::Gzip]));
        for nonsense in ["identity", "", "utf-8", "audio/mpeg", "none"] {
            assert_eq!(of(&[nonsense]), Some(Vec::new()), "{nonsense}");
        }
        assert_eq!((of(&["gzip, br"]), of(&["x-gzip", "deflate"])), (None, None));
    }
}
