//! Client of YandexGPT: synchronous completions, as JSON if a schema is given.
//!
//! Sources: `yandex-cloud/cloudapi`, `ai/foundation_models/v1`; Yandex Cloud docs, text generation API.

mod error;
mod requests;
mod responses;

use reqwest::{Client, StatusCode};
use url::Url;

use crate::http::{
    self, BuildError, HttpOptions, ReadError, Transport, read_limited, request_id, retry_after,
};
use crate::yandex::{Status, YandexCredentials};

pub use error::YandexGptError;
pub use requests::{Completion, Message, Role};
pub use responses::{CompletionResponse, Ending, Usage};

use requests::CompletionBody;

/// URL, credentials and HTTP options.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL: `https://llm.api.cloud.yandex.net`.
    pub base_url: Url,
    /// Credentials of the service account, which also pays.
    pub credentials: YandexCredentials,
    /// HTTP options; a long dialogue takes tens of seconds.
    pub http: HttpOptions,
}

/// A client; clones share connections. The default quota is 10 concurrent completions.
#[derive(Debug, Clone)]
pub struct YandexGpt {
    client: Client,
    base_url: Url,
    credentials: YandexCredentials,
}

/// Well above the longest response, which `max_tokens` limits.
const MAX_RESPONSE_BYTES: usize = 4 << 20;

impl YandexGpt {
    /// Builds the client; sends nothing.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        Ok(Self {
            client: http::client(&config.http)?,
            base_url: config.base_url,
            credentials: config.credentials,
        })
    }

    /// Requests a completion. Repeating it costs tokens again and is otherwise harmless.
    pub async fn complete(&self, completion: &Completion) -> Result<CompletionResponse, YandexGptError> {
        let mut url = self.base_url.clone();
        url.set_path("/foundationModels/v1/completion");
        let request = self.credentials.sign(self.client.post(url).json(&CompletionBody::from(completion)));
        let response = request.send().await.map_err(Transport::from).map_err(ReadError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_limited(response, MAX_RESPONSE_BYTES).await?;
        if status != StatusCode::OK {
            let status = Status::read(status.as_u16(), &body, request_id(&headers));
            return Err(YandexGptError::Refused { status, after: retry_after(&headers) });
        }
        responses::read(&body)
    }
}
