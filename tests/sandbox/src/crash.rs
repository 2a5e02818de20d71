//! Ends of the worker's process in the middle of a job.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A run of a kind of job that is not finished, because its worker's process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// Kind of the job.
    pub kind: String,
    /// Number of runs of this kind that are finished first.
    pub skip: u32,
    /// Number of times that the job goes on before its process ends. Every wait for the database or for a service is one
    /// or more of them. A job that ends earlier is not affected; one that only waits is, in its next run.
    pub after_polls: u32,
}

/// Takes the crash of the next run of `kind`. The crashes before it have let one run more pass.
pub(crate) fn take_planned(planned: &mut Vec<Crash>, kind: &str) -> Option<Crash> {
    for (index, crash) in planned.iter_mut().enumerate() {
        if crash.kind != kind {
            continue;
        }
        if crash.skip == 0 {
            return Some(planned.swap_remove(index));
        }
        crash.skip -= 1;
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_lets_runs_of_its_kind_pass_first() {
        let crash = |kind: &str, skip| Crash { kind: kind.to_owned(), skip, after_polls: 1 };
        let mut planned = vec![crash("a", 1), crash("b", 0), crash("a", 2)];
        let taken: Vec<bool> = ["a", "b", "a", "a", "a"]
            .into_iter()
            .map(|kind| take_planned(&mut planned, kind).is_some())
            .collect();
        assert_eq!(taken, [false, true, true, false, true]);
        assert_eq!(planned, []);
    }
}
