//! Webhooks of an account, of which the gateway shows a widget only those that it names.
//!
//! amoCRM's list contains the webhooks of all integrations, and an address may contain a secret, as FlySense's does.

use flysk_clients::amocrm::ProxyResponse;
use futures::StreamExt as _;
use poem::http::Method;
use serde_json::Value;

use crate::problem::{Problem, ProblemCode};

/// Path of the webhooks, in lower case.
const WEBHOOKS_PATH: &str = "/api/v4/webhooks";
/// Query parameter with the address of a webhook.
const DESTINATION_FILTER: &str = "filter[destination]";
/// Maximum length of amoCRM's list, in bytes. An account has at most 100 webhooks.
const MAX_LIST_BYTES: usize = 1 << 20;

/// The address of the only webhook that a request may show; `None` for other requests.
///
/// # Errors
///
/// A list of all webhooks is a bad request.
pub(super) fn shown_destination(method: &Method, path_and_query: &str) -> Result<Option<String>, Problem> {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let path = path.to_ascii_lowercase();
    if *method != Method::GET || !path.starts_with(WEBHOOKS_PATH) {
        return Ok(None);
    }
    let mut destinations = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, value)| name == DESTINATION_FILTER && !value.is_empty())
        .map(|(_, value)| value.into_owned());
    if let (Some(destination), None) = (destinations.next(), destinations.next()) {
        return Ok(Some(destination));
    }
    let why = "webhooks of other integrations are not shown: name one by filter[destination]";
    Err(Problem::new(ProblemCode::BadRequest, why))
}

/// amoCRM's list without other webhooks than that of `destination`.
pub(super) async fn only(answer: ProxyResponse, destination: &str) -> Result<Vec<u8>, Problem> {
    let unreadable =
        || Problem::new(ProblemCode::UpstreamUnavailable, "amoCRM's list of webhooks is unreadable");
    let mut pieces = answer.into_stream();
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|_| unreadable())?);
        if body.len() > MAX_LIST_BYTES {
            return Err(unreadable());
        }
    }
    if body.is_empty() {
        return Ok(body);
    }
    let mut list: Value = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    let hooks = list.pointer_mut("/_embedded/webhooks").and_then(Value::as_array_mut);
    let Some(hooks) = hooks else { return Err(unreadable()) };
    hooks.retain(|hook| hook.get("destination").and_then(Value::as_str) == Some(destination));
    let shown = hooks.len();
    if let Some(total) = list.get_mut("_total_items") {
        *total = shown.into();
    }
    serde_json::to_vec(&list).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_webhooks_needs_one_destination() {
        let shown = |path: &str| shown_destination(&Method::GET, path);
        for path in [
            "/api/v4/webhooks",
            "/api/v4/webhooks/",
            "/api/v4/Webhooks?page=1",
            "/api/v4/webhooks?filter[destination]=",
        ] {
            assert!(shown(path).is_err(), "{path}");
        }
        assert!(shown("/api/v4/webhooks?filter[destination]=a&filter[destination]=b").is_err());
        let named = shown("/api/v4/webhooks?filter%5Bdestination%5D=https%3A%2F%2Fa.example%2Fh").unwrap();
        assert_eq!(named.as_deref(), Some("https://a.example/h"));
        assert_eq!(shown("/api/v4/leads").unwrap(), None);
        assert_eq!(shown_destination(&Method::POST, "/api/v4/webhooks").unwrap(), None);
    }
}
