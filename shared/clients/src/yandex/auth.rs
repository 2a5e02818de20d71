//! Who calls. Source: Yandex Cloud docs, SpeechKit authentication and request headers.

use http::HeaderValue;
use reqwest::RequestBuilder;
use reqwest::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};

/// A service account's credential; recognition of files works with no other kind of account.
#[derive(Debug, Clone)]
pub enum Auth {
    /// An API key with the scopes of SpeechKit and, for summaries, of language models.
    ApiKey(SecretString),
    /// An IAM token, which lives up to 12 h.
    IamToken(SecretString),
}

/// The account that calls and pays.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its credential.
    pub auth: Auth,
    /// Sent as `x-folder-id`. A service account has a folder of its own and needs none.
    pub folder_id: Option<String>,
    /// Lets Yandex keep the data to improve its models. Calls are personal data: off unless decided otherwise.
    pub data_logging: bool,
}

impl Account {
    /// A service account with an API key.
    pub fn with_api_key(key: SecretString) -> Self {
        Self { auth: Auth::ApiKey(key), folder_id: None, data_logging: false }
    }

    pub(crate) fn sign(&self, mut request: RequestBuilder) -> RequestBuilder {
        let (scheme, secret) = match &self.auth {
            Auth::ApiKey(key) => ("Api-Key", key),
            Auth::IamToken(token) => ("Bearer", token),
        };
        // A credential with a line break cannot be a header; without one the service answers 401.
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
