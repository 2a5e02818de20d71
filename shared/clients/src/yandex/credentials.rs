//! Credentials for Yandex Cloud. Source: Yandex Cloud docs, SpeechKit authentication and request headers.

use http::HeaderValue;
use reqwest::RequestBuilder;
use reqwest::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};

/// Credential of a service account; recognition of files requires a service account.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API key with the scopes of SpeechKit and, for summaries, of language models.
    ApiKey(SecretString),
    /// An IAM token, valid for up to 12 h.
    IamToken(SecretString),
}

/// Service account of requests, which also pays, and its options.
#[derive(Debug, Clone)]
pub struct YandexCredentials {
    /// Credential of the service account.
    pub auth: Auth,
    /// Sent as `x-folder-id`; not required, because a service account belongs to a folder.
    pub folder_id: Option<String>,
    /// Whether Yandex may store the data to improve its models. Off by default, because calls are personal data.
    pub data_logging: bool,
}

impl YandexCredentials {
    /// A service account with an API key.
    pub fn with_api_key(key: SecretString) -> Self {
        Self { auth: Auth::ApiKey(key), folder_id: None, data_logging: false }
    }

    pub(crate) fn sign(&self, mut request: RequestBuilder) -> RequestBuilder {
        let (scheme, secret) = match &self.auth {
            Auth::ApiKey(key) => ("Api-Key", key),
            Auth::IamToken(token) => ("Bearer", token),
        };
        // A credential with a line break is not a valid header value. The service answers 401 without the header.
        if let Ok(mut value) = HeaderValue::from_str(&format!("{scheme} {}", secret.expose_secret())) {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(folder) = &self.folder_id {
            request = request.header("x-folder-id", folder);
        }
        if self.data_logging {
            request = request.header("x-data-logging-enabled", "true");
        }
        request
    }
}
