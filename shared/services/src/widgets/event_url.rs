//! Rule for event URLs.

use url::Url;

/// Why an event URL is refused.
#[derive(Debug, thiserror::Error)]
pub enum EventUrlError {
    /// No absolute URL can be parsed from the text, which the variant carries.
    #[error("`{0}` is not a URL")]
    NotAUrl(String),
    /// Another scheme.
    #[error("`{0}` is not an http or https URL")]
    Scheme(String),
    /// Unencrypted, and not opened by the deployment.
    #[error("`{0}` would send the project token unencrypted: use https")]
    Unencrypted(String),
}

/// Checks an event URL. Deliveries carry the project token, so they need HTTPS, except to addresses of
/// `FLYSK_OUTBOUND_ALLOW`, which `is_open` knows. Private addresses are rejected at each delivery, after DNS resolution.
///
/// # Errors
///
/// The text is no http or https URL, or would be called unencrypted.
pub fn check_event_url(text: &str, is_open: impl Fn(&Url) -> bool) -> Result<(), EventUrlError> {
    let url = Url::parse(text).map_err(|_| EventUrlError::NotAUrl(text.to_owned()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(EventUrlError::Scheme(text.to_owned()));
    }
    if url.scheme() == "https" || is_open(&url) {
        return Ok(());
    }
    Err(EventUrlError::Unencrypted(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_by_https_or_to_what_the_deployment_opened() {
        let is_open = |url: &Url| url.port() == Some(8080);
        for good in ["https://vendor.example/events", "http://127.0.0.1:8080/events"] {
            assert!(check_event_url(good, is_open).is_ok(), "{good}");
        }
        for bad in
            ["http://vendor.example/events", "http://127.0.0.1:8081/", "ftp://vendor.example:8080/", "x"]
        {
            assert!(check_event_url(bad, is_open).is_err(), "{bad}");
        }
    }
}
