//! `flysk-worker price:*`: versions of prices.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::price::Tariff;
use flysk_services::prices::set_price;
use flysk_store::platform::ledger::{self, PriceVersion};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::OptionalBy;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;

/// Selects the prices to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only the prices of this service: `<widget code>.<service>`.
    #[arg(long)]
    service: Option<Service>,
}

impl List {
    /// Prints one line per version and marks the one in force.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let now = outbox.clock().now();
        let versions = ledger::list_price_versions(&mut *outbox.pool().acquire().await?).await?;
        let wanted =
            |version: &&PriceVersion| self.service.as_ref().is_none_or(|one| *one == version.rule.service);
        let versions: Vec<&PriceVersion> = versions.iter().filter(wanted).collect();
        let mut out = std::io::stdout().lock();
        if versions.is_empty() {
            writeln!(out, "No prices.")?;
        }
        for (at, version) in versions.iter().enumerate() {
            let PriceVersion { rule, valid_from } = version;
            // Sorted by service and start time: a version has ended once the next one of its service has started.
            let next = versions.get(at + 1).filter(|next| next.rule.service == rule.service);
            let state = if *valid_from > now {
                "to come"
            } else if next.is_some_and(|next| next.valid_from <= now) {
                "over"
            } else {
                "in force"
            };
            writeln!(
                out,
                "{:<30} v{:<4} {:<9} from {}  {}",
                rule.service.as_str(),
                rule.version,
                state,
                valid_from.format("%Y-%m-%d %H:%M:%S UTC"),
                format_tariff(rule.tariff)
            )?;
        }
        Ok(())
    }
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    text.parse().map_err(|_| "expected a date, a time and a zone, such as 2027-01-01T00:00:00Z")
}

fn format_tariff(tariff: Tariff) -> String {
    match tariff {
        Tariff::PerMinute { rate, at_least_s } => {
            format!("{rate} Flycoins a minute by the second, at least {at_least_s} s")
        }
        Tariff::PerPiece { rate } => format!("{rate} Flycoins a piece"),
    }
}

/// A new version of a price; earlier versions are kept for the charges made with them.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("rate").required(true).args(["per_minute", "per_piece"])))]
pub(super) struct Set {
    /// Service to price: `<widget code>.<service>`.
    service: Service,
    /// Price per minute in Flycoins, such as `2.5`; charged by the second.
    #[arg(long, value_name = "FLYCOINS")]
    per_minute: Option<MicroCoins>,
    /// Minimum duration to charge, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "per_piece")]
    at_least: u64,
    /// Price per use in Flycoins, such as `1.2`.
    #[arg(long, value_name = "FLYCOINS")]
    per_piece: Option<MicroCoins>,
    /// Start time of the price, such as `2027-01-01T00:00:00Z`; by default now, never in the past.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    valid_from: Option<DateTime<Utc>>,
    #[command(flatten)]
    by: OptionalBy,
}

impl Set {
    /// Stores the version.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let (tariff, by) = (self.tariff()?, self.by.author()?);
        let outbox = open_outbox(config).await?;
        let now = outbox.clock().now();
        let valid_from = self.valid_from.unwrap_or(now);
        let set = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let rule = set_price(&mut unit, &self.service, tariff, valid_from, now).await?;
            let act = Act {
                action: "price.set",
                subject: ("price", format!("{} v{}", rule.service, rule.version)),
                reason: by.reason,
                before: Value::Null,
                after: by.named(json!({ "rule": rule, "valid_from": valid_from })),
            };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(rule)
        };
        let rule = transact(set).await?;
        writeln!(
            std::io::stdout().lock(),
            "{} v{}: {}, from {}",
            rule.service,
            rule.version,
            format_tariff(tariff),
            valid_from.format("%Y-%m-%d %H:%M:%S UTC")
        )?;
        Ok(())
    }

    fn tariff(&self) -> anyhow::Result<Tariff> {
        let tariff = match (self.per_minute, self.per_piece) {
            (Some(rate), None) => Tariff::PerMinute { rate, at_least_s: self.at_least },
            (None, Some(rate)) => Tariff::PerPiece { rate },
            _ => anyhow::bail!("give either --per-minute or --per-piece"),
        };
        Ok(tariff)
    }
}
