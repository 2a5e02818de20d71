//! The command line.

mod account;
mod billing;
mod by;
mod campaign;
mod healthcheck;
mod invoice;
mod jobs;
mod keys;
mod ledger;
mod migrate;
mod package;
mod plan;
mod price;
mod purchase;
mod record;
mod run;
mod scheduler;
mod subscription;
mod subscription_end;
mod token;
mod trace;
mod transaction;
mod transfer;
mod vendor;
mod vendor_invite;
mod vendor_transfers;
mod wallet;
mod widget;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use flysk_config::process::{cli, telemetry};
use flysk_config::{Env, env_example};
use flysk_workers::config::Config;

/// Performs Flysk's jobs, runs their schedule, and provides the commands of operators.
///
/// Configured by environment variables only (see `.env.example`). Each command validates all of them, so run commands
/// where workers run. A command that fails prints the reason to standard error and exits with a non-zero status.
/// Identifiers and amounts are printed in full; a secret is printed only by the command that creates it.
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
    /// Run it once per release, before the other processes start. Running it again changes nothing. Migrations of a
    /// newer release are ignored, so a release can be rolled back.
    Migrate,
    /// Perform jobs until SIGTERM.
    ///
    /// On SIGTERM the process takes no new jobs, lets running jobs finish, returns unfinished ones to the queue, and
    /// exits within `FLYSK_GRACE_SECONDS`.
    Run(run::Run),
    /// Enqueue the jobs of the schedule when they are due, until SIGTERM.
    ///
    /// Any number of schedulers may run: each cron tick becomes one job.
    Scheduler,
    /// Check that the process with the same environment is alive; for container health checks.
    ///
    /// Calls `/health` at `FLYSK_METRICS_LISTEN`, which API, admin panel, worker and scheduler all serve. Exits with
    /// status 0 on a 200 response.
    Healthcheck,
    /// Print every kind of job with its queue, attempts and time limit, as Markdown (docs/jobs.md).
    #[command(name = "jobs:catalogue")]
    JobsCatalogue,
    /// Print every environment variable with its default and meaning (.env.example).
    #[command(name = "env:example")]
    EnvExample,
    /// List jobs, newest first, one line each.
    ///
    /// Columns: id, kind, state, attempts made and allowed, time (UTC), last error.
    #[command(name = "jobs:list")]
    JobsList(jobs::List),
    /// Run a dead or cancelled job again, with all its attempts.
    ///
    /// Replaying a stage of a call restarts the call, as another run. Refused while a job of the same kind and dedup
    /// key is waiting. docs/runbook.md describes the effect of a replay for each kind.
    #[command(name = "jobs:replay")]
    JobsReplay(jobs::JobRef),
    /// Cancel a queued job; a running job cannot be cancelled.
    ///
    /// Refused for jobs of bulk acts, which are stopped in the admin panel, and for erasures of accounts.
    #[command(name = "jobs:cancel")]
    JobsCancel(jobs::JobRef),
    /// Move the start of a queued job, as the admin panel does; its attempts stay.
    ///
    /// Recorded in the audit log with operator and reason. Jobs of bulk acts and of erasures of accounts are not postponed.
    #[command(name = "jobs:reschedule")]
    JobsReschedule(jobs::Reschedule),
    /// Register a widget and print its secrets.
    ///
    /// The project token (the backend's credential) and the event secret (which signs events) are printed only once.
    /// See docs/integrate.md.
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
    /// Settings without an option keep their values.
    #[command(name = "widget:update")]
    WidgetUpdate(Box<widget::Update>),
    /// Replace secrets of a widget and print the new ones, only once.
    ///
    /// At least one option is required. The previous project token can stay valid for some hours.
    #[command(name = "widget:rotate")]
    WidgetRotate(widget::Rotate),
    /// List the packages of Flycoins that a widget sells.
    #[command(name = "package:list")]
    PackageList(package::List),
    /// Put a package of Flycoins on sale, or change one.
    ///
    /// Changed terms become a new version; existing purchases keep their version.
    #[command(name = "package:set")]
    PackageSet(package::Set),
    /// Take a package off sale; existing purchases are not affected.
    #[command(name = "package:retire")]
    PackageRetire(package::Retire),
    /// List vendors, the sellers of widgets.
    #[command(name = "vendor:list")]
    VendorList(vendor::List),
    /// Show a vendor: legal name, terminal, receipts and taxes, without its password.
    #[command(name = "vendor:show")]
    VendorShow(vendor::Show),
    /// Create a vendor, or change one.
    #[command(name = "vendor:set")]
    VendorSet(Box<vendor::Set>),
    /// Set taxation and VAT rate of a vendor from a day on.
    ///
    /// A receipt has those of the day on which its payment begins, a closing receipt those of the last day of its period.
    #[command(name = "vendor:taxes")]
    VendorTaxes(vendor::Taxes),
    /// Give a vendor its own terminal at T-Bank, or take it away.
    #[command(name = "vendor:terminal")]
    VendorTerminal(vendor::Terminal),
    /// Move a widget to a vendor.
    #[command(name = "vendor:assign")]
    VendorAssign(vendor::Assign),
    /// Invite a person of a vendor to the portal, by a letter with a link that works once, for seven days.
    ///
    /// Earlier invitations to the address end. A person who is invited again chooses a new password and sets up a new second
    /// factor.
    #[command(name = "vendor:invite")]
    VendorInvite(vendor_invite::Invite),
    #[command(flatten)]
    Transfer(transfer::TransferCommand),
    /// List the subscription plans that a widget sells.
    #[command(name = "plan:list")]
    PlanList(plan::List),
    /// Put a subscription plan on sale, or change one.
    ///
    /// Changed terms become a new version; subscriptions keep their version and price.
    #[command(name = "plan:set")]
    PlanSet(Box<plan::Set>),
    /// Take a subscription plan off sale; subscriptions keep it.
    #[command(name = "plan:retire")]
    PlanRetire(plan::Retire),
    /// List the price campaigns of a widget, newest first.
    #[command(name = "campaign:list")]
    CampaignList(campaign::List),
    /// Move the customers of a plan's version to a later version.
    ///
    /// Each customer is notified at least 30 days before, and moves with the first period after that. Customers whom the new
    /// version does not fit keep the present one. Use `--dry-run` first.
    #[command(name = "campaign:start")]
    CampaignStart(Box<campaign::Start>),
    /// Stop a price campaign: customers who have not moved yet keep version and price.
    #[command(name = "campaign:stop")]
    CampaignStop(campaign::Stop),
    #[command(flatten)]
    Billing(billing::BillingCommand),
    /// Renew the OAuth tokens of all accounts now.
    ///
    /// Enqueues renewals at a limited rate so that other token requests are not delayed, waits for all of them, and
    /// prints the number of each outcome. `--resume` continues an interrupted run.
    #[command(name = "token:refresh-all")]
    TokenRefreshAll(token::RefreshAll),
    /// List the prices of services in Flycoins: past, present and future versions.
    #[command(name = "price:list")]
    PriceList(price::List),
    /// Set the price of a service as a new version.
    ///
    /// Earlier versions are kept for the charges made with them.
    #[command(name = "price:set")]
    PriceSet(price::Set),
    /// Show the wallet of an account: balance, held coins, lots with their expiry, and the latest transactions.
    #[command(name = "wallet:show")]
    WalletShow(wallet::Show),
    /// Credit Flycoins to an account as compensation.
    ///
    /// The key makes the command idempotent: for 30 days, a repetition changes nothing, and the same key with another
    /// amount is refused.
    #[command(name = "wallet:credit")]
    WalletCredit(wallet::Credit),
    /// Check balances against ledger entries: every balance, and the entries since the last verification.
    ///
    /// Stores what was found right, so that the next run reads only what is new. `--all` reads the whole ledger again, and finds
    /// what was changed since. Exits with a non-zero status on a mismatch. Also runs automatically every night, and with
    /// `--all` every Sunday.
    #[command(name = "ledger:verify")]
    LedgerVerify(ledger::Verify),
    /// Erase the personal data of an account that has removed all widgets.
    ///
    /// Without `--yes` it prints what would be erased and what stays. Records who, when and why, and how much of what; jobs do
    /// the work.
    #[command(name = "account:erase")]
    AccountErase(account::Erase),
    /// Encrypt all stored secrets again with the first key of `FLYSK_KEYRING`.
    ///
    /// Works beside running processes. Also has workers move the addresses of amoCRM's call hooks, which a key signs. Run it
    /// until it says that nothing is left under a previous key; docs/runbook.md has the whole procedure.
    #[command(name = "keys:rotate")]
    KeysRotate(keys::Rotate),
    /// Print this reference of commands as Markdown (a part of docs/cli.md).
    #[command(name = "cli:reference", hide = true)]
    CliReference,
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::JobsCatalogue => jobs::print_catalogue()?,
            Command::EnvExample => {
                std::io::stdout().write_all(env_example(flysk_config::SECTIONS).as_bytes())?;
            }
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
            Command::Scheduler => Box::pin(scheduler::run(config)).await,
            Command::JobsList(list) => list.run(&config).await,
            Command::JobsReplay(one) => one.replay(&config).await,
            Command::JobsCancel(one) => one.cancel(&config).await,
            Command::JobsReschedule(moved) => moved.run(&config).await,
            Command::WidgetRegister(register) => register.run(&config, &env).await,
            Command::WidgetList(list) => list.run(&config).await,
            Command::WidgetShow(show) => show.run(&config).await,
            Command::WidgetUpdate(update) => update.run(&config).await,
            Command::WidgetRotate(rotate) => rotate.run(&config, &env).await,
            Command::PackageList(list) => list.run(&config).await,
            Command::PackageSet(set) => set.run(&config).await,
            Command::PackageRetire(retire) => retire.run(&config).await,
            Command::VendorList(list) => list.run(&config).await,
            Command::VendorShow(show) => show.run(&config).await,
            Command::VendorSet(set) => set.run(&config).await,
            Command::VendorTaxes(taxes) => taxes.run(&config).await,
            Command::VendorTerminal(terminal) => terminal.run(&config, &env).await,
            Command::VendorAssign(assign) => assign.run(&config).await,
            Command::VendorInvite(invite) => invite.run(&config).await,
            Command::Transfer(command) => command.run(&config, &env).await,
            Command::PlanList(list) => list.run(&config).await,
            Command::PlanSet(set) => set.run(&config).await,
            Command::PlanRetire(retire) => retire.run(&config).await,
            Command::CampaignList(list) => list.run(&config).await,
            Command::CampaignStart(start) => start.run(&config).await,
            Command::CampaignStop(stop) => stop.run(&config).await,
            Command::Billing(command) => command.run(&config).await,
            Command::TokenRefreshAll(all) => all.run(&config).await,
            Command::PriceList(list) => list.run(&config).await,
            Command::PriceSet(set) => set.run(&config).await,
            Command::WalletShow(show) => show.run(&config).await,
            Command::WalletCredit(credit) => credit.run(&config).await,
            Command::LedgerVerify(verify) => verify.run(&config).await,
            Command::AccountErase(erase) => erase.run(&config).await,
            Command::KeysRotate(rotate) => rotate.run(&config).await,
            Command::JobsCatalogue | Command::EnvExample | Command::CliReference | Command::Healthcheck => {
                Ok(())
            }
        }
    })
}
