//! YandexGPT: one question, one answer, in JSON if a schema is given.
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
use crate::yandex::{Account, Status};

pub use error::YandexGptError;
pub use requests::{Completion, Message, Role};
pub use responses::{Answer, Ending, Usage};

use requests::CompletionBody;

/// Where and as whom YandexGPT is called.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://llm.api.cloud.yandex.net`.
    pub base_url: Url,
    /// Who pays.
    pub account: Account,
    /// Time limits; a long dialogue takes tens of seconds.
    pub http: HttpOptions,
}

/// A client; clones share connections. The default quota lets 10 questions run at a time.
#[derive(Debug, Clone)]
pub struct YandexGpt {
    client: Client,
    base_url: Url,
    account: Account,
}

/// Answers are bounded by `max_tokens`.
const LONGEST_ANSWER: usize = 4 << 20;

impl YandexGpt {
    /// Builds the client; nothing is sent.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        Ok(Self { client: http::client(&config.http)?, base_url: config.base_url, account: config.account })
    }

    /// Asks. Asking again costs tokens again and is otherwise harmless.
    pub async fn complete(&self, completion: &Completion) -> Result<Answer, YandexGptError> {
        let mut url = self.base_url.clone();
        url.set_path("/foundationModels/v1/completion");
        let request = self.account.sign(self.client.post(url).json(&CompletionBody::from(completion)));
        let response = request.send().await.map_err(Transport::from).map_err(ReadError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_limited(response, LONGEST_ANSWER).await?;
        if status != StatusCode::OK {
            let status = Status::read(status.as_u16(), &body, request_id(&headers));
            return Err(YandexGptError::Refused { status, after: retry_after(&headers) });
        }
        responses::read(&body)
    }
}
