//! Writes a response body to a file and counts its bytes.

use std::io::SeekFrom;

use futures::StreamExt as _;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::super::coding;
use super::super::error::OutboundError;
use super::{DownloadLimits, Ended, Partial};

/// Appends the decoded body to the part that `partial` describes; returns the `Content-Type`.
pub(super) async fn into_file(
    response: Response,
    file: &mut File,
    limits: &DownloadLimits,
    partial: &mut Partial,
) -> Result<Option<String>, Ended> {
    let too_large = OutboundError::TooLarge { limit: limits.max_bytes };
    if partial.total().is_some_and(|total| total > limits.max_bytes) {
        return Err(too_large.into());
    }
    // Seek first: it waits for pending writes of an interrupted call.
    file.seek(SeekFrom::Start(partial.bytes())).await.map_err(OutboundError::File)?;
    file.set_len(partial.bytes()).await.map_err(OutboundError::File)?;
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    let mut pieces = coding::decode(response)?;
    loop {
        let next = timeout(limits.idle, pieces.next()).await.map_err(|_| Ended::Stalled)?;
        let Some(chunk) = next.transpose().map_err(ended)? else { break };
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if partial.bytes().saturating_add(length) > limits.max_bytes {
            return Err(too_large.into());
        }
        file.write_all(&chunk).await.map_err(OutboundError::File)?;
        partial.add(length);
    }
    file.flush().await.map_err(OutboundError::File)?;
    if partial.is_short() {
        return Err(Ended::Early(None));
    }
    Ok(content_type)
}

fn ended(error: std::io::Error) -> Ended {
    match coding::map_body_error(error) {
        OutboundError::Cut { source, .. } => Ended::Early(source),
        error => Ended::Other(error),
    }
}
