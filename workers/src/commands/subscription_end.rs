//! `flysk-worker subscription:end-…`: operators end subscriptions that nobody pays any more.

use std::io::Write as _;

use clap::Args;
use flysk_services::audit_states::subscription_state;
use flysk_services::subscriptions::{self as services, settings_of};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

use super::by::By;
use super::record::record;
use super::subscription::{Owner, recorded};
use super::trace::trace;
use super::transaction::transact;

/// A subscription, and who ends it.
#[derive(Debug, Args)]
pub(super) struct End {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    by: By,
}

/// Why a subscription is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Its current period was refunded whole.
    Refunded,
    /// It waits for a decision.
    Review,
}

impl End {
    /// Ends a subscription at once whose current period was refunded whole.
    pub(super) async fn refunded(self, config: &Config) -> anyhow::Result<()> {
        self.run(config, Cause::Refunded).await?;
        writeln!(std::io::stdout(), "The subscription has ended.")?;
        Ok(())
    }

    /// Ends the review of a lapsed subscription: it ends as unpaid.
    pub(super) async fn review(self, config: &Config) -> anyhow::Result<()> {
        self.run(config, Cause::Review).await?;
        writeln!(std::io::stdout(), "The subscription has ended; the customer may start anew.")?;
        Ok(())
    }

    async fn run(self, config: &Config, cause: Cause) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let end = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
            let (clock, settings) = (outbox.clock().as_ref(), settings_of(&widget));
            let (action, ended) = match cause {
                Cause::Refunded => {
                    let ended = services::end_refunded(&mut unit, clock, &settings, &row, act).await?;
                    ("subscription.end_refunded", ended)
                }
                Cause::Review => {
                    let ended = services::clear_review(&mut unit, clock, &settings, &row, act).await?;
                    ("subscription.end_review", ended)
                }
            };
            record(&mut unit, clock, recorded(action, &row, act, subscription_state(&ended))).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(end).await
    }
}
