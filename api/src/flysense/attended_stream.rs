//! The bytes of a recording for a listener who must keep reading.
//!
//! A player that is paused, or gone behind a proxy, reads nothing and holds its permit. After [`MAX_UNREAD`] it loses the permit
//! and the connection to the recording's host; a player that goes on asks for the rest by a range.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;

/// Maximum time in which a listener reads nothing.
pub(super) const MAX_UNREAD: Duration = Duration::from_mins(1);

/// The pieces of `body`, read as the listener takes them. `permit` is dropped after the last piece, an error, the listener's
/// end, or `max_unread` without reading; then the stream ends with an error.
pub(super) fn attended<P: Send + 'static>(
    body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    permit: P,
    max_unread: Duration,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _permit = permit;
        let mut body = std::pin::pin!(body);
        loop {
            // A listener that has gone need not wait for the host.
            let piece = tokio::select! {
                piece = body.next() => piece,
                () = sender.closed() => return,
            };
            let last = !matches!(piece, Some(Ok(_)));
            // An error here is a listener that reads nothing, or has gone.
            if sender.send_timeout(piece.transpose(), max_unread).await.is_err() || last {
                return;
            }
        }
    });
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Ok(piece)) => piece.map(|piece| (Ok(piece), Some(receiver))),
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn pieces(number: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::iter((0..number).map(|_| Ok(Bytes::from_static(b"sound"))))
    }

    #[tokio::test]
    async fn a_listener_who_reads_gets_everything_and_gives_the_permit_back() {
        let permit = Arc::new(());
        let read: Vec<_> = attended(pieces(100), Arc::clone(&permit), MAX_UNREAD).collect().await;
        assert!(read.len() == 100 && read.iter().all(Result::is_ok));
        while Arc::strong_count(&permit) > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_listener_who_reads_nothing_gives_the_permit_back_and_sees_no_end() {
        let permit = Arc::new(());
        let unread = Box::pin(attended(pieces(100), Arc::clone(&permit), Duration::from_millis(20)));
        while Arc::strong_count(&permit) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let rest: Vec<_> = unread.collect().await;
        assert!(rest.len() < 100 && rest.last().unwrap().is_err(), "the recording looks complete");
    }

    #[tokio::test]
    async fn a_listener_who_leaves_gives_the_permit_back_while_the_host_says_nothing() {
        let permit = Arc::new(());
        drop(attended(stream::pending(), Arc::clone(&permit), MAX_UNREAD));
        while Arc::strong_count(&permit) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
