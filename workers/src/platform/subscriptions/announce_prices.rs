//! Performs `billing.announce_prices`. Harmless when run twice: a customer is told once per campaign, which a unique key
//! ensures, and each in a transaction of its own.

use flysk_jobs::platform::subscriptions::AnnouncePrices;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::subscriptions::announce_price;
use flysk_store::platform::subscriptions::{self, PriceCampaign};
use flysk_store::repeat_contended;

use crate::App;

/// Customers per campaign and run; the next run continues.
const MAX_CUSTOMERS_PER_RUN: u32 = 1_000;
/// Customers read at once.
const CUSTOMERS_PER_PAGE: u32 = 200;

impl JobHandler<App> for AnnouncePrices {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let campaigns = subscriptions::list_running_campaigns(&mut conn).await?;
        drop(conn);
        for campaign in campaigns {
            let told = announce(run, app, &campaign).await?;
            if told > 0 {
                tracing::info!(campaign.id = %campaign.id, told, "customers notified of a new price");
            }
        }
        Ok(JobOutcome::Done)
    }
}

/// Announces the new price to customers of one campaign; returns their number.
async fn announce(run: &JobContext, app: &App, campaign: &PriceCampaign) -> Result<u32, JobError> {
    let (mut after, mut told) = (None, 0);
    for _ in 0..MAX_CUSTOMERS_PER_RUN / CUSTOMERS_PER_PAGE {
        let mut conn = run.pool().acquire().await?;
        let page =
            subscriptions::list_customers_to_notify(&mut conn, campaign, after, CUSTOMERS_PER_PAGE).await?;
        drop(conn);
        let Some(last) = page.last().copied() else { break };
        for id in page {
            let tell = || async {
                let mut unit = run.begin().await?;
                let is_new = announce_price(&mut unit, app.clock(), campaign, id).await?;
                unit.commit().await?;
                Ok::<_, JobError>(is_new)
            };
            told += u32::from(repeat_contended(tell).await?);
        }
        after = Some(last);
    }
    Ok(told)
}
