//! `flysk-worker price:*`: versions of prices.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{ArgGroup, Args};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use flysk_store::ledger::{self, PriceVersion};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

use super::transaction::transact;
use super::widget::find;

/// Longer minimums are a mistake.
const LONGEST_LEAST_S: u64 = 3_600;

/// Nobody knows prices of a later time, and MySQL's TIMESTAMP, which times are bound as, ends in 2038.
const FURTHEST: TimeDelta = TimeDelta::days(5 * 365);

/// Which prices to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only the prices of this service: `<widget code>.<service>`.
    #[arg(long)]
    service: Option<Service>,
}

impl List {
    /// One line a version, with the one in force marked.
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
            // Versions come by service and beginning: one is over when its successor has begun.
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
                words(rule.tariff)
            )?;
        }
        Ok(())
    }
}

fn moment(text: &str) -> Result<DateTime<Utc>, &'static str> {
    text.parse().map_err(|_| "write it with its time and zone, like 2027-01-01T00:00:00Z")
}

fn words(tariff: Tariff) -> String {
    match tariff {
        Tariff::PerMinute { rate, at_least_s } => {
            format!("{rate} Flycoins a minute by the second, at least {at_least_s} s")
        }
        Tariff::PerPiece { rate } => format!("{rate} Flycoins a piece"),
    }
}

/// A new version of a price; the old ones stay for what was charged by them.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("rate").required(true).args(["per_minute", "per_piece"])))]
pub(super) struct Set {
    /// The service that is priced: `<widget code>.<service>`.
    service: Service,
    /// Price of a minute in Flycoins, such as `2.5`; charged by the second.
    #[arg(long, value_name = "FLYCOINS")]
    per_minute: Option<MicroCoins>,
    /// The shortest time that is charged, in seconds: a shorter use costs as much.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "per_piece")]
    at_least: u64,
    /// Price of one use in Flycoins, such as `1.2`.
    #[arg(long, value_name = "FLYCOINS")]
    per_piece: Option<MicroCoins>,
    /// Time the price holds from, such as `2027-01-01T00:00:00Z`; now if left out, never in the past.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    valid_from: Option<DateTime<Utc>>,
}

impl Set {
    /// Writes the version.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let tariff = self.tariff()?;
        let outbox = open_outbox(config).await?;
        let now = outbox.clock().now();
        let valid_from = self.valid_from.unwrap_or(now);
        ensure!(valid_from >= now, "a price cannot begin in the past: charges by the old one were made");
        ensure!(valid_from <= now + FURTHEST, "a price begins within five years");
        let code = self.service.as_str().split_once('.').map(|(code, _)| code);
        let code = code.context("a service is `<widget code>.<service>`")?;
        let set = || async {
            let mut tx = outbox.pool().begin().await?;
            find(&mut tx, code).await?;
            let version = ledger::next_price_version(&mut tx, &self.service).await?;
            let rule = PriceRule { service: self.service.clone(), version, tariff };
            ledger::insert_price_rule(&mut tx, &rule, valid_from, now).await?;
            tx.commit().await?;
            Ok(rule)
        };
        let rule = transact(set).await?;
        writeln!(
            std::io::stdout().lock(),
            "{} v{}: {}, from {}",
            rule.service,
            rule.version,
            words(tariff),
            valid_from.format("%Y-%m-%d %H:%M:%S UTC")
        )?;
        Ok(())
    }

    fn tariff(&self) -> anyhow::Result<Tariff> {
        let tariff = match (self.per_minute, self.per_piece) {
            (Some(rate), None) => Tariff::PerMinute { rate, at_least_s: self.at_least },
            (None, Some(rate)) => Tariff::PerPiece { rate },
            _ => anyhow::bail!("say either --per-minute or --per-piece"),
        };
        let (Tariff::PerMinute { rate, .. } | Tariff::PerPiece { rate }) = tariff;
        ensure!(rate.is_positive(), "a price is above zero");
        ensure!(self.at_least <= LONGEST_LEAST_S, "--at-least is at most {LONGEST_LEAST_S} s");
        Ok(tariff)
    }
}
