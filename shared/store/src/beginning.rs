//! Beginning transactions by callers that may be dropped meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;

use crate::connection::PING_TIMEOUT;
use crate::{Pool, Tx};

/// Begins a transaction on a connection of the pool.
///
/// sqlx 0.9 knows of a transaction only when `BEGIN` is answered: a caller of `Pool::begin` that is dropped before leaves one open on a
/// connection that goes back to the pool. If the caller of this is dropped, a task waits for the answer and rolls back. It waits for
/// three seconds: then the pool gets the connection as it is, tests it, and closes it. Over TLS, the end of that waits for the server
/// or the kernel (see [`crate::configure_pool`]).
///
/// # Errors
///
/// As those of `Pool::begin`.
pub fn begin(pool: &Pool) -> impl Future<Output = sqlx::Result<Tx>> + Send + use<> {
    let pool = pool.clone();
    Beginning { begun: Some(Box::pin(async move { pool.begin().await })), is_asked: false }
}

type Begun = Pin<Box<dyn Future<Output = sqlx::Result<Tx>> + Send>>;

struct Beginning {
    /// `None` after the end.
    begun: Option<Begun>,
    /// Whether it was polled.
    is_asked: bool,
}

impl Future for Beginning {
    type Output = sqlx::Result<Tx>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.is_asked = true;
        let Some(begun) = self.begun.as_mut() else { return Poll::Pending };
        let outcome = ready!(begun.as_mut().poll(context));
        self.begun = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        let begun = self.begun.take().filter(|_| self.is_asked);
        // Without a runtime, nobody else uses the connection either.
        if let (Some(begun), Ok(runtime)) = (begun, Handle::try_current()) {
            // A server that does not answer must not keep the connection: dropped here, the pool tests it, with a time limit.
            runtime.spawn(async move { drop(tokio::time::timeout(PING_TIMEOUT, begun).await) });
        }
    }
}
