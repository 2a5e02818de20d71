//! Uploads files.

use std::path::Path;

use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;

use super::{Storage, StorageError};

impl Storage {
    /// Uploads a file as `key` and replaces an existing object. The file is streamed from disk.
    pub async fn put_file(&self, key: &str, path: &Path, content_type: &str) -> Result<(), StorageError> {
        let body = ByteStream::from_path(path)
            .await
            .map_err(|error| StorageError::File(std::io::Error::other(error)))?;
        let timeouts = TimeoutConfig::builder().operation_timeout(self.upload_timeout).build();
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .body(body)
            .customize()
            .config_override(Config::builder().timeout_config(timeouts))
            .send()
            .await?;
        Ok(())
    }
}
