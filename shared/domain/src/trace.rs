//! Correlation of an HTTP request with all jobs that it causes.

use serde::{Deserialize, Serialize};

/// Identifiers that connect log lines: our correlation id and the caller's W3C `traceparent`.
///
/// One correlation id covers the whole processing of a call, from the hook that announced it to the transcript. It is
/// returned to callers as `X-Request-Id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// At most 64 characters of `[A-Za-z0-9._-]`; the caller's `X-Request-Id` if it is valid.
    pub correlation_id: String,
    /// The caller's span in the W3C Trace Context form `00-<trace id>-<span id>-<flags>`.
    pub traceparent: Option<String>,
}

impl Trace {
    /// Uses the caller's values if they are valid, and otherwise a new correlation id from `fresh`. Without a valid
    /// `X-Request-Id`, the trace id of a valid `traceparent` becomes the correlation id.
    ///
    /// Source: W3C Trace Context, section 3.2 (lower-case hex, no all-zero ids).
    pub fn from_caller(
        request_id: Option<&str>,
        traceparent: Option<&str>,
        fresh: impl FnOnce() -> String,
    ) -> Self {
        let traceparent = traceparent.filter(|value| is_traceparent(value)).map(str::to_owned);
        let correlation_id = match request_id.filter(|value| is_request_id(value)) {
            Some(id) => id.to_owned(),
            None => traceparent
                .as_deref()
                .and_then(|value| value.split('-').nth(1))
                .map_or_else(fresh, str::to_owned),
        };
        Self { correlation_id, traceparent }
    }
}

fn is_request_id(value: &str) -> bool {
    (8..=64).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_traceparent(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let nonzero = |part: &str| part.bytes().any(|b| b != b'0');
    matches!(parts.as_slice(), [version, trace, span, flags]
        if hex(version, 2) && *version != "ff" && hex(trace, 32) && nonzero(trace)
            && hex(span, 16) && nonzero(span) && hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_callers_ids_are_kept_when_sane() {
        let trace = Trace::from_caller(Some("order-12345"), Some(PARENT), || "fresh".into());
        assert_eq!(trace.correlation_id, "order-12345");
        assert_eq!(trace.traceparent.as_deref(), Some(PARENT));
    }

    #[test]
    fn without_a_request_id_the_trace_id_correlates() {
        let trace = Trace::from_caller(None, Some(PARENT), || "fresh".into());
        assert_eq!(trace.correlation_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn hostile_values_are_replaced() {
        let trace = Trace::from_caller(Some("a\nlog line of mine"), Some("00-0-0-0"), || "fresh".into());
        assert_eq!(trace, Trace { correlation_id: "fresh".into(), traceparent: None });
    }
}
