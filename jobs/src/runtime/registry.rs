//! Which handler performs which kind.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::run::Run;
use super::verdict::{JobError, JobResult};
use crate::job::Job;
use crate::outbox::Unit;
use crate::policy::{Policy, Queue};

/// Performs one kind of job in the application `App`.
pub trait Handle<App>: Job {
    /// Does the work. May run twice and may be cut off at any `await`.
    fn handle(&self, run: &Run, app: &App) -> impl Future<Output = JobResult> + Send;

    /// The job is being given up for `reason`: leave the state behind it honest, in the transaction
    /// that buries the job.
    fn bury(
        &self,
        _unit: &mut Unit,
        _reason: &str,
        _app: &App,
    ) -> impl Future<Output = Result<(), JobError>> + Send {
        async { Ok(()) }
    }
}

type Perform<App> =
    dyn for<'a> Fn(serde_json::Value, &'a Run, &'a App) -> BoxFuture<'a, JobResult> + Send + Sync;
type Bury<App> = dyn for<'a> Fn(serde_json::Value, &'a mut Unit, &'a str, &'a App) -> BoxFuture<'a, Result<(), JobError>>
    + Send
    + Sync;

/// How one kind is performed.
pub(crate) struct Entry<App> {
    pub(crate) policy: Policy,
    pub(crate) perform: Arc<Perform<App>>,
    pub(crate) bury: Arc<Bury<App>>,
}

/// The kinds a worker can perform.
pub struct Registry<App> {
    entries: BTreeMap<&'static str, Entry<App>>,
}

impl<App> std::fmt::Debug for Registry<App> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl<App> Default for Registry<App> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<App: Send + Sync + 'static> Registry<App> {
    /// Adds a kind.
    #[must_use]
    pub fn with<J: Handle<App>>(mut self) -> Self {
        let perform: Arc<Perform<App>> =
            Arc::new(|payload, run, app| async move { decode::<J>(payload)?.handle(run, app).await }.boxed());
        let bury: Arc<Bury<App>> = Arc::new(|payload, unit, reason, app| {
            async move {
                match decode::<J>(payload) {
                    Ok(job) => job.bury(unit, reason, app).await,
                    // What cannot be read has no state behind it that could be found.
                    Err(_) => Ok(()),
                }
            }
            .boxed()
        });
        self.entries.insert(J::KIND, Entry { policy: J::POLICY, perform, bury });
        self
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&Entry<App>> {
        self.entries.get(kind)
    }

    /// The kinds and the queue each runs on, in alphabetical order.
    pub(crate) fn queues(&self) -> Vec<(&'static str, Queue)> {
        self.entries.iter().map(|(kind, entry)| (*kind, entry.policy.queue)).collect()
    }

    /// The kinds, in alphabetical order.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.entries.keys().copied().collect()
    }
}

fn decode<J: Job>(payload: serde_json::Value) -> Result<J, JobError> {
    serde_json::from_value(payload)
        .map_err(|error| JobError::give_up(format!("the payload cannot be read: {error}")))
}
