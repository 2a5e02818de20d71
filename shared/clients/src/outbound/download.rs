//! Downloads into a file; resumes after broken connections.
//!
//! Telephony systems answer conditional requests with 304, and caches with old pages. So requests are unconditional and
//! have `no-cache`. `If-Range` protects a resumed download against a changed file.
//!
//! Some hosts announce more bytes than the file has. If the response ends repeatedly at the same byte, that byte is the
//! end of the file, and the download is marked as short.

mod range;
mod transfer;

use std::time::Duration;

use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::Outbound;
use super::error::OutboundError;
use crate::http::Transport;

use range::Accepted;
pub use range::{Partial, ResumeToken};

/// Number of responses that break or stall at the same byte until that byte counts as the end of the file.
const SAME_END_LIMIT: u32 = 3;

/// Time and size limits of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadLimits {
    /// Maximum size of the file in bytes.
    pub max_bytes: u64,
    /// Total time limit, including redirects and resumed connections.
    pub total: Duration,
    /// Maximum time without data, also before the first byte.
    pub idle: Duration,
    /// Maximum number of resumed connections.
    pub max_resumes: u32,
}

impl Default for DownloadLimits {
    /// 1 GB, 10 min in total, 30 s without data, 5 resumes.
    fn default() -> Self {
        Self {
            max_bytes: 1_000_000_000,
            total: Duration::from_mins(10),
            idle: Duration::from_secs(30),
            max_resumes: 5,
        }
    }
}

/// A downloaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Length in bytes.
    pub bytes: u64,
    /// `Content-Type` of the server; untrusted.
    pub content_type: Option<String>,
    /// Number of resumed connections.
    pub resumes: u32,
    /// The server announced more bytes, but the response always ended at the same byte: the end of the file may be missing.
    pub is_short: bool,
}

impl Outbound {
    /// Downloads `url` into `file`, which is overwritten after the bytes of `partial`.
    ///
    /// `partial` describes the content of the file; its default is an empty file. After an error it is up to date, so that
    /// the caller can resume with it.
    pub async fn download(
        &self,
        url: &str,
        file: &mut File,
        limits: &DownloadLimits,
        partial: &mut Partial,
    ) -> Result<Downloaded, OutboundError> {
        let whole = timeout(limits.total, self.download_resuming(url, file, limits, partial));
        whole.await.map_err(|_| OutboundError::TimedOut)?
    }

    async fn download_resuming(
        &self,
        url: &str,
        file: &mut File,
        limits: &DownloadLimits,
        partial: &mut Partial,
    ) -> Result<Downloaded, OutboundError> {
        let mut resumes = 0;
        loop {
            let source = match self.download_once(url, file, limits, partial).await {
                Ok(content_type) => {
                    return Ok(Downloaded { bytes: partial.bytes(), content_type, resumes, is_short: false });
                }
                Err(Ended::Early(_) | Ended::Stalled) if partial.count_end() >= SAME_END_LIMIT => {
                    file.flush().await.map_err(OutboundError::File)?;
                    let bytes = partial.bytes();
                    return Ok(Downloaded { bytes, content_type: None, resumes, is_short: true });
                }
                Err(Ended::Early(source) | Ended::Other(OutboundError::Cut { source, .. })) => source,
                // A stall has already taken the idle timeout. The next attempt of the job resumes at this byte.
                Err(Ended::Stalled) => return Err(OutboundError::TimedOut),
                Err(Ended::Other(error)) => return Err(error),
            };
            if resumes == limits.max_resumes {
                return Err(OutboundError::Cut { times: resumes + 1, source });
            }
            resumes += 1;
        }
    }

    async fn download_once(
        &self,
        url: &str,
        file: &mut File,
        limits: &DownloadLimits,
        partial: &mut Partial,
    ) -> Result<Option<String>, Ended> {
        let response = self.get_file(url, &partial.range_headers(), limits.idle).await?;
        match partial.accept(&response)? {
            Accepted::Bytes => transfer::into_file(response, file, limits, partial).await,
            Accepted::Whole => {
                file.set_len(partial.bytes()).await.map_err(OutboundError::File)?;
                Ok(None)
            }
        }
    }
}

/// Reason why a response did not complete the file.
#[derive(Debug)]
enum Ended {
    /// The connection ended before the announced length.
    Early(Option<Transport>),
    /// No data within the idle timeout.
    Stalled,
    /// Any other error.
    Other(OutboundError),
}

impl From<OutboundError> for Ended {
    fn from(error: OutboundError) -> Self {
        Self::Other(error)
    }
}
