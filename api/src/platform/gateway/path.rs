//! Validation of the paths that the gateway forwards.

use percent_encoding::percent_decode_str;

/// Path prefix of the gateway.
const GATEWAY_PREFIX: &str = "/v1/amocrm";
/// The only paths that are forwarded. OAuth and everything else of the account's host is not accessible.
const API_PREFIX: &str = "/api/v4/";

/// The path and query for amoCRM; `None` if the path is not below `/api/v4/` or contains `.` or `..` segments.
///
/// Clients generated from the OpenAPI document, and Swagger UI, send the slashes of a parameter percent-encoded. So the path
/// is decoded, then checked; amoCRM gets the decoded path.
pub(super) fn validate_path(path: &str, query: Option<&str>) -> Option<String> {
    let path = percent_decode_str(path.strip_prefix(GATEWAY_PREFIX)?).decode_utf8().ok()?;
    let rest = path.strip_prefix(API_PREFIX)?;
    // A double encoding could hide a slash or a dot from this check but not from amoCRM. amoCRM's paths need no encoding.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b',');
    let climbs = |segment: &str| segment == "." || segment == "..";
    if rest.is_empty() || !rest.bytes().all(plain) || path.contains("//") || rest.split('/').any(climbs) {
        return None;
    }
    Some(query.map_or_else(|| path.to_string(), |query| format!("{path}?{query}")))
}

#[cfg(test)]
mod tests {
    use super::validate_path;

    #[test]
    fn only_the_api_is_reached_and_the_query_goes_along_as_it_is() {
        assert_eq!(validate_path("/v1/amocrm/api/v4/leads", None).as_deref(), Some("/api/v4/leads"));
        assert_eq!(
            validate_path("/v1/amocrm/api/v4/leads/7/notes", Some("filter[id][]=1&page=2")).as_deref(),
            Some("/api/v4/leads/7/notes?filter[id][]=1&page=2")
        );
        assert_eq!(
            validate_path("/v1/amocrm/api/v4/leads%2F7%2fnotes", Some("a=%2F")).as_deref(),
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
            assert_eq!(validate_path(path, None), None, "{path}");
        }
    }
}
