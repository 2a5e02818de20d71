//! The command line.

mod healthcheck;
mod jobs;
mod keys;
mod ledger;
mod migrate;
mod package;
mod price;
mod purchase;
mod run;
mod scheduler;
mod token;
mod transaction;
mod wallet;
mod widget;

use clap::{Parser, Subcommand};
use flysk_runtime::config::Env;
use flysk_runtime::telemetry;
use flysk_workers::config::Config;

/// Performs Flysk's jobs and operates them. Configured by the environment; see `.env.example`.
#[derive(Debug, Parser)]
#[command(name = "flysk-worker", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the database to this release's schema.
    Migrate,
    /// Perform jobs until SIGTERM.
    Run(run::Run),
    /// Turn ticks of the schedule into jobs until SIGTERM; any number may run.
    Scheduler,
    /// Ask the process of this environment, whichever it is, whether it lives; for containers.
    Healthcheck,
    /// Print the catalogue of jobs (docs/jobs.md).
    #[command(name = "jobs:catalogue")]
    JobsCatalogue,
    /// List jobs, youngest first.
    #[command(name = "jobs:list")]
    JobsList(jobs::List),
    /// Let a dead or cancelled job start afresh.
    #[command(name = "jobs:replay")]
    JobsReplay(jobs::One),
    /// Take a waiting job out.
    #[command(name = "jobs:cancel")]
    JobsCancel(jobs::One),
    /// Register a widget; prints its project token, this once.
    #[command(name = "widget:register")]
    WidgetRegister(Box<widget::Register>),
    /// List widgets.
    #[command(name = "widget:list")]
    WidgetList(widget::List),
    /// Show a widget, without its secrets.
    #[command(name = "widget:show")]
    WidgetShow(widget::Show),
    /// Change a widget.
    #[command(name = "widget:update")]
    WidgetUpdate(Box<widget::Update>),
    /// Replace secrets of a widget.
    #[command(name = "widget:rotate")]
    WidgetRotate(widget::Rotate),
    /// List what a widget offers.
    #[command(name = "package:list")]
    PackageList(package::List),
    /// Offer a package of Flycoins; changed terms are a new version.
    #[command(name = "package:set")]
    PackageSet(package::Set),
    /// Take a package off the offer.
    #[command(name = "package:retire")]
    PackageRetire(package::Retire),
    /// Show a purchase and its refunds.
    #[command(name = "purchase:show")]
    PurchaseShow(purchase::One),
    /// Ask the bank how a purchase and all payments of its order stand.
    #[command(name = "purchase:ask")]
    PurchaseAsk(purchase::One),
    /// End the review of a purchase, or forget a doubt about it, once somebody has looked into the cabinet.
    #[command(name = "purchase:close")]
    PurchaseClose(purchase::One),
    /// Give back what the unspent coins of a purchase are worth.
    #[command(name = "purchase:refund")]
    PurchaseRefund(purchase::Refund),
    /// Compare a day's purchases with the bank.
    #[command(name = "purchases:reconcile")]
    PurchasesReconcile(purchase::Day),
    /// List where the bank's books and ours do not agree.
    #[command(name = "purchases:differences")]
    PurchasesDifferences(purchase::Day),
    /// Renew all pairs of tokens now.
    #[command(name = "token:refresh-all")]
    TokenRefreshAll(token::RefreshAll),
    /// List prices, versions that are over and to come included.
    #[command(name = "price:list")]
    PriceList(price::List),
    /// Set a new version of a price.
    #[command(name = "price:set")]
    PriceSet(price::Set),
    /// Show an account's Flycoins.
    #[command(name = "wallet:show")]
    WalletShow(wallet::Show),
    /// Credit Flycoins to an account as compensation, once per key.
    #[command(name = "wallet:credit")]
    WalletCredit(wallet::Credit),
    /// Prove every balance from the entries; fails if one does not agree.
    #[command(name = "ledger:verify")]
    LedgerVerify(ledger::Verify),
    /// Move everything sealed to the first key of the ring.
    #[command(name = "keys:rotate")]
    KeysRotate,
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if let Command::JobsCatalogue = self.command {
            return jobs::print_catalogue();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let env = Env::from_process();
            if let Command::Healthcheck = self.command {
                return healthcheck::healthcheck(&env).await;
            }
            let config = Config::from_env(&env)?;
            telemetry::install(&config.telemetry)?;
            match self.command {
                Command::Migrate => migrate::migrate(&config).await,
                Command::Run(run) => Box::pin(run.run(config)).await,
                Command::Scheduler => scheduler::run(config).await,
                Command::JobsList(list) => list.run(&config).await,
                Command::JobsReplay(one) => one.replay(&config).await,
                Command::JobsCancel(one) => one.cancel(&config).await,
                Command::WidgetRegister(register) => register.run(&config, &env).await,
                Command::WidgetList(list) => list.run(&config).await,
                Command::WidgetShow(show) => show.run(&config).await,
                Command::WidgetUpdate(update) => update.run(&config).await,
                Command::WidgetRotate(rotate) => rotate.run(&config, &env).await,
                Command::PackageList(list) => list.run(&config).await,
                Command::PackageSet(set) => set.run(&config).await,
                Command::PackageRetire(retire) => retire.run(&config).await,
                Command::PurchaseShow(one) => one.show(&config).await,
                Command::PurchaseAsk(one) => one.ask(&config).await,
                Command::PurchaseClose(one) => one.close(&config).await,
                Command::PurchaseRefund(refund) => refund.run(&config).await,
                Command::PurchasesReconcile(day) => day.compare(&config).await,
                Command::PurchasesDifferences(day) => day.differences(&config).await,
                Command::TokenRefreshAll(all) => all.run(&config).await,
                Command::PriceList(list) => list.run(&config).await,
                Command::PriceSet(set) => set.run(&config).await,
                Command::WalletShow(show) => show.run(&config).await,
                Command::WalletCredit(credit) => credit.run(&config).await,
                Command::LedgerVerify(verify) => verify.run(&config).await,
                Command::KeysRotate => keys::rotate(&config).await,
                Command::JobsCatalogue | Command::Healthcheck => Ok(()),
            }
        })
    }
}
