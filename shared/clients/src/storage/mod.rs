//! Client of Yandex Object Storage, which is S3-compatible.
//!
//! Uses path-style URLs, no checksum trailers (S3-compatible services fail on them), no `DeleteObjects` (it requires a
//! checksum that not all of them support), and no retries of the SDK, because jobs retry.
//!
//! Source: Yandex Cloud docs, `storage/tools` and `storage/s3`; behaviour of `aws-sdk-s3` observed on the wire.

mod delete;
mod error;
mod get;
mod list;
mod put;

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use error::{Rejection, StorageError};
pub use get::{ByteRange, Object, ObjectBody};
pub use list::{ObjectInfo, ObjectPage};

/// Bucket, credentials and timeouts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Endpoint: `https://storage.yandexcloud.net`.
    pub endpoint: Url,
    /// The bucket; its name must not be secret, since it is part of links.
    pub bucket: String,
    /// Id of the static key of a service account with role `storage.editor`.
    pub access_key_id: String,
    /// Secret of the static key.
    pub secret_access_key: SecretString,
    /// Timeout of name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Timeout of a small request.
    pub operation_timeout: Duration,
    /// Timeout of uploading a file.
    pub upload_timeout: Duration,
}

/// The region of signatures: Yandex Object Storage has this one only.
const REGION: &str = "ru-central1";

/// One bucket; clones share connections.
#[derive(Clone)]
pub struct Storage {
    client: aws_sdk_s3::Client,
    endpoint: Url,
    bucket: String,
    upload_timeout: Duration,
}

impl Storage {
    /// Builds the client; sends nothing and reads nothing from the environment.
    pub fn new(config: Config) -> Self {
        let key = Credentials::new(
            config.access_key_id,
            config.secret_access_key.expose_secret(),
            None,
            None,
            "flysk configuration",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(config.connect_timeout)
            .operation_timeout(config.operation_timeout)
            .build();
        let sdk = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(config.endpoint.as_str())
            .credentials_provider(key)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self {
            client: aws_sdk_s3::Client::from_conf(sdk),
            endpoint: config.endpoint,
            bucket: config.bucket,
            upload_timeout: config.upload_timeout,
        }
    }

    /// The unsigned URL of an object. SpeechKit reads the object with the rights of the service account that pays for the
    /// recognition, and ignores query parameters.
    pub fn object_url(&self, key: &str) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&self.bucket).extend(key.split('/'));
        }
        url
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("endpoint", &self.endpoint.as_str())
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}
