//! The command line.

mod decode;
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

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use flysk_runtime::config::Env;
use flysk_runtime::{cli, telemetry};
use flysk_workers::config::Config;
use flysk_workers::flysense::DECODE_COMMAND;

/// Performs Flysk's jobs, keeps their schedule, and is the command line of operators.
///
/// Configured by environment variables alone (see `.env.example`); each command checks all of them, so run commands
/// where workers run. A command that fails says why on standard error and ends with a status other than 0. Identifiers
/// and money are printed in full, secrets only by the command that creates them.
#[derive(Debug, Parser)]
#[command(name = "flysk-worker", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Apply the schema migrations of this release to the database.
    ///
    /// Run it once per release, before the other processes start. Running it again changes nothing; migrations of a
    /// newer release are left alone, so that a release can be rolled back.
    Migrate,
    /// Perform jobs until SIGTERM.
    ///
    /// On SIGTERM the process takes no new jobs, lets running ones end, gives back those that do not, and ends within
    /// `FLYSK_GRACE_SECONDS`.
    Run(run::Run),
    /// Enqueue the jobs of the schedule when they are due, until SIGTERM.
    ///
    /// Any number of schedulers may run: each moment of the schedule becomes one job.
    Scheduler,
    /// Check that the process beside this command is alive; for health checks of containers.
    ///
    /// Calls `/health` at `FLYSK_METRICS_LISTEN`, which an API, a worker and a scheduler all serve. Ends with status 0 if
    /// it answers 200.
    Healthcheck,
    /// Print every kind of job with its queue, attempts and time limit, as Markdown (docs/jobs.md).
    #[command(name = "jobs:catalogue")]
    JobsCatalogue,
    /// List jobs, the newest first, one line each.
    ///
    /// The columns are: id, kind, state, attempts of how many, time (UTC) and the last error.
    #[command(name = "jobs:list")]
    JobsList(jobs::List),
    /// Run a dead or cancelled job again, with all its attempts.
    ///
    /// A stage of a call starts the call again, as another run. Refused while a job of the same kind and key waits.
    /// docs/runbook.md says for each kind what a replay does.
    #[command(name = "jobs:replay")]
    JobsReplay(jobs::One),
    /// Cancel a job that waits; one that runs cannot be stopped.
    #[command(name = "jobs:cancel")]
    JobsCancel(jobs::One),
    /// Register a widget and print its secrets.
    ///
    /// The project token (the backend's credential) and the event secret (which signs events) are shown this once.
    /// docs/integrate.md leads through it.
    #[command(name = "widget:register")]
    WidgetRegister(Box<widget::Register>),
    /// List all widgets, one line each: id, code, platform, client id, name.
    #[command(name = "widget:list")]
    WidgetList(widget::List),
    /// Show all settings of a widget, without its secrets.
    #[command(name = "widget:show")]
    WidgetShow(widget::Show),
    /// Change settings of a widget.
    ///
    /// What is not named stays as it is.
    #[command(name = "widget:update")]
    WidgetUpdate(Box<widget::Update>),
    /// Replace secrets of a widget, and print the new ones this once.
    ///
    /// At least one of the options is needed. A project token can go on working for some hours beside the new one.
    #[command(name = "widget:rotate")]
    WidgetRotate(widget::Rotate),
    /// List the packages of Flycoins that a widget sells.
    #[command(name = "package:list")]
    PackageList(package::List),
    /// Put a package of Flycoins on sale, or change one.
    ///
    /// Changed terms become a new version; purchases keep the version they were begun with.
    #[command(name = "package:set")]
    PackageSet(package::Set),
    /// Take a package off sale; purchases that were begun go on.
    #[command(name = "package:retire")]
    PackageRetire(package::Retire),
    /// Show a purchase: its state, price, coins, the bank's last status, and its refunds.
    #[command(name = "purchase:show")]
    PurchaseShow(purchase::One),
    /// Ask the bank for the present state of a purchase and of all payments of its order.
    ///
    /// Enqueues a job and returns; `purchase:show` then has the result.
    #[command(name = "purchase:ask")]
    PurchaseAsk(purchase::One),
    /// End the review of a purchase that a person has compared with the bank's cabinet.
    ///
    /// A purchase whose coins were credited becomes `paid`, one without coins `failed`. Nothing is sent to the bank. Fails
    /// if the purchase is not in doubt.
    #[command(name = "purchase:close")]
    PurchaseClose(purchase::One),
    /// Refund the unspent coins of a purchase.
    ///
    /// The coins are withdrawn at once; a job then has the bank return the money.
    #[command(name = "purchase:refund")]
    PurchaseRefund(purchase::Refund),
    /// Compare the purchases of a day with the bank's list of payments.
    ///
    /// Enqueues a job and returns; `purchases:differences` then lists what it found. Runs by itself every night.
    #[command(name = "purchases:reconcile")]
    PurchasesReconcile(purchase::Day),
    /// List the differences that a comparison with the bank has found for a day.
    #[command(name = "purchases:differences")]
    PurchasesDifferences(purchase::Day),
    /// Renew the OAuth tokens of all accounts now.
    ///
    /// Renewals are enqueued slowly enough not to hold up others, followed to their end, and counted by outcome. A run
    /// that was interrupted goes on with `--resume`.
    #[command(name = "token:refresh-all")]
    TokenRefreshAll(token::RefreshAll),
    /// List the prices of services in Flycoins: past, present and future versions.
    #[command(name = "price:list")]
    PriceList(price::List),
    /// Set the price of a service, as a new version.
    ///
    /// Former versions stay for what was charged by them.
    #[command(name = "price:set")]
    PriceSet(price::Set),
    /// Show the wallet of an account: balance, held coins, lots with their expiry, and the latest transactions.
    #[command(name = "wallet:show")]
    WalletShow(wallet::Show),
    /// Credit Flycoins to an account as compensation.
    ///
    /// The key makes it happen once: the same command again changes nothing for 30 days, and the same key with another
    /// amount is refused.
    #[command(name = "wallet:credit")]
    WalletCredit(wallet::Credit),
    /// Check every balance against the sum of its ledger entries.
    ///
    /// Ends with a status other than 0 if one does not agree. Runs by itself every night.
    #[command(name = "ledger:verify")]
    LedgerVerify(ledger::Verify),
    /// Encrypt all stored secrets again with the first key of `FLYSK_KEYRING`.
    ///
    /// Works beside running processes. Also has workers move the addresses of amoCRM's call hooks, which a key signs. Run it
    /// until it says that nothing is left under a former key; docs/runbook.md has the whole procedure.
    #[command(name = "keys:rotate")]
    KeysRotate,
    /// Print this reference of commands as Markdown (a part of docs/cli.md).
    #[command(name = "cli:reference", hide = true)]
    CliReference,
    /// Decode one recording within bounds; only a worker starts it, as its child.
    #[command(name = DECODE_COMMAND, hide = true)]
    AudioDecode(decode::Decode),
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::AudioDecode(decode) => return Ok(decode.run()),
            Command::JobsCatalogue => jobs::print_catalogue()?,
            Command::CliReference => std::io::stdout().write_all(cli::reference::<Cli>().as_bytes())?,
            command => perform(command)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Performs a command that may wait for others.
fn perform(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let env = Env::from_process();
        if let Command::Healthcheck = command {
            return healthcheck::healthcheck(&env).await;
        }
        let config = Config::from_env(&env)?;
        telemetry::install(&config.telemetry)?;
        match command {
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
            Command::JobsCatalogue
            | Command::CliReference
            | Command::Healthcheck
            | Command::AudioDecode(_) => Ok(()),
        }
    })
}
