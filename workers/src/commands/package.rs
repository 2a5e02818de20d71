//! `flysk-worker package:*`: packages of a widget, until there is an admin panel.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use clap::Args;
use flysk_domain::id::PackageId;
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{PackageCode, PackageTerms, is_sum};
use flysk_services::audit_states::package_state;
use flysk_store::platform::purchases;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::Value;

use super::by::OptionalBy;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;
use super::widget::find;

/// Selects the packages to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The widget's code.
    widget: String,
    /// Include earlier versions and retired packages.
    #[arg(long)]
    all: bool,
}

/// Terms of a package.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// The widget's code.
    widget: String,
    /// Code of the package, the same in all its versions: a-z, 0-9, `-`.
    code: String,
    /// Title for buyers, in Russian.
    #[arg(long)]
    title: String,
    /// Price in kopecks; 50000 is 500 roubles.
    #[arg(long, value_name = "KOPECKS")]
    price: i64,
    /// Purchased coins, in whole Flycoins; by default one per rouble of the price.
    #[arg(long, value_name = "FLYCOINS")]
    coins: Option<i64>,
    /// Bonus coins on top, in whole Flycoins.
    #[arg(long, value_name = "FLYCOINS", default_value_t = 0)]
    bonus: i64,
    /// Days until the bonus expires; never by default.
    #[arg(long, value_name = "DAYS")]
    bonus_days: Option<u32>,
    #[command(flatten)]
    by: OptionalBy,
}

/// The package to take off sale.
#[derive(Debug, Args)]
pub(super) struct Retire {
    /// The widget's code.
    widget: String,
    /// Code of the package.
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
        let packages = if self.all {
            purchases::list_all_packages(&mut conn, widget.id).await?
        } else {
            purchases::list_packages_on_offer(&mut conn, widget.id).await?
        };
        let mut out = std::io::stdout().lock();
        if packages.is_empty() {
            writeln!(out, "`{}` has no packages on sale.", widget.code)?;
        }
        for package in packages {
            let terms = &package.terms;
            let days = terms.bonus_days.map(|days| format!(" for {days} days")).unwrap_or_default();
            let offer = if package.active { "on sale" } else { "retired" };
            writeln!(
                out,
                "{}  {:<20} v{:<3} {:<9} {:>12} roubles  {} coins + {}{days}  {}",
                package.id,
                package.code.as_str(),
                package.version,
                offer,
                terms.price.to_string(),
                terms.coins,
                terms.bonus,
                terms.title
            )?;
        }
        Ok(())
    }
}

impl Set {
    /// Stores a new version, unless the terms are unchanged.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let code: PackageCode = self.code.parse()?;
        let by = self.by.author()?;
        ensure!(!is_sum(&code), "codes that start with `sum-` belong to purchases of any sum");
        let price = Kopecks(self.price);
        let whole = |coins| MicroCoins::from_units(coins).context("too many coins");
        let terms = PackageTerms {
            title: self.title,
            price,
            coins: self.coins.map_or_else(|| price.to_coins().context("too high a price"), whole)?,
            bonus: whole(self.bonus)?,
            bonus_days: self.bonus_days,
        };
        terms.check()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock();
        let id = PackageId::generate(clock.as_ref());
        let set = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let widget = find(&mut unit, &self.widget).await?;
            let offered = purchases::list_packages_on_offer(&mut unit, widget.id).await?;
            let set = purchases::set_package(&mut unit, id, widget.id, &code, &terms, clock.now()).await?;
            if set.id == id {
                let before = offered.iter().find(|package| package.code == code);
                let act = Act {
                    action: "package.offer",
                    subject: ("package", set.id.to_string()),
                    reason: by.reason,
                    before: before.map_or(Value::Null, package_state),
                    after: by.named(package_state(&set)),
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

impl Retire {
    /// Takes the package off sale. Existing purchases are not affected.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let code: PackageCode = self.code.parse()?;
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let retire = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let widget = find(&mut unit, &self.widget).await?;
            let offered = purchases::list_packages_on_offer(&mut unit, widget.id).await?;
            let before = offered.iter().find(|package| package.code == code);
            let before = before.with_context(|| format!("`{}` does not offer `{code}`", widget.code))?;
            let retired = purchases::retire_package(&mut unit, widget.id, &code).await?;
            ensure!(retired, "`{}` does not offer `{code}`", widget.code);
            let act = Act {
                action: "package.retire",
                subject: ("package", before.id.to_string()),
                reason: by.reason,
                before: package_state(before),
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
