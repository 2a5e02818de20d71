//! Which paths are passed on.

use percent_encoding::percent_decode_str;

/// Where the gateway is mounted.
const MOUNT: &str = "/v1/amocrm";
/// All that is passed on: OAuth and everything else of the account's host is out of reach.
const API: &str = "/api/v4/";

/// The path and query for amoCRM, if the path is below `/api/v4/` and cannot climb out of it.
///
/// Clients made from the OpenAPI document, Swagger UI among them, send the slashes of a parameter encoded. What is
/// checked is the decoded path, and it is also what amoCRM gets.
pub(super) fn checked(path: &str, query: Option<&str>) -> Option<String> {
    let path = percent_decode_str(path.strip_prefix(MOUNT)?).decode_utf8().ok()?;
    let rest = path.strip_prefix(API)?;
    // What is still encoded now could hide a slash or a dot from us and not from amoCRM; its paths need none.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b',');
    let climbs = |segment: &str| segment == "." || segment == "..";
    if rest.is_empty() || !rest.bytes().all(plain) || path.contains("//") || rest.split('/').any(climbs) {
        return None;
    }
    Some(query.map_or_else(|| path.to_string(), |query| format!("{path}?{query}")))
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn only_the_api_is_reached_and_the_query_goes_along_as_it_is() {
        assert_eq!(checked("/v1/amocrm/api/v4/leads", None).as_deref(), Some("/api/v4/leads"));
        assert_eq!(
            checked("/v1/amocrm/api/v4/leads/7/notes", Some("filter[id][]=1&page=2")).as_deref(),
            Some("/api/v4/leads/7/notes?filter[id][]=1&page=2")
        );
        assert_eq!(
            checked("/v1/amocrm/api/v4/leads%2F7%2fnotes", Some("a=%2F")).as_deref(),
            Some("/api/v4/leads/7/notes?a=%2F")
        );
        for path in [
            "/v1/amocrm/",
            "/v1/amocrm/oauth2/access_token",
            "/v1/amocrm/api/v4/",
            "/v1/amocrm/api/v4/../../oauth2/access_token",
            "/v1/amocrm/api/v4/%2e%2e/oauth2/access_token",
            "/v1/amocrm/api/v4/leads%2F..%2F..%2F..%2Foauth2%2Faccess_token",
            "/v1/amocrm/api/v4/%252e%252e/oauth2/access_token",
            "/v1/amocrm/api/v4/leads%2",
            "/v1/amocrm/api/v4/leads%zz",
            "/v1/amocrm/api/v4/leads%ff",
            "/v1/amocrm/api/v4/leads%0d%0aHost:x",
            "/v1/amocrm/api/v4/leads%3Fpage=2",
            "/v1/amocrm/api/v4/leads/./..",
            "/v1/amocrm/api/v4//evil.example",
            "/v1/amocrm/api/v4/leads\\..",
            "/v1/amocrm/api/v2/leads",
            "/v1/amocrm/api/v4",
        ] {
            assert_eq!(checked(path, None), None, "{path}");
        }
    }
}
