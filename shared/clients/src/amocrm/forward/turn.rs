//! Whose turn it is while a body goes out piece by piece: amoCRM is not late while we have nothing to give it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Since when it is amoCRM's turn; `None` while the next piece has not come to us. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Turn(watch::Sender<Option<Instant>>);

impl Turn {
    /// amoCRM's, from now on.
    pub(super) fn amocrms() -> Self {
        Self(watch::Sender::new(Some(Instant::now())))
    }

    /// The same pieces; the turn passes with each of them, and back when the next is asked for.
    pub(super) fn taking_turns(
        &self,
        mut pieces: BoxStream<'static, io::Result<Bytes>>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let turn = self.clone();
        stream::poll_fn(move |context| {
            let next = pieces.poll_next_unpin(context);
            turn.0.send_replace(next.is_ready().then(Instant::now));
            next
        })
    }

    /// Ends when amoCRM has left its turn unused for so long.
    pub(super) async fn is_missed(&self, patience: Duration) {
        let mut watching = self.0.subscribe();
        loop {
            let since = *watching.borrow_and_update();
            let missed = async {
                match since {
                    Some(since) => sleep_until(since + patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = missed => return,
                // The sender is ours as well, so there is always somebody who could change it.
                _ = watching.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    /// A body of two pieces, the second of which comes long after the first.
    fn slow() -> BoxStream<'static, io::Result<Bytes>> {
        let first = stream::iter([Ok(Bytes::from_static(b"1"))]);
        let second = stream::once(async {
            sleep(PATIENCE * 3).await;
            Ok(Bytes::from_static(b"2"))
        });
        first.chain(second).boxed()
    }

    #[tokio::test]
    async fn a_caller_who_is_slow_is_not_amocrms_silence() {
        let turn = Turn::amocrms();
        let mut pieces = turn.taking_turns(slow()).boxed();
        let all = async { while pieces.next().await.is_some() {} };
        tokio::select! {
            () = turn.is_missed(PATIENCE) => panic!("amoCRM took everything at once"),
            () = all => {}
        }
    }

    #[tokio::test]
    async fn amocrm_that_takes_nothing_more_misses_its_turn() {
        let turn = Turn::amocrms();
        let mut pieces = turn.taking_turns(slow()).boxed();
        sleep(PATIENCE / 2).await;
        let taken = Instant::now();
        pieces.next().await;
        assert!(timeout(Duration::from_mins(1), turn.is_missed(PATIENCE)).await.is_ok());
        assert!(taken.elapsed() >= PATIENCE, "the piece it took began its turn anew");
    }
}
