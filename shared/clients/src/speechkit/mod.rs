//! SpeechKit v3: recognition of recorded calls.
//!
//! Submit, ask until it is done, fetch the stream of results once, delete it. Results live three days.
//! Whoever calls keeps the quotas: 500 submits an hour, 5 questions a second, 2 submits with a language
//! model at a time.
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
use crate::yandex::{Account, Status};

pub use error::{FailedOperation, LostSubmit, SpeechKitError};
pub use requests::{
    AudioFormat, Channels, Classifier, ClassifierTrigger, ContainerType, LlmAnswer, LlmPrompt,
    RecognitionOptions, RecognizeFile, Summarization,
};
pub use responses::{Operation, OperationState, Recognition};

/// Where and as whom SpeechKit is called.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://stt.api.cloud.yandex.net`; other installations have other hosts.
    pub stt_url: Url,
    /// `https://operation.api.cloud.yandex.net`.
    pub operation_url: Url,
    /// Who pays.
    pub account: Account,
    /// Time limits.
    pub http: HttpOptions,
    /// Longest stream of results, in bytes. A call of four hours stays below 64 MiB.
    pub max_result_bytes: usize,
}

/// A client; clones share connections.
#[derive(Debug, Clone)]
pub struct SpeechKit {
    client: Client,
    stt_url: Url,
    operation_url: Url,
    account: Account,
    max_result_bytes: usize,
}

/// Operations and errors are a few hundred bytes.
const LONGEST_MESSAGE: usize = 1 << 20;

impl SpeechKit {
    /// Builds the client; nothing is sent.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        Ok(Self {
            client: http::client(&config.http)?,
            stt_url: config.stt_url,
            operation_url: config.operation_url,
            account: config.account,
            max_result_bytes: config.max_result_bytes,
        })
    }

    /// Sends, and takes anything but a success for an error.
    async fn send(&self, request: RequestBuilder, limit: usize) -> Result<Bytes, Failure> {
        let response =
            self.account.sign(request).send().await.map_err(Transport::from).map_err(ReadError::from)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let limit = if status.is_success() { limit } else { LONGEST_MESSAGE };
        let body = read_limited(response, limit).await?;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let after = retry_after(&headers);
        Err(Failure::Status(Status::read(status.as_u16(), &body, request_id(&headers)), after))
    }
}

/// A request without a result, before it is known what was asked.
enum Failure {
    NoAnswer(ReadError),
    Status(Status, Option<std::time::Duration>),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::NoAnswer(error)
    }
}
