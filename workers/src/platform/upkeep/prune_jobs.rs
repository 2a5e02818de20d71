//! Performs `upkeep.prune_jobs`. Harmless when run twice: deleted rows stay deleted.

use flysk_jobs::platform::upkeep::PruneJobs;
use flysk_queue::{JobContext, JobHandler, JobResult};
use flysk_store::retention::{PRUNE_JOBS, PRUNINGS};

use super::pieces::{self, RunTime};
use crate::App;

impl JobHandler<App> for PruneJobs {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let own = PRUNINGS.iter().copied().filter(|pruning| pruning.job == PRUNE_JOBS).collect();
        let is_finished = pieces::prune(run, RunTime::start(), own, run.now()).await?;
        Ok(pieces::outcome(run, is_finished))
    }
}
