//! `flysk-worker plan:*`: subscription plans of a widget.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use flysk_domain::TextEnum as _;
use flysk_domain::id::PlanId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Currency, PeriodLength, PlanCode, PlanTerms};
use flysk_services::audit_states::plan_state;
use flysk_store::platform::subscriptions;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::OptionalBy;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;
use super::widget::find;

/// Selects the plans to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The widget's code.
    widget: String,
    /// Include earlier versions and retired plans.
    #[arg(long)]
    all: bool,
}

/// Terms of a plan.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// The widget's code.
    widget: String,
    /// Code of the plan, the same in all its versions: a-z, 0-9, `-`.
    code: String,
    /// Title for users, in Russian.
    #[arg(long)]
    title: String,
    /// Price of a seat for 1, 3, 6 or 12 months, such as 1=49900; may be repeated. In kopecks.
    #[arg(long, value_name = "MONTHS=KOPECKS", required = true)]
    price: Vec<String>,
    /// Minimum number of seats.
    #[arg(long, default_value_t = 1)]
    min_seats: u32,
    /// Maximum number of seats.
    #[arg(long)]
    max_seats: Option<u32>,
    /// Currency of the prices; only roubles are charged.
    #[arg(long, default_value = "RUB")]
    currency: String,
    /// File with what the plan contains, for the widget: a JSON object.
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    #[command(flatten)]
    by: OptionalBy,
}

/// The plan to take off sale.
#[derive(Debug, Args)]
pub(super) struct Retire {
    /// The widget's code.
    widget: String,
    /// Code of the plan.
    code: String,
    #[command(flatten)]
    by: OptionalBy,
}

impl List {
    /// Prints one line per version.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let widget = find(&mut conn, &self.widget).await?;
        let plans = if self.all {
            subscriptions::list_all_plans(&mut conn, widget.id).await?
        } else {
            subscriptions::list_plans_on_offer(&mut conn, widget.id).await?
        };
        let mut out = std::io::stdout().lock();
        if plans.is_empty() {
            writeln!(out, "`{}` has no plans on sale.", widget.code)?;
        }
        for plan in plans {
            let terms = &plan.terms;
            let prices: Vec<String> =
                terms.prices.iter().map(|(length, price)| format!("{length} mo {price}")).collect();
            let most = terms.max_seats.map_or_else(String::new, |most| most.to_string());
            let offer = if plan.active { "on sale" } else { "retired" };
            writeln!(
                out,
                "{}  {:<20} v{:<3} {offer:<9} seats {}–{most:<6} {} {}  {}",
                plan.id,
                plan.code.as_str(),
                plan.version,
                terms.min_seats,
                prices.join(", "),
                terms.currency.as_str(),
                terms.title
            )?;
        }
        Ok(())
    }
}

impl Set {
    /// Stores a new version, unless the terms are unchanged. Subscriptions keep their version.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let code: PlanCode = self.code.parse()?;
        let by = self.by.author()?;
        let currency: Currency = self
            .currency
            .parse()
            .context("a plan in this currency cannot be charged: T-Bank charges roubles")?;
        let features = match &self.features {
            None => json!({}),
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?
            }
        };
        let prices = self.price.iter().map(|text| price(text)).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
        ensure!(prices.len() == self.price.len(), "a length has one price");
        let terms = PlanTerms {
            title: self.title,
            prices,
            min_seats: self.min_seats,
            max_seats: self.max_seats,
            currency,
            features,
        };
        terms.check()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock();
        let id = PlanId::generate(clock.as_ref());
        let set = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let widget = find(&mut unit, &self.widget).await?;
            let before = subscriptions::find_plan_on_offer(&mut unit, widget.id, &code).await?;
            let set = subscriptions::set_plan(&mut unit, id, widget.id, &code, &terms, clock.now()).await?;
            if set.id == id {
                let act = Act {
                    action: "plan.offer",
                    subject: ("plan", set.id.to_string()),
                    reason: by.reason,
                    before: before.as_ref().map_or(Value::Null, plan_state),
                    after: by.named(plan_state(&set)),
                };
                record(&mut unit, clock.as_ref(), act).await?;
            }
            unit.commit().await?;
            Ok(set)
        };
        let set = transact(set).await?;
        let news = if set.id == id { "is on sale" } else { "was already on sale" };
        writeln!(std::io::stdout(), "`{code}` version {} {news} as {}.", set.version, set.id)?;
        Ok(())
    }
}

/// Reads `1=49900`: the price of a seat for a month.
fn price(text: &str) -> anyhow::Result<(PeriodLength, Kopecks)> {
    let (months, kopecks) = text.split_once('=').context("--price takes MONTHS=KOPECKS")?;
    let months: u32 =
        months.trim().parse().with_context(|| format!("`{months}` is not a number of months"))?;
    let length = PeriodLength::try_from(months).map_err(anyhow::Error::msg)?;
    let kopecks =
        kopecks.trim().parse().with_context(|| format!("`{kopecks}` is not an amount in kopecks"))?;
    Ok((length, Kopecks(kopecks)))
}

impl Retire {
    /// Takes the plan off sale. Subscriptions keep it.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let code: PlanCode = self.code.parse()?;
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let retire = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let widget = find(&mut unit, &self.widget).await?;
            let before = subscriptions::find_plan_on_offer(&mut unit, widget.id, &code).await?;
            let before = before.with_context(|| format!("`{}` does not offer `{code}`", widget.code))?;
            let retired = subscriptions::retire_plan(&mut unit, widget.id, &code).await?;
            ensure!(retired, "`{}` does not offer `{code}`", widget.code);
            let act = Act {
                action: "plan.retire",
                subject: ("plan", before.id.to_string()),
                reason: by.reason,
                before: plan_state(&before),
                after: by.named(Value::Null),
            };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            Ok(unit.commit().await?)
        };
        transact(retire).await?;
        writeln!(std::io::stdout(), "`{code}` is no longer on sale.")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_names_its_months() {
        assert_eq!(price("1=49900").unwrap(), (PeriodLength::Month, Kopecks(49_900)));
        assert_eq!(price("12=499000").unwrap(), (PeriodLength::Year, Kopecks(499_000)));
        for wrong in ["49900", "2=100", "1=4.5", "x=1", "1="] {
            assert!(price(wrong).is_err(), "{wrong}");
        }
    }
}
