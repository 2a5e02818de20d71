//! Object storage for job handlers.

use std::time::Duration;

use flysk_clients::storage::Storage;

/// Builds the client of object storage. Sends nothing.
pub(super) fn open_storage(config: &flysk_config::Storage) -> Storage {
    Storage::new(flysk_clients::storage::Config {
        endpoint: config.endpoint.clone(),
        bucket: config.bucket.clone(),
        access_key_id: config.access_key_id.clone(),
        secret_access_key: config.secret_access_key.clone(),
        connect_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(30),
        upload_timeout: Duration::from_mins(10),
    })
}
