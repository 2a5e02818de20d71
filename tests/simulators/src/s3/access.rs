//! Access control of the bucket.

use std::collections::HashMap;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::{S3Result, s3_error};

use super::REGION;

/// A role of Object Storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `storage.viewer`: reads and lists.
    Viewer,
    /// `storage.uploader`: also writes, but cannot delete.
    Uploader,
    /// `storage.editor`: also deletes.
    Editor,
}

/// A static access key.
#[derive(Clone)]
pub struct Key {
    /// Access key id.
    pub id: String,
    /// Signs requests; never sent.
    pub secret: String,
    /// Role of the key's service account.
    pub role: Role,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Key").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Roles by access key id.
pub(super) struct Roles(HashMap<String, Role>);

impl Roles {
    pub(super) fn new(keys: &[Key]) -> Self {
        Self(keys.iter().map(|key| (key.id.clone(), key.role)).collect())
    }
}

#[async_trait::async_trait]
impl S3Access for Roles {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "Anonymous access is forbidden"));
        };
        // The signature was verified for the region that the client named, so the region is checked here.
        if signed_region(context.headers(), context.uri()).is_none_or(|region| region != REGION) {
            return Err(s3_error!(SignatureDoesNotMatch, "The request is signed for another region"));
        }
        let operation = context.s3_op().name();
        let allowed = match self.0.get(&credentials.access_key) {
            None => false,
            Some(Role::Editor) => true,
            Some(Role::Uploader) => !operation.starts_with("Delete"),
            Some(Role::Viewer) => ["Get", "Head", "List"].iter().any(|verb| operation.starts_with(verb)),
        };
        if allowed { Ok(()) } else { Err(s3_error!(AccessDenied, "The role does not allow {operation}")) }
    }
}

/// The region in the credential scope `<key>/<date>/<region>/s3/aws4_request`, from the header or the query.
fn signed_region(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_header =
        header.and_then(|value| value.split_once("Credential=")).map(|(_, scope)| scope.to_owned());
    let in_query = || {
        let mut pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
        pairs.find(|(name, _)| name == "X-Amz-Credential").map(|(_, scope)| scope.into_owned())
    };
    in_header.or_else(in_query)?.split('/').nth(2).map(str::to_owned)
}
