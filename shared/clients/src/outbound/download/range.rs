//! State of a partial download, and whether a response continues it (RFC 9110, 13.1.5 and 14).

use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Response;
use serde::{Deserialize, Serialize};

use super::super::coding::is_coded;
use super::super::error::OutboundError;

/// The downloaded part of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partial {
    bytes: u64,
    total: Option<u64>,
    /// A strong `ETag`, or `Last-Modified`.
    validator: Option<HeaderValue>,
    ends: Ends,
}

/// The byte at which responses ended too early, and how often in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ends {
    at: u64,
    times: u32,
}

/// Effect of a response on the downloaded part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// The body is the rest of the file, or the whole file again.
    Bytes,
    /// The file is complete: the server confirmed that it ends here.
    Whole,
}

/// Saved state of a partial download, from which a later attempt resumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeToken {
    bytes: u64,
    total: Option<u64>,
    validator: Option<String>,
    #[serde(default)]
    ends: Ends,
}

impl Partial {
    /// The state to save; `None` if there is no way to detect a changed file when resuming.
    pub fn resume_token(&self) -> Option<ResumeToken> {
        let validator = self.validator.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
        (self.bytes > 0 && (validator.is_some() || self.total.is_some())).then_some(ResumeToken {
            bytes: self.bytes,
            total: self.total,
            validator,
            ends: self.ends,
        })
    }

    /// Restores a saved state. `file_bytes` is the actual length of the file, because the last write of the previous process
    /// may be missing.
    pub fn from_saved(token: &ResumeToken, file_bytes: u64) -> Self {
        let validator = token.validator.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        Self { bytes: token.bytes.min(file_bytes), total: token.total, validator, ends: token.ends }
    }

    /// Downloaded bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Total length in bytes, if the server announced it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Counts a response that ended too early at the current byte; returns how often in a row. Byte 0 does not count as the
    /// end of a file.
    pub(super) fn count_end(&mut self) -> u32 {
        if self.bytes == 0 {
            return 0;
        }
        let times = if self.bytes == self.ends.at { self.ends.times + 1 } else { 1 };
        self.ends = Ends { at: self.bytes, times };
        times
    }

    pub(super) fn is_short(&self) -> bool {
        self.total.is_some_and(|total| self.bytes < total)
    }

    /// Headers that request the rest; empty if a changed file could not be detected.
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

    /// Decides whether a response continues the part or starts over. If neither, discards the part and returns a broken
    /// connection, so that the download restarts.
    pub(super) fn accept(&mut self, response: &Response) -> Result<Accepted, OutboundError> {
        let is_coded = is_coded(response.headers());
        if response.status() == StatusCode::OK {
            // Length and ETag of a response with a content coding do not apply to the file, so it cannot be resumed.
            *self = Self {
                bytes: 0,
                total: response.content_length().filter(|_| !is_coded),
                validator: validator_of(response.headers()).filter(|_| !is_coded),
                ends: self.ends,
            };
            return Ok(Accepted::Bytes);
        }
        let range =
            response.headers().get(CONTENT_RANGE).and_then(|value| ContentRange::parse(value.to_str().ok()?));
        match range {
            Some(ContentRange::Part { start, total })
                if response.status() == StatusCode::PARTIAL_CONTENT
                    && !is_coded
                    && self.is_continued_by(start, total)
                    && self.is_same_version(response.headers()) =>
            {
                self.total = total.or(self.total);
                self.validator = self.validator.take().or_else(|| validator_of(response.headers()));
                Ok(Accepted::Bytes)
            }
            Some(ContentRange::Beyond { total })
                if response.status() == StatusCode::RANGE_NOT_SATISFIABLE
                    && self.bytes > 0
                    && self.bytes == total
                    && self.is_same_version(response.headers()) =>
            {
                self.total = Some(total);
                Ok(Accepted::Whole)
            }
            _ => {
                *self = Self { ends: self.ends, ..Self::default() };
                Err(OutboundError::Cut { times: 1, source: None })
            }
        }
    }

    /// Whether the response is of the same version of the file. Required because some servers support `Range` without
    /// `If-Range`.
    fn is_same_version(&self, headers: &HeaderMap) -> bool {
        let Some(known) = &self.validator else { return true };
        let told = if is_strong_tag(known) {
            headers.get(ETAG).filter(|value| is_strong_tag(value))
        } else {
            headers.get(LAST_MODIFIED)
        };
        told.is_none_or(|told| known == told)
    }

    fn is_continued_by(&self, start: u64, total: Option<u64>) -> bool {
        let same_file = match (self.total, total) {
            (Some(known), Some(told)) => known == told,
            (Some(_), None) => self.validator.is_some(),
            (None, _) => true,
        };
        start == self.bytes && same_file
    }
}

/// A parsed `Content-Range`.
#[derive(Debug, PartialEq, Eq)]
enum ContentRange {
    /// `bytes 100-199/200`, `bytes 100-199/*`.
    Part { start: u64, total: Option<u64> },
    /// `bytes */200`: the range begins after the end.
    Beyond { total: u64 },
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        if range.trim() == "*" {
            return Some(Self::Beyond { total: total.parse().ok()? });
        }
        let (start, _end) = range.split_once('-')?;
        let total = match total {
            "*" => None,
            digits => Some(digits.parse().ok()?),
        };
        Some(Self::Part { start: start.trim().parse().ok()?, total })
    }
}

fn is_strong_tag(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"\"")
}

fn validator_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let strong = headers.get(ETAG).filter(|tag| is_strong_tag(tag));
    strong.or_else(|| headers.get(LAST_MODIFIED)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_tells_where_the_rest_begins() {
        let range = |start, total| Some(ContentRange::Part { start, total });
        assert_eq!(ContentRange::parse("bytes 100-199/200"), range(100, Some(200)));
        assert_eq!(ContentRange::parse("bytes 0-9/*"), range(0, None));
        assert_eq!(ContentRange::parse("bytes */200"), Some(ContentRange::Beyond { total: 200 }));
        for text in ["", "bytes", "bytes */*", "bytes 1-2", "lines 1-2/3", "bytes a-b/c", "bytes -5/9"] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_part_is_remembered_as_far_as_the_file_has_it() {
        let ends = Ends { at: 90, times: 2 };
        let part =
            Partial { bytes: 90, total: Some(200), validator: HeaderValue::from_str("\"v1\"").ok(), ends };
        let memo = part.resume_token().unwrap();
        assert_eq!(Partial::from_saved(&memo, 90), part);
        assert_eq!(Partial::from_saved(&memo, 1_000), part);
        assert_eq!(Partial::from_saved(&memo, 40), Partial { bytes: 40, ..part });
        assert_eq!(Partial::default().resume_token(), None);
        assert_eq!(Partial { bytes: 5, ..Partial::default() }.resume_token(), None);
    }

    #[test]
    fn a_rest_with_another_tag_belongs_to_another_file() {
        let tagged = |tag: &str| HeaderMap::from_iter([(ETAG, HeaderValue::from_str(tag).unwrap())]);
        let part = Partial {
            bytes: 5,
            total: Some(9),
            validator: HeaderValue::from_str("\"v1\"").ok(),
            ..Partial::default()
        };
        assert!(part.is_same_version(&tagged("\"v1\"")));
        assert!(!part.is_same_version(&tagged("\"v2\"")));
        assert!(part.is_same_version(&tagged("W/\"v2\"")) && part.is_same_version(&HeaderMap::new()));
    }

    #[test]
    fn a_rest_of_another_date_belongs_to_another_file() {
        let dated =
            |date: &str| HeaderMap::from_iter([(LAST_MODIFIED, HeaderValue::from_str(date).unwrap())]);
        let (then, now) = ("Sun, 01 Nov 2026 10:00:00 GMT", "Sun, 01 Nov 2026 10:00:20 GMT");
        let part = Partial {
            bytes: 5,
            total: None,
            validator: HeaderValue::from_str(then).ok(),
            ..Partial::default()
        };
        assert!(part.is_same_version(&dated(then)) && part.is_same_version(&HeaderMap::new()));
        assert!(!part.is_same_version(&dated(now)));
    }

    #[test]
    fn without_a_validator_and_a_length_everything_is_asked_for_again() {
        let known = Partial { bytes: 5, total: Some(9), ..Partial::default() };
        assert_eq!(known.range_headers()[RANGE], "bytes=5-");
        let unknown = Partial { total: None, ..known };
        assert!(unknown.range_headers().is_empty());
    }
}
