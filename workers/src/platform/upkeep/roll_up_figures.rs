//! Performs `upkeep.roll_up_figures`. Harmless when run twice: each figure replaces the former one of its day.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use flysk_domain::admin::Figure;
use flysk_jobs::platform::upkeep::RollUpFigures;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::admin::figures;

use crate::App;

impl JobHandler<App> for RollUpFigures {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let now = run.now();
        let today = now.date_naive();
        let mut conn = run.pool().acquire().await?;
        for figure in Figure::ALL {
            // Yesterday once more: a call that failed or a purchase that was paid since midnight belongs to its day.
            let days =
                if figure.is_present_state() { vec![today] } else { vec![today - Days::new(1), today] };
            for day in days {
                let (from, until) = (midnight(day), midnight(day + Days::new(1)));
                let amount = figures::compute(&mut conn, *figure, from, until, now).await?;
                figures::write(&mut conn, *figure, day, amount, now).await?;
            }
        }
        Ok(JobOutcome::Done)
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}
