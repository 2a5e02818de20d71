//! `flysk-worker campaign:*`: price campaigns, which move customers of a plan to its later version.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use chrono::NaiveDate;
use clap::Args;
use flysk_domain::id::PriceCampaignId;
use flysk_domain::platform::subscriptions::PlanCode;
use flysk_services::subscriptions::{self as services, CampaignPreview, NewCampaign};
use flysk_store::Conn;
use flysk_store::platform::subscriptions::{self, Plan};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::By;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;
use super::widget::find;

/// The campaign to start.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// The widget's code.
    widget: String,
    /// Code of the plan.
    code: String,
    /// The version that customers have.
    #[arg(long)]
    from: u32,
    /// The version that they get; the one on sale if omitted.
    #[arg(long)]
    to: Option<u32>,
    /// First day, Moscow time, at least 30 days ahead: the first period that begins on it or later has the new price.
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: NaiveDate,
    /// Print whom the campaign would concern, and start nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    by: By,
}

/// Selects the campaigns to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The widget's code.
    widget: String,
}

/// The campaign to stop.
#[derive(Debug, Args)]
pub(super) struct Stop {
    /// Id of the campaign, `pcm_…`.
    id: PriceCampaignId,
    #[command(flatten)]
    by: By,
}

impl Start {
    /// Prints what the campaign changes, and starts it.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let code: PlanCode = self.code.parse()?;
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock().as_ref();
        let start = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let widget = find(&mut unit, &self.widget).await?;
            let versions = subscriptions::list_all_plans(&mut unit, widget.id).await?;
            let versions: Vec<&Plan> = versions.iter().filter(|plan| plan.code == code).collect();
            let version = |number: u32| {
                versions
                    .iter()
                    .find(|plan| plan.version == number)
                    .with_context(|| format!("`{code}` has no version {number}"))
            };
            let to = match self.to {
                Some(number) => version(number)?,
                None => {
                    versions.iter().find(|plan| plan.active).context("the plan is not on sale: name --to")?
                }
            };
            let new = NewCampaign { from: version(self.from)?, to, effective_on: self.on };
            let preview = services::preview_campaign(&mut unit, clock, new).await?;
            if self.dry_run {
                return Ok((preview, None));
            }
            let campaign = services::start_campaign(&mut unit, clock, new, act).await?;
            let told = Act {
                action: "campaign.start",
                subject: ("campaign", campaign.id.to_string()),
                reason: act.reason,
                before: Value::Null,
                after: json!({
                    "plan": code.as_str(),
                    "from_version": new.from.version,
                    "to_version": new.to.version,
                    "effective_on": self.on,
                    "customers": preview.customers,
                    "operator": act.operator,
                }),
            };
            record(&mut unit, clock, told).await?;
            unit.commit().await?;
            Ok((preview, Some(campaign.id)))
        };
        let (preview, started) = transact(start).await?;
        let mut out = std::io::stdout().lock();
        write_preview(&mut out, &preview)?;
        match started {
            Some(id) => writeln!(out, "Campaign {id} is running: customers are told within five minutes.")?,
            None => writeln!(out, "Nothing was started.")?,
        }
        Ok(())
    }
}

fn write_preview(out: &mut impl std::io::Write, preview: &CampaignPreview) -> std::io::Result<()> {
    writeln!(
        out,
        "{} customers move: {} roubles a month become {}. {} stay, because the version has no price for their length.",
        preview.customers, preview.monthly_before, preview.monthly_after, preview.staying
    )
}

impl List {
    /// Prints one line per campaign.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let widget = find(&mut conn, &self.widget).await?;
        let campaigns = subscriptions::list_campaigns(&mut conn, widget.id).await?;
        let mut out = std::io::stdout().lock();
        if campaigns.is_empty() {
            writeln!(out, "`{}` has had no price campaigns.", widget.code)?;
        }
        for campaign in campaigns {
            let told = subscriptions::count_price_notices(&mut conn, campaign.id).await?;
            let versions = (
                version_of(&mut conn, campaign.from_plan).await?,
                version_of(&mut conn, campaign.to_plan).await?,
            );
            let state = if campaign.stopped_at.is_some() { "stopped" } else { "running" };
            writeln!(
                out,
                "{}  {state}  {} to {}  from {}  {told} told  {}  {}",
                campaign.id,
                versions.0,
                versions.1,
                campaign.effective_on,
                campaign.started_by,
                campaign.reason
            )?;
        }
        Ok(())
    }
}

/// `pro v2`.
async fn version_of(conn: &mut Conn, plan: flysk_domain::id::PlanId) -> anyhow::Result<String> {
    let plan = subscriptions::find_plan(conn, plan).await?.context("a version of the plan is missing")?;
    Ok(format!("{} v{}", plan.code, plan.version))
}

impl Stop {
    /// Stops the campaign: customers who have not moved yet keep version and price.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock().as_ref();
        let stop = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            if subscriptions::find_campaign(&mut unit, self.id).await?.is_none() {
                bail!("there is no campaign {}", self.id);
            }
            services::stop_campaign(&mut unit, clock, self.id, act).await?;
            let told = Act {
                action: "campaign.stop",
                subject: ("campaign", self.id.to_string()),
                reason: act.reason,
                before: json!({ "running": true }),
                after: json!({ "running": false, "operator": act.operator }),
            };
            record(&mut unit, clock, told).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(stop).await?;
        writeln!(std::io::stdout(), "Campaign {} is stopped.", self.id)?;
        Ok(())
    }
}
