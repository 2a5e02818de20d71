//! Downloads into a file, taken up again where the connection broke.
//!
//! Telephonies answer conditional requests with 304 and caches with old pages, so nothing conditional
//! is sent and `no-cache` is asked for; `If-Range` guards a resumed download against a changed file.
//!
//! Some hosts promise more bytes than the file has. An end that is met again and again at one byte is the file's, and is told
//! as one that came too early.

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
pub use range::{Partial, PartialMemo};

/// How often an answer ends at one byte, broken off or silent, until that is taken for the file's end.
const SAME_END_TIMES: u32 = 3;

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

/// A file that came, as far as its server gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Its length.
    pub bytes: u64,
    /// What the server says it is; not to be believed.
    pub content_type: Option<String>,
    /// How often the connection was taken up again.
    pub resumes: u32,
    /// More was promised, and the connection ended at the same byte each time: the file may lack its end.
    pub is_short: bool,
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
            let source = match self.download_once(url, file, limits, partial).await {
                Ok(content_type) => {
                    return Ok(Downloaded { bytes: partial.bytes(), content_type, resumes, is_short: false });
                }
                Err(Ended::Early(_) | Ended::Stalled) if partial.count_end() >= SAME_END_TIMES => {
                    file.flush().await.map_err(OutboundError::File)?;
                    let bytes = partial.bytes();
                    return Ok(Downloaded { bytes, content_type: None, resumes, is_short: true });
                }
                Err(Ended::Early(source) | Ended::Other(OutboundError::Cut { source, .. })) => source,
                // Silence costs time: another attempt asks again, and remembers where this one ended.
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

/// How an answer ended that did not bring the file's end.
#[derive(Debug)]
enum Ended {
    /// The body's connection ended before all that was promised had come.
    Early(Option<Transport>),
    /// The body went silent.
    Stalled,
    /// Everything else.
    Other(OutboundError),
}

impl From<OutboundError> for Ended {
    fn from(error: OutboundError) -> Self {
        Self::Other(error)
    }
}
