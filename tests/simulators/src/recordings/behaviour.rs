//! The ways a telephony's file host can misbehave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a link answers. The default is a well-behaved host.
///
/// Over HTTP the same fields are query parameters of the link (`?redirects=3`, `?html=true`).
#[expect(clippy::struct_excessive_bools, reason = "independent switches, not states of one thing")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// The body drips at so many bytes per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<u64>,
    /// 404 for the first so many requests.
    #[serde(skip_serializing_if = "is_default")]
    pub absent_times: u32,
    /// 404 until so many ms after the first request, by the simulator's clock.
    #[serde(skip_serializing_if = "is_default")]
    pub absent_ms: u64,
    /// What is there instead of the file while it is absent: `empty`, `json`, `page` and `third` (the first third of the file)
    /// with status 200, or a status; 404 if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absent_as: Option<String>,
    /// `user:password` that the host asks for by HTTP Basic; 401 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Whoever does not bring the host's cookie is given it, with a redirect to the same address.
    #[serde(skip_serializing_if = "is_default")]
    pub cookie: bool,
    /// A redirect whose `Location` is raw UTF-8, as PHP's `header()` writes it.
    #[serde(skip_serializing_if = "is_default")]
    pub raw_location: bool,
    /// The body is gzipped and says so, whatever was asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub gzip: bool,
    /// `Content-Length` promises so many bytes more than there are; the connection ends without them.
    #[serde(skip_serializing_if = "is_default")]
    pub excess: u64,
    /// A login page with status 200 instead of the file.
    #[serde(skip_serializing_if = "is_default")]
    pub html: bool,
    /// The connection is cut before this byte of the file; ranges that begin there or later are served well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_at: Option<u64>,
    /// Every connection is cut after so many bytes of its answer, wherever it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_after: Option<u64>,
    /// So many redirects before the file.
    #[serde(skip_serializing_if = "is_default")]
    pub redirects: u32,
    /// A redirect to this address (for one that no client should follow).
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
    /// This `Content-Type` whatever the file is.
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
    fn a_query_names_what_differs_from_a_good_host() {
        assert_eq!(Behaviour::default().to_query(), "");
        let odd = Behaviour { redirects: 2, content_type: Some("text/plain".into()), ..Behaviour::default() };
        assert_eq!(odd.to_query(), "content_type=text%2Fplain&redirects=2");
    }
}
