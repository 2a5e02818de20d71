//! Performs `lifecycle.replay_events`. Harmless when run twice or in part: an event that was queued again waits, and one
//! that was delivered since has ended after the request; neither is selected.
//!
//! A job queues the events of some queries. Then it ends, and in the same transaction enqueues a job for the events behind them.

use flysk_domain::UnknownText;
use flysk_jobs::platform::lifecycle::ReplayEvents;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::events::deliver_again;
use flysk_store::platform::events::{self, EventFilter};
use flysk_store::repeat_contended;

use crate::App;

/// Events per query.
const BATCH_SIZE: u32 = 200;
/// Queries of a job, which takes seconds for them. All events of a long period would exceed its time limit, and each attempt would
/// begin again.
const BATCHES_PER_JOB: u32 = 5;

impl JobHandler<App> for ReplayEvents {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let filter = filter_of(self)?;
        let (mut after, mut count) = (self.after, 0_u64);
        for _ in 0..BATCHES_PER_JOB {
            let mut conn = run.pool().acquire().await?;
            let batch = events::list_after(&mut conn, self.widget_id, &filter, after, BATCH_SIZE).await?;
            drop(conn);
            let Some(last) = batch.last() else {
                tracing::info!(widget.id = %self.widget_id, events = count, "events replayed");
                return Ok(JobOutcome::Done);
            };
            after = last.number;
            for event in &batch {
                let again = || async {
                    let mut unit = run.begin().await?;
                    deliver_again(&mut unit, event).await?;
                    Ok::<_, JobError>(unit.commit().await?)
                };
                repeat_contended(again).await?;
                count += 1;
            }
        }
        tracing::info!(widget.id = %self.widget_id, events = count, "events replayed; more follow");
        let rest = Self { after, ..self.clone() };
        let go_on = || async {
            let mut unit = run.begin().await?;
            unit.enqueue(&rest).await?;
            run.done(unit).await
        };
        repeat_contended(go_on).await
    }
}

/// The selection of events that a payload describes.
fn filter_of(job: &ReplayEvents) -> Result<EventFilter, JobError> {
    let unknown = |error: UnknownText| JobError::give_up(error.to_string());
    let states = job.states.iter().map(|state| state.parse()).collect::<Result<_, _>>();
    Ok(EventFilter {
        install_id: job.install_id,
        kind: job.kind.as_deref().map(str::parse).transpose().map_err(unknown)?,
        states: states.map_err(unknown)?,
        from: Some(job.from),
        until: Some(job.until),
        ended_before: Some(job.requested_at),
    })
}
