//! Performs `upkeep.roll_up_widgets`. Harmless when run twice: each figure replaces the former one of its day.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use flysk_domain::admin::WidgetFigure;
use flysk_jobs::platform::upkeep::RollUpWidgets;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::widgets;
use flysk_store::portal::figures;

use crate::App;

impl JobHandler<App> for RollUpWidgets {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let now = run.now();
        let today = now.date_naive();
        let mut conn = run.pool().acquire().await?;
        let all: Vec<String> =
            widgets::list(&mut conn).await?.iter().map(|widget| widget.id.to_string()).collect();
        for figure in WidgetFigure::ALL {
            // Yesterday once more: a purchase that was paid since midnight belongs to its day.
            let days = if figure.is_state() { vec![today] } else { vec![today - Days::new(1), today] };
            for day in days {
                let (from, until) = (midnight(day), midnight(day + Days::new(1)));
                let found = figures::compute(&mut conn, *figure, from, until).await?;
                let found: BTreeMap<String, i64> = found.into_iter().collect();
                // A widget that has none any more gets a zero.
                let amounts: Vec<(String, i64)> = all
                    .iter()
                    .map(|widget| (widget.clone(), found.get(widget).copied().unwrap_or_default()))
                    .collect();
                figures::write(&mut conn, *figure, day, &amounts, now).await?;
            }
        }
        Ok(JobOutcome::Done)
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}
