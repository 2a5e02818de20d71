//! Permits of endpoints: held while a request is under way, and released together with others.

use std::fmt;
use std::time::Duration;

use flysk_queue::limits::{LimitHolder, RateLimiter};
use flysk_store::StoreResult;
use flysk_store::group_commit::{CommitGroup, GroupCommit};
use tokio::sync::oneshot;

/// Permits that are released together at most.
const MAX_GROUP_LEN: usize = 64;
/// Time in which further releases gather after a group of several. Other deliveries may wait for the permits, so it is short.
const GROUP_PAUSE: Duration = Duration::from_millis(1);

/// Releases of permits of this process. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct PermitReleases(GroupCommit<Releases>);

impl PermitReleases {
    pub(crate) fn new(limits: RateLimiter) -> Self {
        Self(GroupCommit::new(Releases { limits }))
    }

    /// A permit that has been granted to this holder.
    pub(crate) fn hold(&self, granted: LimitHolder) -> HeldPermit {
        HeldPermit { held: Some(granted), releases: self.clone() }
    }
}

/// A granted permit. Dropping it releases it, too, after a moment.
pub(crate) struct HeldPermit {
    held: Option<LimitHolder>,
    releases: PermitReleases,
}

impl fmt::Debug for HeldPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldPermit").field("held", &self.held).finish_non_exhaustive()
    }
}

impl HeldPermit {
    /// Releases the permit. If that fails, it expires.
    pub(crate) async fn release(mut self) {
        let Some(held) = self.held.take() else { return };
        if let Err(error) = self.releases.0.submit((), held).await {
            tracing::debug!(error = %error, "failed to release a permit");
        }
    }
}

impl Drop for HeldPermit {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        // Without a runtime the process ends, and the permit expires.
        if tokio::runtime::Handle::try_current().is_ok() {
            let (released_tx, _) = oneshot::channel();
            self.releases.0.queue((), held, released_tx);
        }
    }
}

struct Releases {
    limits: RateLimiter,
}

impl CommitGroup for Releases {
    type Key = ();
    type Item = LimitHolder;
    type Outcome = ();

    const MAX_GROUP_LEN: usize = MAX_GROUP_LEN;
    const GATHERS_FIRST: bool = true;

    async fn commit(&self, (): (), held: &[LimitHolder]) -> StoreResult<Vec<()>> {
        self.limits.release_permits(held).await;
        Ok(vec![(); held.len()])
    }

    fn pause_after(len: usize) -> Duration {
        if len > 1 { GROUP_PAUSE } else { Duration::ZERO }
    }
}
