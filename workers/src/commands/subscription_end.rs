//! `flysk-worker subscription:end-…`: operators end subscriptions that nobody pays any more.

use std::io::Write as _;

use clap::Args;
use flysk_services::subscriptions::{self as services, settings_of};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

use super::record::record;
use super::subscription::{By, Owner, recorded, state_of, trace};
use super::transaction::transact;

/// Ends a subscription whose current period was refunded whole.
#[derive(Debug, Args)]
pub(super) struct EndRefunded {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    by: By,
}

impl EndRefunded {
    /// Ends the subscription at once.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let end = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
            let clock = outbox.clock().as_ref();
            let ended = services::end_refunded(&mut unit, clock, &settings_of(&widget), &row, act).await?;
            let after = state_of(&ended);
            record(&mut unit, clock, recorded("subscription.end_refunded", &row, act, after)).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(end).await?;
        writeln!(std::io::stdout(), "The subscription has ended.")?;
        Ok(())
    }
}

/// Ends the review of a lapsed subscription.
#[derive(Debug, Args)]
pub(super) struct EndReview {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    by: By,
}

impl EndReview {
    /// Ends the subscription as unpaid.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let end = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
            let clock = outbox.clock().as_ref();
            let new = services::clear_review(&mut unit, clock, &settings_of(&widget), &row, act).await?;
            let after = state_of(&new);
            record(&mut unit, clock, recorded("subscription.end_review", &row, act, after)).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(end).await?;
        writeln!(std::io::stdout(), "The subscription has ended; the customer may start anew.")?;
        Ok(())
    }
}
