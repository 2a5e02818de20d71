//! Faults of a telephony provider's recording host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Behaviour of a link. The default is a correct host.
///
/// Over HTTP the same fields are query parameters of the link (`?redirects=3`, `?html=true`).
#[expect(clippy::struct_excessive_bools, reason = "independent switches, not states of one thing")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Maximum rate of the body, bytes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<u64>,
    /// Number of first requests that are answered as absent.
    #[serde(skip_serializing_if = "is_default")]
    pub absent_times: u32,
    /// Time after the first request during which the file is absent, ms of the simulator's clock.
    #[serde(skip_serializing_if = "is_default")]
    pub absent_ms: u64,
    /// Response while the file is absent: `empty`, `json`, `page` or `third` (the first third of the file), each
    /// with status 200; or a status. The default is 404.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent_as: Option<String>,
    /// `user:password` required by HTTP Basic; 401 without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Sets a cookie with a redirect to the same URL if the request has none.
    #[serde(skip_serializing_if = "is_default")]
    pub cookie: bool,
    /// A redirect whose `Location` is raw UTF-8, as PHP's `header()` writes it.
    #[serde(skip_serializing_if = "is_default")]
    pub raw_location: bool,
    /// A gzipped body with `Content-Encoding: gzip`, whatever the request accepts.
    #[serde(skip_serializing_if = "is_default")]
    pub gzip: bool,
    /// `Content-Length` is this many bytes too large; the connection ends early.
    #[serde(skip_serializing_if = "is_default")]
    pub excess: u64,
    /// A login page with status 200 instead of the file.
    #[serde(skip_serializing_if = "is_default")]
    pub html: bool,
    /// The connection is cut before this byte of the file. Ranges that begin there or later are served correctly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_at: Option<u64>,
    /// Every connection is cut after this many bytes of its response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_after: Option<u64>,
    /// Number of redirects before the file.
    #[serde(skip_serializing_if = "is_default")]
    pub redirects: u32,
    /// A redirect to this URL (for one that no client should follow).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_to: Option<String>,
    /// `Range` is ignored and not advertised.
    #[serde(skip_serializing_if = "is_default")]
    pub no_range: bool,
    /// No `Content-Length`.
    #[serde(skip_serializing_if = "is_default")]
    pub no_length: bool,
    /// An endless body instead of the file.
    #[serde(skip_serializing_if = "is_default")]
    pub huge: bool,
    /// `Content-Type`, regardless of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Behaviour {
    /// The behaviour as a query string; empty for the default.
    pub fn to_query(&self) -> String {
        let fields: BTreeMap<String, serde_json::Value> =
            serde_json::to_value(self).and_then(serde_json::from_value).unwrap_or_default();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            match value {
                serde_json::Value::String(text) => query.append_pair(&name, &text),
                other => query.append_pair(&name, &other.to_string()),
            };
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_contains_only_non_default_fields() {
        assert_eq!(Behaviour::default().to_query(), "");
        let odd = Behaviour { redirects: 2, content_type: Some("text/plain".into()), ..Behaviour::default() };
        assert_eq!(odd.to_query(), "content_type=text%2Fplain&redirects=2");
    }
}
