//! Stall timer of an upload to amoCRM; it pauses while there is nothing to send.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Start of waiting for amoCRM; `None` while waiting for the client's next piece. Clones share the state.
#[derive(Debug, Clone)]
pub(super) struct StallTimer(watch::Sender<Option<Instant>>);

impl StallTimer {
    pub(super) fn started() -> Self {
        Self(watch::Sender::new(Some(Instant::now())))
    }

    /// Passes the pieces on. Each piece restarts the timer; waiting for the next piece pauses it.
    pub(super) fn track(
        &self,
        mut pieces: BoxStream<'static, io::Result<Bytes>>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let stall_timer = self.clone();
        stream::poll_fn(move |context| {
            let next = pieces.poll_next_unpin(context);
            stall_timer.0.send_replace(next.is_ready().then(Instant::now));
            next
        })
    }

    /// Resolves when amoCRM has read nothing for `stall_timeout`.
    pub(super) async fn stalled(&self, stall_timeout: Duration) {
        let mut since_rx = self.0.subscribe();
        loop {
            let since = *since_rx.borrow_and_update();
            let stalled = async {
                match since {
                    Some(since) => sleep_until(since + stall_timeout).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stalled => return,
                // `self` keeps a sender, so `changed` never fails.
                _ = since_rx.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const STALL_TIMEOUT: Duration = Duration::from_millis(300);

    /// A body of two pieces with a long pause between them.
    fn slow() -> BoxStream<'static, io::Result<Bytes>> {
        let first = stream::iter([Ok(Bytes::from_static(b"1"))]);
        let second = stream::once(async {
            sleep(STALL_TIMEOUT * 3).await;
            Ok(Bytes::from_static(b"2"))
        });
        first.chain(second).boxed()
    }

    #[tokio::test]
    async fn a_caller_who_is_slow_is_not_amocrms_silence() {
        let stall_timer = StallTimer::started();
        let mut pieces = stall_timer.track(slow()).boxed();
        let all = async { while pieces.next().await.is_some() {} };
        tokio::select! {
            () = stall_timer.stalled(STALL_TIMEOUT) => panic!("stalled although amoCRM read each piece at once"),
            () = all => {}
        }
    }

    #[tokio::test]
    async fn amocrm_that_takes_nothing_more_stalls() {
        let stall_timer = StallTimer::started();
        let mut pieces = stall_timer.track(slow()).boxed();
        sleep(STALL_TIMEOUT / 2).await;
        let taken = Instant::now();
        pieces.next().await;
        assert!(timeout(Duration::from_mins(1), stall_timer.stalled(STALL_TIMEOUT)).await.is_ok());
        assert!(taken.elapsed() >= STALL_TIMEOUT, "the piece must restart the timer");
    }
}
