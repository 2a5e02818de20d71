//! Performs `upkeep.roll_up_figures`. Harmless when run twice: each figure replaces the former one of its day.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use flysk_domain::admin::Figure;
use flysk_jobs::platform::upkeep::RollUpFigures;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::admin::figures::{self, DailyFigure};

use crate::App;

/// Figures of yesterday, and those that count all customers, are computed this often: they change little, and the others are
/// computed every minute.
const SLOW_INTERVAL: TimeDelta = TimeDelta::minutes(10);

impl JobHandler<App> for RollUpFigures {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let now = run.now();
        let today = now.date_naive();
        let yesterday = today - Days::new(1);
        let mut conn = run.pool().acquire().await?;
        let fresh = figures::list_fresh(&mut conn, yesterday, now - SLOW_INTERVAL).await?;
        for figure in Figure::ALL {
            // Yesterday once more: a call that failed or a purchase that was paid since midnight belongs to its day.
            let days = if figure.is_present_state() { vec![today] } else { vec![yesterday, today] };
            for day in days {
                let is_slow = figure.is_slow() || day == yesterday;
                if is_slow && is_listed(&fresh, *figure, day) {
                    continue;
                }
                let (from, until) = (midnight(day), midnight(day + Days::new(1)));
                let amount = figures::compute(&mut conn, *figure, from, until, now).await?;
                figures::write(&mut conn, *figure, day, amount, now).await?;
            }
        }
        Ok(JobOutcome::Done)
    }
}

fn is_listed(figures: &[DailyFigure], figure: Figure, day: NaiveDate) -> bool {
    figures.iter().any(|known| known.figure == figure && known.day == day)
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}
