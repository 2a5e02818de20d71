//! `flysk-worker transfer:*`, `vendor:t-api` and `vendor:transfer-terms`: payment by bank transfer.

use std::io::Write as _;

use anyhow::{Context as _, bail, ensure};
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use flysk_config::Env;
use flysk_domain::TextEnum;
use flysk_domain::id::{BankOperationId, InstallId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{Inn, InvoiceNumber, PaymentOrder};
use flysk_services::transfers::{
    DecideError, Decision, ReturnedBalance, TransferContext, dismiss_operation, match_operation_to_invoice,
    move_operation_to_balance, record_returned_balance, record_returned_operation,
};
use flysk_store::platform::transfers::BalanceOwner;
use flysk_store::platform::{transfers, vendors};
use flysk_store::{Conn, repeat_contended};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::By;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;
use super::vendor_transfers::{TApi, Terms};

/// Commands about payment by bank transfer.
#[derive(Debug, Subcommand)]
pub(super) enum TransferCommand {
    /// Give a vendor access to T-Bank's T-API, or take it away: then it takes no transfers.
    ///
    /// The token needs the rights to send invoices and to read statements; T-Bank may bind it to the addresses of the workers.
    #[command(name = "vendor:t-api")]
    VendorTApi(TApi),
    /// Set how long new invoices of a vendor can be paid at their price; a week unless it is set.
    ///
    /// Banking days are Monday to Friday; public holidays are not left out, because their calendar is made anew for each year.
    #[command(name = "vendor:transfer-terms")]
    Terms(Terms),
    /// List money that arrived by bank transfer and waits for a person, oldest first.
    ///
    /// Columns: id, day, roubles, payer's INN, reason, payer, purpose.
    #[command(name = "transfer:list")]
    List(List),
    /// Check where the money of transfers is: operations, invoices, balances and acts that changed within two days.
    #[command(name = "transfer:verify")]
    Verify(Verify),
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
    /// Record that waiting money went back to its payer by a payment order in the bank.
    #[command(name = "transfer:returned")]
    Returned(Returned),
    /// Record that money of a firm's balance went back to the firm by a payment order in the bank.
    ///
    /// An order counts once. What is not recorded would pay the firm's next invoice.
    #[command(name = "transfer:balance-returned")]
    BalanceReturned(BalanceReturned),
}

impl TransferCommand {
    /// Performs the command.
    pub(super) async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        match self {
            Self::VendorTApi(access) => access.run(config, env).await,
            Self::Terms(terms) => terms.run(config).await,
            Self::List(list) => list.run(config).await,
            Self::Verify(verify) => verify.run(config).await,
            Self::Match(matched) => matched.run(config).await,
            Self::ReturnToBalance(returned) => returned.run(config).await,
            Self::Dismiss(dismissed) => dismissed.run(config).await,
            Self::Returned(returned) => returned.run(config).await,
            Self::BalanceReturned(returned) => returned.run(config).await,
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

/// Checks the books of transfers.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Maximum number of violations to show for each rule.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Verify {
    /// Prints the violations; fails if there are any.
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let (now, limit) = (outbox.clock().now(), self.limit.max(1));
        let found = transfers::verify_transfers(&mut conn, now, limit).await?;
        let mut out = std::io::stdout().lock();
        for rule in transfers::TRANSFER_RULES {
            let count = found.iter().filter(|violation| violation.rule == rule).count();
            let verdict = if count == 0 { "correct".to_owned() } else { format!("{count} VIOLATIONS") };
            writeln!(out, "{rule:<24} {verdict}")?;
        }
        for violation in &found {
            writeln!(out, "{}: {}", violation.rule, violation.id)?;
        }
        ensure!(found.is_empty(), "the books of transfers do not balance");
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

/// The payment order that has returned money.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// Number of the payment order in the bank.
    #[arg(long)]
    order: String,
    /// Day of the order, such as 2026-12-01.
    #[arg(long)]
    order_day: NaiveDate,
}

impl Order {
    fn check(&self) -> anyhow::Result<PaymentOrder> {
        Ok(PaymentOrder::new(&self.order, self.order_day)?)
    }
}

/// Money that is back with its payer.
#[derive(Debug, Args)]
pub(super) struct Returned {
    /// Id of the operation, `bop_…`.
    operation: BankOperationId,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    by: By,
}

/// Money of a balance that is back with its firm.
#[derive(Debug, Args)]
pub(super) struct BalanceReturned {
    /// Id of the install, `ins_…`.
    install: InstallId,
    /// INN of the firm.
    inn: Inn,
    /// Roubles with kopecks, such as 4990.00.
    roubles: Kopecks,
    /// The vendor's code, if the firm has balances with several.
    #[arg(long)]
    vendor: Option<String>,
    #[command(flatten)]
    order: Order,
    #[command(flatten)]
    by: By,
}

/// Destination that a decision gives the money.
enum Destination {
    Invoice(InvoiceNumber),
    Balance(InstallId, Inn),
    Foreign,
    Returned(PaymentOrder),
}

impl Destination {
    /// Name of the decision in the audit log, and what it gave the money to.
    fn told(&self, operator: &str) -> (&'static str, Value) {
        match self {
            Self::Invoice(number) => {
                ("transfer.match", json!({ "invoice_number": number.get(), "operator": operator }))
            }
            Self::Balance(install, inn) => (
                "transfer.to_balance",
                json!({ "install": install, "inn": inn.as_str(), "operator": operator }),
            ),
            Self::Foreign => ("transfer.dismiss", json!({ "foreign": true, "operator": operator })),
            Self::Returned(order) => {
                ("transfer.returned", json!({ "returned": order.to_string(), "operator": operator }))
            }
        }
    }
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

impl Returned {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let destination = Destination::Returned(self.order.check()?);
        decide(config, self.operation, &self.by, &destination).await?;
        writeln!(std::io::stdout(), "{} is back with its payer.", self.operation)?;
        Ok(())
    }
}

impl BalanceReturned {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let (act, order) = (self.by.act()?, self.order.check()?);
        let outbox = open_outbox(config).await?;
        let by = format!("operator:{}", act.operator);
        let carry_out = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let owner = self.owner(&mut unit).await?;
            let before = transfers::find_balance(&mut unit, owner).await?;
            let returned =
                ReturnedBalance { owner, kopecks: self.roubles, order: &order, by: &by, reason: act.reason };
            record_returned_balance(&mut unit, outbox.clock().as_ref(), returned).await?;
            let left = transfers::find_balance(&mut unit, owner).await?;
            let after =
                json!({ "balance_kopecks": left, "order": order.to_string(), "operator": act.operator });
            let told = Act {
                action: "install.return_balance",
                subject: ("install", self.install.to_string()),
                reason: act.reason,
                before: json!({ "inn": owner.inn.as_str(), "balance_kopecks": before }),
                after,
            };
            record(&mut unit, outbox.clock().as_ref(), told).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(carry_out).await?;
        writeln!(std::io::stdout(), "{} are back with {}.", self.roubles, self.inn)?;
        Ok(())
    }

    /// Owner of the named balance.
    async fn owner(&self, conn: &mut Conn) -> anyhow::Result<BalanceOwner> {
        let vendor = match &self.vendor {
            Some(code) => {
                let found = vendors::find_vendor_by_code(conn, code).await?;
                Some(found.with_context(|| format!("no vendor has the code `{code}`"))?.id)
            }
            None => None,
        };
        let all = transfers::list_owned_balances(conn, self.install).await?;
        let owners: Vec<BalanceOwner> = all.into_iter().map(|(owner, _)| owner).collect();
        let fits = |owner: &&BalanceOwner| {
            owner.inn == self.inn && vendor.is_none_or(|vendor| vendor == owner.vendor)
        };
        match owners.iter().filter(fits).collect::<Vec<_>>().as_slice() {
            [owner] => Ok(**owner),
            [] => bail!("{} has no balance with this firm", self.install),
            _ => bail!("the firm has balances with several vendors: name one with --vendor"),
        }
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
        let found = transfers::find_operation(&mut unit, operation).await?;
        let found = found.ok_or(DecideError::UnknownOperation)?;
        match destination {
            Destination::Invoice(number) => {
                let invoice =
                    transfers::find_transfer_invoice_by_number(&mut unit, found.vendor_id, *number).await?;
                let invoice = invoice.ok_or(DecideError::NotWaiting)?.id;
                match_operation_to_invoice(&mut unit, context, &decision, invoice).await?;
            }
            Destination::Balance(install, inn) => {
                move_operation_to_balance(&mut unit, context, &decision, (*install, *inn)).await?;
            }
            Destination::Foreign => dismiss_operation(&mut unit, context, &decision).await?,
            Destination::Returned(order) => {
                record_returned_operation(&mut unit, context, &decision, order).await?;
            }
        }
        let (action, after) = destination.told(act.operator);
        let told = Act {
            action,
            subject: ("transfer", operation.to_string()),
            reason: act.reason,
            before: json!({ "state": "queued", "kopecks": found.amount }),
            after,
        };
        record(&mut unit, context.clock, told).await?;
        unit.commit().await?;
        Result::<(), DecideError>::Ok(())
    };
    Ok(repeat_contended(carry_out).await?)
}
