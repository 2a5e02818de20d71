//! Decodes content codings that hosts apply without being asked, as browsers do. Decoding is streamed, so memory is
//! bounded, and readers count the decoded bytes.

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

/// Maximum number of codings of one response. With two, the bytes between the decoders could grow without limit, because
/// only the final output is counted.
const MAX_CODINGS: usize = 1;
/// Maximum zstd window as a power of two: 8 MiB, the limit of RFC 9659 for HTTP.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;
/// First byte of brotli streams with large windows (up to 1 GiB). RFC 7932 streams never begin with it.
const LARGE_WINDOW_BROTLI: u8 = 0x11;
/// Size of a decoded piece in bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// A content coding (RFC 9110, 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The decoded body of a response; the stream ends after an error.
pub(super) type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// Whether the response has a content coding. Its lengths and ranges then do not apply to the file.
pub(super) fn is_coded(headers: &HeaderMap) -> bool {
    codings(headers).is_some_and(|codings| !codings.is_empty())
}

pub(super) fn decode(response: Response) -> Result<Pieces, OutboundError> {
    let codings = codings(response.headers()).ok_or(OutboundError::Coding)?;
    let mut pieces = response
        .bytes_stream()
        // A decoder keeps reading while input is available, even without output. Yield, so that timeouts can fire.
        .then(|piece| async {
            tokio::task::yield_now().await;
            piece.map_err(|error| io::Error::other(error.without_url()))
        })
        .boxed();
    // Codings are removed in reverse order.
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

/// The response's codings in the order of their application; `None` if there are too many. Unknown names are ignored,
/// because hosts write media types and character sets there.
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

/// Removes one coding. Bytes that do not begin with the coding's signature are passed on unchanged, because some hosts
/// declare a coding and apply none.
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
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "brotli window larger than RFC 7932 allows",
            ));
        }
        // "deflate" is zlib in RFC 9110; some hosts send raw deflate.
        Coding::Deflate if is_zlib(first, second) => stream(ZlibDecoder::new(reader)),
        Coding::Deflate => stream(DeflateDecoder::new(reader)),
        Coding::Brotli => stream(BrotliDecoder::new(reader)),
        Coding::Gzip | Coding::Zstd => stream(reader),
    })
}

/// Whether these are the first two bytes of a zlib stream (RFC 1950, 2.2).
fn is_zlib(first: u8, second: Option<u8>) -> bool {
    let checks = second.is_none_or(|second| u16::from_be_bytes([first, second]).is_multiple_of(31));
    first & 0x0f == 8 && first >> 4 <= 7 && checks
}

fn stream(reader: impl AsyncRead + Send + 'static) -> Pieces {
    ReaderStream::with_capacity(reader, CHUNK_BYTES).boxed()
}

/// Maps an error of reading or decoding a body.
pub(super) fn map_body_error(error: io::Error) -> OutboundError {
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

    fn parse(values: &[&str]) -> Option<Vec<Coding>> {
        let values = values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap()));
        codings(&values.collect())
    }

    #[test]
    fn codings_are_read_in_their_order_and_nonsense_is_put_up_with() {
        assert_eq!(parse(&["gzip"]), Some(vec![Coding::Gzip]));
        assert_eq!(parse(&["BR"]), Some(vec![Coding::Brotli]));
        assert_eq!(parse(&["identity, x-gzip"]), Some(vec![Coding::Gzip]));
        for nonsense in ["identity", "", "utf-8", "audio/mpeg", "none"] {
            assert_eq!(parse(&[nonsense]), Some(Vec::new()), "{nonsense}");
        }
        assert_eq!((parse(&["gzip, br"]), parse(&["x-gzip", "deflate"])), (None, None));
    }
}
