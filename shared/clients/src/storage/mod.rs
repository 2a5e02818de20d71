//! Object Storage, in the dialect of S3 that Yandex speaks.
//!
//! Path-style addresses, no checksum trailers (clones of S3 break on them), no `DeleteObjects` (it needs
//! a checksum of a kind not all of them take), and no retries of the SDK's own: a retry is a job's business.
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

/// Where the objects are and as whom they are touched.
#[derive(Debug, Clone)]
pub struct Config {
    /// `https://storage.yandexcloud.net`.
    pub endpoint: Url,
    /// `ru-central1`; another one gives a signature error.
    pub region: String,
    /// The bucket; its name must not be secret, since it is part of links.
    pub bucket: String,
    /// A static key of a service account that may write and delete (`storage.editor`).
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: SecretString,
    /// For name resolution, TCP and TLS together.
    pub connect_timeout: Duration,
    /// For an answer to a small request.
    pub operation_timeout: Duration,
    /// For sending a whole file.
    pub upload_timeout: Duration,
}

/// One bucket; clones share connections.
#[derive(Clone)]
pub struct Storage {
    client: aws_sdk_s3::Client,
    endpoint: Url,
    bucket: String,
    upload_timeout: Duration,
}

impl Storage {
    /// Builds the client; nothing is sent, and nothing is read from the environment.
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
            .region(Region::new(config.region))
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

    /// The clean link of an object, without a signature: SpeechKit reads it with the rights of the
    /// account that pays for the recognition, and ignores query parameters.
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
