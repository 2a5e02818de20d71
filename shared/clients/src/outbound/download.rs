//! Downloads into a file, taken up again where the connection broke.
//!
//! Telephonies answer conditional requests with 304 and caches with old pages, so nothing conditional
//! is sent and `no-cache` is asked for; `If-Range` guards a resumed download against a changed file.

mod range;
mod transfer;

use std::time::Duration;

use tokio::fs::File;
use tokio::time::timeout;

use super::Outbound;
use super::error::OutboundError;

pub use range::{Partial, PartialMemo};

/// How much of our time and disk a stranger's file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadLimits {
    /// Longest file.
    pub max_bytes: u64,
    /// For everything, redirects and resumed connections included.
    pub total: Duration,
    /// Without a single byte, the answer's first included.
    pub idle: Duration,
    /// How often a broken connection is taken up again.
    pub max_resumes: u32,
}

impl Default for DownloadLimits {
    /// 1 GB, 10 min, 30 s, 5 times.
    fn default() -> Self {
        Self {
            max_bytes: 1_000_000_000,
            total: Duration::from_mins(10),
            idle: Duration::from_secs(30),
            max_resumes: 5,
        }
    }
}

/// A file that came whole, as far as its server told its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its length.
    pub bytes: u64,
    /// What the server says it is; not to be believed.
    pub content_type: Option<String>,
    /// How often the connection was taken up again.
    pub resumes: u32,
}

impl Outbound {
    /// Downloads `url` into `file`, which is overwritten from `partial` on.
    ///
    /// `partial` says what the file holds already: its default for nothing. After an error it says what
    /// the file holds then, and the same call may be made again with it.
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
            match self.download_once(url, file, limits, partial).await {
                Ok(content_type) => return Ok(Downloaded { bytes: partial.bytes(), content_type, resumes }),
                Err(OutboundError::Cut { source, .. }) => {
                    if resumes == limits.max_resumes {
                        return Err(OutboundError::Cut { times: resumes + 1, source });
                    }
                    resumes += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn download_once(
        &self,
        url: &str,
        file: &mut File,
        limits: &DownloadLimits,
        partial: &mut Partial,
    ) -> Result<Option<String>, OutboundError> {
        let response = self.get_file(url, &partial.range_headers(), limits.idle).await?;
        partial.accept(&response)?;
        transfer::into_file(response, file, limits, partial).await
    }
}
