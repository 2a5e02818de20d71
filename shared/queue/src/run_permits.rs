//! Run permits of a queue: one per job that may run at once. Jobs get them in the order in which they ask.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::coop::unconstrained;

/// The run permits of a queue.
#[derive(Debug)]
pub(crate) struct RunPermits(Arc<Semaphore>);

/// A request for a run permit. Dropping it withdraws it.
pub(crate) enum PermitRequest {
    Granted(OwnedSemaphorePermit),
    /// Waits behind earlier requests. Ends with the permit.
    Waiting(BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>),
}

impl RunPermits {
    /// For up to `concurrency` jobs at once.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self(Arc::new(Semaphore::new(concurrency)))
    }

    /// Asks for a permit. The request is behind all that were made before, whichever task waits for it first: otherwise
    /// the last jobs of a fetch could start before the first ones, which would be released if the last ones take long.
    pub(crate) fn request(&self) -> PermitRequest {
        // Each task has a budget, after which a poll would not reach the semaphore.
        let mut waiting = unconstrained(Arc::clone(&self.0).acquire_owned()).fuse().boxed();
        match waiting.as_mut().now_or_never() {
            Some(Ok(permit)) => PermitRequest::Granted(permit),
            // The semaphore is never closed.
            Some(Err(_)) | None => PermitRequest::Waiting(waiting),
        }
    }

    /// Number of permits that nobody has.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.0.available_permits()
    }
}

impl PermitRequest {
    /// Whether the permit was free at once.
    pub(crate) fn is_granted(&self) -> bool {
        matches!(self, Self::Granted(_))
    }

    pub(crate) async fn wait(self) -> Option<OwnedSemaphorePermit> {
        match self {
            Self::Granted(permit) => Some(permit),
            Self::Waiting(waiting) => waiting.await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::task::JoinSet;

    use super::*;

    /// More than the budget of a task.
    const REQUESTS: usize = 300;

    #[tokio::test]
    async fn permits_are_granted_in_the_order_of_the_requests() {
        let permits = RunPermits::new(1);
        let first = permits.request();
        assert!(first.is_granted());
        let requests: Vec<PermitRequest> = (0..REQUESTS).map(|_| permits.request()).collect();
        let (granted_tx, mut granted_rx) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        // The last one is waited for first.
        for (number, request) in requests.into_iter().enumerate().rev() {
            let granted_tx = granted_tx.clone();
            tasks.spawn(async move {
                let permit = request.wait().await;
                granted_tx.send(number).unwrap();
                drop(permit);
            });
        }
        drop((first, granted_tx));
        tasks.join_all().await;
        let mut granted = Vec::new();
        while let Some(number) = granted_rx.recv().await {
            granted.push(number);
        }
        assert_eq!(granted, (0..REQUESTS).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_holds_up_no_other() {
        let permits = RunPermits::new(1);
        let (first, dropped, next) = (permits.request(), permits.request(), permits.request());
        drop(first);
        drop(dropped);
        assert!(next.wait().await.is_some());
        assert_eq!(permits.free(), 1);
    }
}
