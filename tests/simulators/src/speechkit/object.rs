//! Fetching of the audio: from the request itself, or from Object Storage with the service's own keys.

use std::io::Write as _;

use flysk_domain::{Clock as _, SystemClock};
use reqwest::StatusCode;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use url::Url;

use super::assignment::Source;
use crate::s3::{Key, presigned_get};
use crate::yandex::{Code, Status};

/// Maximum file size, bytes (SpeechKit, "Quotas and limits": 1 GB).
const SIZE_LIMIT: u64 = 1 << 30;

/// Lifetime of a presigned link for one download, seconds.
const LINK_LIFETIME_S: u32 = 600;

/// The storage that objects are read from.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Base URL: `http://127.0.0.1:9000`.
    pub endpoint: Url,
    /// Key that the recognizer reads with.
    pub key: Key,
}

/// An audio file on the local disk.
#[derive(Debug)]
pub(crate) struct Audio {
    pub(crate) file: NamedTempFile,
    /// SHA-256 of the bytes.
    pub(crate) digest: [u8; 32],
}

/// Fetches the audio to the local disk.
pub(crate) async fn bring(
    http: &reqwest::Client,
    storage: &Storage,
    source: &Source,
) -> Result<Audio, Status> {
    let mut inlet = Inlet::new()?;
    match source {
        Source::Content(bytes) => inlet.take(bytes)?,
        Source::Uri(uri) => {
            let object = storage.object(uri)?;
            let link = presigned_get(&object, &storage.key, SystemClock.now(), LINK_LIFETIME_S);
            let mut response = http.get(link).send().await.map_err(|error| out_of_reach(&error))?;
            match response.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => return Err(Status::invalid(format!("file {uri} is not found"))),
                StatusCode::FORBIDDEN => {
                    let message = format!("no access to file {uri}");
                    return Err(Status::new(Code::PermissionDenied, message));
                }
                status => {
                    let message = format!("storage answered {status}");
                    return Err(Status::new(Code::Unavailable, message));
                }
            }
            while let Some(chunk) = response.chunk().await.map_err(|error| out_of_reach(&error))? {
                inlet.take(&chunk)?;
            }
        }
    }
    inlet.finish()
}

impl Storage {
    /// The object that a `uri` names: path style, in this storage, ignoring the query.
    fn object(&self, uri: &str) -> Result<Url, Status> {
        let refused = |why: &str| Status::invalid(format!("uri {uri:?}: {why}"));
        let named = Url::parse(uri).map_err(|_| refused("not a link"))?;
        if !matches!(named.scheme(), "https" | "http") {
            return Err(refused("only https links are supported"));
        }
        let here = (self.endpoint.host_str(), self.endpoint.port_or_known_default());
        if (named.host_str(), named.port_or_known_default()) != here {
            return Err(refused("only links to Object Storage are supported"));
        }
        let complete =
            named.path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
        if !complete {
            return Err(refused("no bucket or no object key"));
        }
        let mut object = self.endpoint.clone();
        object.set_path(named.path());
        Ok(object)
    }
}

fn out_of_reach(error: &reqwest::Error) -> Status {
    tracing::debug!(error = %error.to_string().split('?').next().unwrap_or_default(), "the storage cannot be read");
    Status::new(Code::Unavailable, "storage cannot be reached")
}

struct Inlet {
    file: NamedTempFile,
    digest: Sha256,
    size: u64,
}

impl Inlet {
    fn new() -> Result<Self, Status> {
        let file = NamedTempFile::new().map_err(|error| Status::new(Code::Internal, error.to_string()))?;
        Ok(Self { file, digest: Sha256::new(), size: 0 })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Status> {
        self.size += bytes.len() as u64;
        if self.size > SIZE_LIMIT {
            return Err(Status::invalid("file is larger than 1 GB"));
        }
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(|error| Status::new(Code::Internal, error.to_string()))
    }

    fn finish(self) -> Result<Audio, Status> {
        if self.size == 0 {
            return Err(Status::invalid("audio is empty"));
        }
        Ok(Audio { file: self.file, digest: self.digest.finalize().into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::Role;

    #[test]
    fn only_path_style_links_to_the_storage_are_accepted() {
        let key = Key { id: "reader".into(), secret: "secret".into(), role: Role::Viewer };
        let storage = Storage { endpoint: Url::parse("http://127.0.0.1:9000").unwrap(), key };
        let object = storage.object("https://127.0.0.1:9000/calls/a/b.mp3?X-Amz-Signature=ignored").unwrap();
        assert_eq!(object.as_str(), "http://127.0.0.1:9000/calls/a/b.mp3");
        for wrong in [
            "",
            "calls/a.mp3",
            "s3://calls/a.mp3",
            "http://127.0.0.1/calls/a.mp3",
            "http://example.com:9000/calls/a.mp3",
            "http://calls.127.0.0.1:9000/a.mp3",
            "http://127.0.0.1:9000/calls",
            "http://127.0.0.1:9000/calls/",
        ] {
            assert!(storage.object(wrong).is_err(), "{wrong}");
        }
    }
}
