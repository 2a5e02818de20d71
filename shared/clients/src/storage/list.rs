//! Lists objects.

use aws_sdk_s3::types::Object;
use chrono::{DateTime, Utc};

use super::{Storage, StorageError};

/// Metadata of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Name in the bucket.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Time of the upload.
    pub modified_at: DateTime<Utc>,
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// At most 1000 objects, sorted by key.
    pub objects: Vec<ObjectInfo>,
    /// Token of the next page; `None` on the last page.
    pub next: Option<String>,
}

impl Storage {
    /// Lists objects whose key begins with `prefix`; `page` is `next` of the previous page.
    pub async fn list(&self, prefix: &str, page: Option<&str>) -> Result<ObjectPage, StorageError> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_continuation_token(page.map(str::to_owned))
            .send()
            .await?;
        let next = listed.next_continuation_token.filter(|_| listed.is_truncated == Some(true));
        let objects = listed.contents.unwrap_or_default().into_iter().filter_map(info_of).collect();
        Ok(ObjectPage { objects, next })
    }

    /// Whether an object with this key exists.
    pub async fn exists(&self, key: &str) -> Result<bool, StorageError> {
        let looked = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        match looked.map_err(StorageError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn info_of(object: Object) -> Option<ObjectInfo> {
    let modified = object.last_modified?;
    Some(ObjectInfo {
        key: object.key?,
        bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
        modified_at: DateTime::from_timestamp(modified.secs(), modified.subsec_nanos())?,
    })
}
