//! Client of SpeechKit API v3: recognition of recorded calls.
//!
//! Sequence: submit, poll until done, fetch the stream of results once, delete it. SpeechKit stores results for three
//! days. The caller enforces the quotas: 500 submits/h, 5 reads/s, 2 concurrent recognitions with a language model.
//!
//! Sources: `yandex-cloud/cloudapi`, `ai/stt/v3`; Yandex Cloud docs, `speechkit/stt-v3`.

mod error;
mod operation;
mod recognition;
mod requests;
mod responses;
mod submit;

use bytes::Bytes;

use reqwest::{Client, RequestBuilder, StatusCode};
use url::Url;

use crate::http::{
    self, BuildError, HttpOptions, ReadError, Transport, read_limited, request_id, retry_after,
};
use crate::yandex::{Status, YandexCredentials};

pub use error::{FailedOperation, LostSubmit, SpeechKitError};
pub use requests::{
    AudioFormat, Channels, Classifier, ClassifierTrigger, LlmAnswer, LlmPrompt, RecognitionOptions,
    RecognizeFile, Summarization,
};
pub use responses::{Operation, OperationState, Recognition};

/// URLs, credentials and limits of SpeechKit.
#[derive(Debug, Clone)]
pub struct Config {
    /// Recognizer: `https://stt.api.cloud.yandex.net`; other installations have other hosts.
    pub stt_url: Url,
    /// Operation service: `https://operation.api.cloud.yandex.net`.
    pub operation_url: Url,
    /// Credentials of the service account, which also pays.
    pub credentials: YandexCredentials,
    /// For requests to both services.
    pub http: HttpOptions,
    /// Maximum length of the stream of results, in bytes. A call of four hours stays below 64 MiB.
    pub max_result_bytes: usize,
}

/// A client; clones share connections.
#[derive(Debug, Clone)]
pub struct SpeechKit {
    client: Client,
    stt_url: Url,
    operation_url: Url,
    credentials: YandexCredentials,
    max_result_bytes: usize,
}

/// Maximum length of operations and errors, which have a few hundred bytes.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

impl SpeechKit {
    /// Builds the client; sends nothing.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        Ok(Self {
            client: http::client(&config.http)?,
            stt_url: config.stt_url,
            operation_url: config.operation_url,
            credentials: config.credentials,
            max_result_bytes: config.max_result_bytes,
        })
    }

    /// Sends a request and reads up to `limit` bytes. Every status but success is an error.
    async fn send(&self, request: RequestBuilder, limit: usize) -> Result<Bytes, RequestFailure> {
        let response =
            self.credentials.sign(request).send().await.map_err(Transport::from).map_err(ReadError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let limit = if status.is_success() { limit } else { MAX_MESSAGE_BYTES };
        let body = read_limited(response, limit).await?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let after = retry_after(&headers);
        Err(RequestFailure::Status(Status::read(status.as_u16(), &body, request_id(&headers)), after))
    }
}

/// A failed request, before it is classified as read or submit.
enum RequestFailure {
    NoAnswer(ReadError),
    Status(Status, Option<std::time::Duration>),
}

impl From<ReadError> for RequestFailure {
    fn from(error: ReadError) -> Self {
        Self::NoAnswer(error)
    }
}
