//! What is already there, and whether an answer continues it (RFC 9110, 13.1.5 and 14).

use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Response;

use super::super::error::OutboundError;

/// The part of a file that has come so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partial {
    bytes: u64,
    total: Option<u64>,
    /// A strong `ETag`, or `Last-Modified`.
    validator: Option<HeaderValue>,
}

impl Partial {
    /// How much has come.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much there is, if the server said so.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    pub(super) fn is_short(&self) -> bool {
        self.total.is_some_and(|total| self.bytes < total)
    }

    /// Asks for the rest, if it could be told from the rest of another file.
    pub(super) fn range_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.bytes == 0 || (self.validator.is_none() && self.total.is_none()) {
            return headers;
        }
        if let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.bytes)) {
            headers.insert(RANGE, range);
            headers.extend(self.validator.clone().map(|validator| (IF_RANGE, validator)));
        }
        headers
    }

    /// Takes an answer for a continuation or for a new beginning; a rest that does not fit is thrown
    /// away together with what it does not fit to, and told as a broken connection.
    pub(super) fn accept(&mut self, response: &Response) -> Result<(), OutboundError> {
        if response.status() == StatusCode::OK {
            *self = Self {
                bytes: 0,
                total: response.content_length(),
                validator: validator_of(response.headers()),
            };
            return Ok(());
        }
        let range =
            response.headers().get(CONTENT_RANGE).and_then(|value| ContentRange::parse(value.to_str().ok()?));
        match range {
            Some(range)
                if response.status() == StatusCode::PARTIAL_CONTENT && self.is_continued_by(&range) =>
            {
                self.total = range.total.or(self.total);
                self.validator = self.validator.take().or_else(|| validator_of(response.headers()));
                Ok(())
            }
            _ => {
                *self = Self::default();
                Err(OutboundError::Cut { times: 1, source: None })
            }
        }
    }

    fn is_continued_by(&self, range: &ContentRange) -> bool {
        let same_file = match (self.total, range.total) {
            (Some(known), Some(told)) => known == told,
            (Some(_), None) => self.validator.is_some(),
            (None, _) => true,
        };
        range.start == self.bytes && same_file
    }
}

/// `bytes 100-199/200`, `bytes 100-199/*`.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    start: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, _end) = range.split_once('-')?;
        let total = match total {
            "*" => None,
            digits => Some(digits.parse().ok()?),
        };
        Some(Self { start: start.trim().parse().ok()?, total })
    }
}

fn validator_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let strong = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    strong.or_else(|| headers.get(LAST_MODIFIED)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_tells_where_the_rest_begins() {
        let range = |start, total| Some(ContentRange { start, total });
        assert_eq!(ContentRange::parse("bytes 100-199/200"), range(100, Some(200)));
        assert_eq!(ContentRange::parse("bytes 0-9/*"), range(0, None));
        for text in ["", "bytes", "bytes */200", "bytes 1-2", "lines 1-2/3", "bytes a-b/c", "bytes -5/9"] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_validator_and_a_length_everything_is_asked_for_again() {
        let known = Partial { bytes: 5, total: Some(9), validator: None };
        assert_eq!(known.range_headers()[RANGE], "bytes=5-");
        let unknown = Partial { total: None, ..known };
        assert!(unknown.range_headers().is_empty());
    }
}
