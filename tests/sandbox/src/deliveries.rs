//! Deliveries that have nothing to wait for any more, though their time by a clock that stands has not come.

use std::collections::BTreeSet;

use flysk_domain::id::JobId;
use flysk_store::{Conn, jobs};

use crate::sandbox::Sandbox;

/// Deliveries of events that were never sent, that are the first in the line of their install, and whose endpoint works.
const READY: &str = "SELECT j.id
    FROM jobs j FORCE INDEX (jobs_waiting_key) JOIN lifecycle_events e ON e.id = j.waiting_key
    WHERE j.kind = 'lifecycle.deliver_event' AND j.waiting_key > '' AND j.state = 'queued' AND j.attempt = 0
      AND j.run_at > ? AND e.state = 'waiting' AND e.attempts = 0
      AND NOT EXISTS (SELECT 1 FROM lifecycle_events p
                      WHERE p.install_id = e.install_id AND p.state = 'waiting' AND p.sequence < e.sequence)
      AND NOT EXISTS (SELECT 1 FROM event_endpoints b WHERE b.widget_id = e.widget_id AND b.open_until > ?)";

impl Sandbox {
    /// Lists the deliveries that wait for nothing any more. None if the clock runs: their time comes by itself.
    ///
    /// A delivery looks again after some seconds if the event before it is still being sent, or if its endpoint is busy. The end of the
    /// event before makes it due, unless the event was recorded at that moment; and a busy endpoint is free after some seconds of real
    /// time, in which a clock that stands does not move.
    pub(crate) async fn list_ready_deliveries(&self, conn: &mut Conn) -> anyhow::Result<BTreeSet<JobId>> {
        if !self.clock.is_frozen() {
            return Ok(BTreeSet::new());
        }
        let now = self.now();
        let ready: Vec<String> = sqlx::query_scalar(READY).bind(now).bind(now).fetch_all(conn).await?;
        ready.iter().map(|id| Ok(id.parse()?)).collect()
    }

    /// Makes jobs that wait due now.
    pub(crate) async fn make_due(&self, conn: &mut Conn, waiting: &BTreeSet<JobId>) -> anyhow::Result<()> {
        for id in waiting {
            jobs::reschedule(conn, *id, self.now()).await?;
        }
        Ok(())
    }
}
