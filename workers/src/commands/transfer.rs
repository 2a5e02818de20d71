//! `flysk-worker transfer:*` and `vendor:t-api`: payment by bank transfer.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use flysk_config::Env;
use flysk_domain::TextEnum;
use flysk_domain::id::{BankOperationId, InstallId};
use flysk_domain::platform::transfers::{Inn, InvoiceNumber};
use flysk_services::transfers::{
    DecideError, Decision, TransferContext, dismiss_operation, match_operation_to_invoice,
    move_operation_to_balance, set_t_api_access,
};
use flysk_store::platform::{transfers, vendors};
use flysk_store::repeat_contended;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use secrecy::SecretString;

use super::subscription::{By, trace};
use super::transaction::transact;

/// Commands about payment by bank transfer.
#[derive(Debug, Subcommand)]
pub(super) enum TransferCommand {
    /// Give a vendor access to T-Bank's T-API, or take it away: then it takes no transfers.
    ///
    /// The token needs the rights to send invoices and to read statements; T-Bank may bind it to the addresses of the workers.
    #[command(name = "vendor:t-api")]
    VendorTApi(TApi),
    /// List money that arrived by bank transfer and waits for a person, oldest first.
    ///
    /// Columns: id, day, roubles, payer's INN, reason, payer, purpose.
    #[command(name = "transfer:list")]
    List(List),
    /// Give waiting money to an invoice, by its number.
    ///
    /// The invoice takes what it lacks; the rest goes to the balance of its firm. Nothing can be taken back.
    #[command(name = "transfer:match")]
    Match(Match),
    /// Put waiting money into the balance of a firm, which its next invoice takes.
    #[command(name = "transfer:return-to-balance")]
    ReturnToBalance(ReturnToBalance),
    /// Record that waiting money is no payment of a customer.
    #[command(name = "transfer:dismiss")]
    Dismiss(Dismiss),
}

impl TransferCommand {
    /// Performs the command.
    pub(super) async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        match self {
            Self::VendorTApi(access) => access.run(config, env).await,
            Self::List(list) => list.run(config).await,
            Self::Match(matched) => matched.run(config).await,
            Self::ReturnToBalance(returned) => returned.run(config).await,
            Self::Dismiss(dismissed) => dismissed.run(config).await,
        }
    }
}

/// A vendor's access to the T-API.
#[derive(Debug, Args)]
pub(super) struct TApi {
    /// The vendor's code.
    code: String,
    /// Account that is paid to and whose statement is read, 20 digits; `none` takes the access away.
    #[arg(long)]
    account: String,
    /// Read the token from this environment variable.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "token_stdin")]
    token_env: Option<String>,
    /// Read the token from standard input.
    #[arg(long)]
    token_stdin: bool,
}

impl TApi {
    /// Stores account and sealed token, or removes them.
    async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        let token = if self.account == "none" { None } else { Some(self.token(env)?) };
        let outbox = open_outbox(config).await?;
        let store = || async {
            let mut tx = outbox.pool().begin().await?;
            let vendor = vendors::find_vendor_by_code(&mut tx, &self.code).await?;
            let vendor = vendor.with_context(|| format!("no vendor has the code `{}`", self.code))?;
            let access = token.as_ref().map(|token| (self.account.as_str(), token));
            let (keyring, now) = (&config.keys.keyring, outbox.clock().now());
            set_t_api_access(&mut tx, keyring, vendor.id, access, now).await?;
            tx.commit().await?;
            Ok(())
        };
        transact(store).await?;
        let mut out = std::io::stdout().lock();
        match token {
            Some(_) => writeln!(out, "`{}` takes transfers to {}.", self.code, self.account)?,
            None => writeln!(out, "`{}` takes no transfers.", self.code)?,
        }
        Ok(())
    }

    /// Never from the command line, which other users of the machine can read.
    fn token(&self, env: &Env) -> anyhow::Result<SecretString> {
        if let Some(name) = &self.token_env {
            return env.secret_named(name).with_context(|| format!("the variable `{name}` is not set"));
        }
        ensure!(self.token_stdin, "name the source of the token: --token-env or --token-stdin");
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        match text.trim() {
            "" => bail!("standard input contains no token"),
            secret => Ok(SecretString::from(secret)),
        }
    }
}

/// Selects what to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Maximum number of operations.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl List {
    /// Prints one line per operation.
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let waiting = transfers::list_queued_operations(&mut conn, None, self.limit).await?;
        let mut out = std::io::stdout().lock();
        if waiting.is_empty() {
            writeln!(out, "No money waits.")?;
        }
        for operation in waiting {
            let reason = operation.queue_reason.map_or("–", TextEnum::as_str);
            let amount = operation.amount.to_string();
            let purpose = operation.purpose.replace(char::is_control, " ");
            writeln!(
                out,
                "{}  {}  {amount:>12}  {:<12}  {reason:<16}  {}  {purpose}",
                operation.id, operation.booked_on, operation.payer_inn, operation.payer_name
            )?;
        }
        Ok(())
    }
}

/// Money and the invoice that gets it.
#[derive(Debug, Args)]
pub(super) struct Match {
    /// Id of the operation, `bop_…`.
    operation: BankOperationId,
    /// Number of the invoice.
    number: i64,
    #[command(flatten)]
    by: By,
}

/// Money and the firm whose balance gets it.
#[derive(Debug, Args)]
pub(super) struct ReturnToBalance {
    /// Id of the operation, `bop_…`.
    operation: BankOperationId,
    /// Id of the install, `ins_…`.
    install: InstallId,
    /// INN of the firm.
    inn: Inn,
    #[command(flatten)]
    by: By,
}

/// Money that is no payment of a customer.
#[derive(Debug, Args)]
pub(super) struct Dismiss {
    /// Id of the operation, `bop_…`.
    operation: BankOperationId,
    #[command(flatten)]
    by: By,
}

/// What a decision does with the money.
enum Destination {
    Invoice(InvoiceNumber),
    Balance(InstallId, Inn),
    Foreign,
}

impl Match {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let number = InvoiceNumber::written(self.number).context("this is no number of an invoice")?;
        decide(config, self.operation, &self.by, &Destination::Invoice(number)).await?;
        writeln!(std::io::stdout(), "{} is with invoice {number}.", self.operation)?;
        Ok(())
    }
}

impl ReturnToBalance {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let destination = Destination::Balance(self.install, self.inn);
        decide(config, self.operation, &self.by, &destination).await?;
        writeln!(std::io::stdout(), "{} is in the balance of {}.", self.operation, self.inn)?;
        Ok(())
    }
}

impl Dismiss {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        decide(config, self.operation, &self.by, &Destination::Foreign).await?;
        writeln!(std::io::stdout(), "{} is no payment of a customer.", self.operation)?;
        Ok(())
    }
}

/// Carries out a decision in one transaction.
async fn decide(
    config: &Config,
    operation: BankOperationId,
    by: &By,
    destination: &Destination,
) -> anyhow::Result<()> {
    let act = by.act()?;
    let outbox = open_outbox(config).await?;
    let name = format!("operator:{}", act.operator);
    let decision = Decision { operation, by: &name, reason: act.reason };
    let context = TransferContext { keyring: &config.keys.keyring, clock: outbox.clock().as_ref() };
    let carry_out = || async {
        let mut unit = outbox.begin(trace(&outbox)).await?;
        match destination {
            Destination::Invoice(number) => {
                let vendor = transfers::find_operation(&mut unit, operation).await?;
                let vendor = vendor.ok_or(DecideError::UnknownOperation)?.vendor_id;
                let invoice = transfers::find_transfer_invoice_by_number(&mut unit, vendor, *number).await?;
                let invoice = invoice.ok_or(DecideError::NotWaiting)?.id;
                match_operation_to_invoice(&mut unit, context, &decision, invoice).await?;
            }
            Destination::Balance(install, inn) => {
                move_operation_to_balance(&mut unit, context, &decision, (*install, *inn)).await?;
            }
            Destination::Foreign => dismiss_operation(&mut unit, context, &decision).await?,
        }
        unit.commit().await?;
        Result::<(), DecideError>::Ok(())
    };
    Ok(repeat_contended(carry_out).await?)
}
