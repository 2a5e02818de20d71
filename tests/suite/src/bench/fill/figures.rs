//! Figures of the dashboard, computed from the filled rows by the product's own statements.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use flysk_domain::admin::Figure;
use flysk_store::Pool;
use flysk_store::admin::figures;

/// Days that the dashboard shows.
const FIGURE_DAYS: u64 = 30;

/// Computes all figures, as the job `upkeep.roll_up_figures` does every minute.
pub(super) async fn roll_up(pool: &Pool, now: DateTime<Utc>) -> anyhow::Result<()> {
    let today = now.date_naive();
    let mut conn = pool.acquire().await?;
    for figure in Figure::ALL {
        let days = if figure.is_present_state() { 1 } else { FIGURE_DAYS };
        for day in (0..days).map(|ago| today - Days::new(ago)) {
            let (from, until) = (midnight(day), midnight(day + Days::new(1)));
            let amount = figures::compute(&mut conn, *figure, from, until, now).await?;
            figures::write(&mut conn, *figure, day, amount, now).await?;
        }
    }
    Ok(())
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}
