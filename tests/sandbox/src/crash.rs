//! Ends of the worker's process in the middle of a job.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The next run of a kind of job is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crash {
    /// Kind of the job.
    pub(crate) kind: String,
    /// Number of times that the job goes on before its process ends. Every wait for the database or for a service is one
    /// or more of them.
    pub(crate) after_polls: u32,
}

/// Polls a future at most `polls` times; `None` if it has not ended by then. It is dropped where it waits, as a process that
/// is killed drops it: its transaction is rolled back, and what it has sent is on its way.
pub(crate) async fn poll_at_most<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    Limited { polls, future: Box::pin(future) }.await
}

struct Limited<F> {
    polls: u32,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Limited<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls.checked_sub(1) else { return Poll::Ready(None) };
        self.polls = left;
        self.future.as_mut().poll(context).map(Some)
    }
}
