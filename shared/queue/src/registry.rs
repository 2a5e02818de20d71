//! Registry of kinds and their handlers.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::context::JobContext;
use crate::job::Job;
use crate::outbox::UnitOfWork;
use crate::outcome::{JobError, JobResult};
use crate::policy::Policy;
use crate::queue_name::QueueName;

/// Handler of one kind in the application `App`.
pub trait JobHandler<App>: Job {
    /// Performs the job. It may run twice and may be dropped at any `await`.
    fn handle(&self, ctx: &JobContext, app: &App) -> impl Future<Output = JobResult> + Send;

    /// Called when the job becomes dead for `reason`: records the failure in the affected state, in the transaction
    /// that marks the job dead.
    fn on_dead(
        &self,
        _unit: &mut UnitOfWork,
        _reason: &str,
        _app: &App,
    ) -> impl Future<Output = Result<(), JobError>> + Send {
        async { Ok(()) }
    }

    /// Called when the worker of an attempt died or froze, before the job is retried or dies: records the attempt, which
    /// began at `started_at` and may have had effects outside. It may be called again for the same attempt. It is not called for a
    /// first attempt that was claimed ahead, whether it began or not.
    fn on_interrupted(
        &self,
        _unit: &mut UnitOfWork,
        _started_at: DateTime<Utc>,
        _app: &App,
    ) -> impl Future<Output = Result<(), JobError>> + Send {
        async { Ok(()) }
    }
}

type HandlerFn<App> =
    dyn for<'a> Fn(serde_json::Value, &'a JobContext, &'a App) -> BoxFuture<'a, JobResult> + Send + Sync;
type OnDeadFn<App> = dyn for<'a> Fn(serde_json::Value, &'a mut UnitOfWork, &'a str, &'a App) -> BoxFuture<'a, Result<(), JobError>>
    + Send
    + Sync;
type OnInterruptedFn<App> = dyn for<'a> Fn(
        serde_json::Value,
        &'a mut UnitOfWork,
        DateTime<Utc>,
        &'a App,
    ) -> BoxFuture<'a, Result<(), JobError>>
    + Send
    + Sync;

/// Policy and handler of one kind.
pub(crate) struct RegisteredKind<App> {
    pub(crate) policy: Policy,
    pub(crate) handler: Arc<HandlerFn<App>>,
    pub(crate) on_dead: Arc<OnDeadFn<App>>,
    pub(crate) on_interrupted: Arc<OnInterruptedFn<App>>,
}

/// What a worker can run: each kind once, with the functions of its handler.
pub struct Registry<App> {
    entries: BTreeMap<&'static str, RegisteredKind<App>>,
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
    pub fn with<J: JobHandler<App>>(mut self) -> Self {
        let handler: Arc<HandlerFn<App>> =
            Arc::new(|payload, ctx, app| async move { decode::<J>(payload)?.handle(ctx, app).await }.boxed());
        let on_dead: Arc<OnDeadFn<App>> = Arc::new(|payload, unit, reason, app| {
            async move {
                match decode::<J>(payload) {
                    Ok(job) => job.on_dead(unit, reason, app).await,
                    // An invalid payload does not tell which state to update.
                    Err(_) => Ok(()),
                }
            }
            .boxed()
        });
        let on_interrupted: Arc<OnInterruptedFn<App>> = Arc::new(|payload, unit, started_at, app| {
            async move {
                match decode::<J>(payload) {
                    Ok(job) => job.on_interrupted(unit, started_at, app).await,
                    Err(_) => Ok(()),
                }
            }
            .boxed()
        });
        let entry = RegisteredKind { policy: J::POLICY, handler, on_dead, on_interrupted };
        self.entries.insert(J::KIND, entry);
        self
    }

    pub(crate) fn get(&self, kind: &str) -> Option<&RegisteredKind<App>> {
        self.entries.get(kind)
    }

    /// Kinds with their queues, in alphabetical order.
    pub(crate) fn queues(&self) -> Vec<(&'static str, QueueName)> {
        self.entries.iter().map(|(kind, entry)| (*kind, entry.policy.queue)).collect()
    }

    /// Kinds in alphabetical order.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.entries.keys().copied().collect()
    }
}

fn decode<J: Job>(payload: serde_json::Value) -> Result<J, JobError> {
    serde_json::from_value(payload).map_err(|error| JobError::give_up(format!("invalid payload: {error}")))
}
