//! Requests to the control API run to their end, even if their client has gone.
//!
//! Such a request runs jobs. A job that is dropped halfway stays `running` with nobody who would take it again, and everything
//! behind it waits for ever; a reset that is dropped halfway leaves no sandbox.

use std::sync::Arc;

use poem::endpoint::{BoxEndpoint, DynEndpoint};
use poem::{Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::problem::{self, Problem};

/// Requests that have begun. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests {
    tasks: TaskTracker,
    stopped: CancellationToken,
}

impl Requests {
    /// The answer of the endpoint, which is called in a task of its own.
    pub(super) async fn answer(
        &self,
        endpoint: &Arc<BoxEndpoint<'static, Response>>,
        request: Request,
    ) -> Response {
        let (endpoint, stopped) = (Arc::clone(endpoint), self.stopped.clone());
        let task = self.tasks.spawn(async move {
            let answer = DynEndpoint::call(&**endpoint, request);
            stopped.run_until_cancelled(answer).await
        });
        match task.await {
            Ok(Some(Ok(response))) => response,
            Ok(Some(Err(error))) => problem::answer(error),
            Ok(None) => Problem::stopping().response(),
            Err(error) => Problem::internal(&error.into()).response(),
        }
    }

    /// Ends all of them where they wait: the sandbox stops.
    pub(super) async fn stop(&self) {
        self.stopped.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Poll;

    use poem::http::StatusCode;
    use poem::{EndpointExt as _, endpoint};
    use tokio::sync::Semaphore;

    use super::*;

    /// An endpoint that ends as soon as there is a permit, and then tells so.
    fn gated(gate: &Arc<Semaphore>, ended: &Arc<AtomicBool>) -> Arc<BoxEndpoint<'static, Response>> {
        let (gate, ended) = (Arc::clone(gate), Arc::clone(ended));
        Arc::new(
            endpoint::make(move |_| {
                let (gate, ended) = (Arc::clone(&gate), Arc::clone(&ended));
                async move {
                    let _passed = gate.acquire().await;
                    ended.store(true, Ordering::SeqCst);
                    Response::default()
                }
            })
            .boxed(),
        )
    }

    #[tokio::test]
    async fn a_request_whose_client_has_gone_runs_to_its_end() {
        let (gate, ended) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
        let (requests, endpoint) = (Requests::default(), gated(&gate, &ended));
        {
            let mut answer = std::pin::pin!(requests.answer(&endpoint, Request::default()));
            assert!(matches!(futures::poll!(&mut answer), Poll::Pending));
        }
        gate.add_permits(1);
        requests.tasks.close();
        requests.tasks.wait().await;
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_sandbox_that_stops_ends_requests_where_they_wait() {
        let (gate, ended) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
        let (requests, endpoint) = (Requests::default(), gated(&gate, &ended));
        let (answer, ()) = tokio::join!(requests.answer(&endpoint, Request::default()), requests.stop());
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!ended.load(Ordering::SeqCst));
    }
}
