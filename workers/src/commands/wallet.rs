//! `flysk-worker wallet:*`: an account's wallet and compensations.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use flysk_domain::id::{AccountId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_queue::Outbox;
use flysk_services::wallets::{self, Compensation, CompensationOutcome, compensate};
use flysk_store::platform::installs;
use flysk_store::platform::ledger::{self, HistoryFilter, WalletRow};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::json;

use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;
use super::widget::find;

/// Number of transactions to show.
const TRANSACTIONS_SHOWN: u32 = 20;
/// Selects a wallet.
#[derive(Debug, Args)]
pub(super) struct WalletOwner {
    /// The widget's code.
    #[arg(long)]
    widget: String,
    /// The account's id in amoCRM.
    #[arg(long)]
    account: AccountId,
}

impl WalletOwner {
    /// Finds the wallet, and creates it if the install is older than the widget's use of Flycoins.
    async fn wallet(&self, outbox: &Outbox) -> anyhow::Result<WalletRow> {
        let open = || async {
            let mut tx = outbox.pool().begin().await?;
            let widget = find(&mut tx, &self.widget).await?;
            let install = installs::find_in_account(&mut tx, widget.id, self.account).await?;
            let install = install
                .with_context(|| format!("account {} has not installed `{}`", self.account, self.widget))?;
            let install = installs::lock(&mut tx, install.id).await?.context("the install is gone")?;
            let clock = outbox.clock().as_ref();
            let wallet =
                wallets::grant_welcome_bonus(&mut tx, clock, &widget, &install, install.status).await?;
            tx.commit().await?;
            Ok(wallet)
        };
        transact(open).await?.with_context(|| {
            format!("`{0}` does not use Flycoins: widget:update {0} --uses-flycoins true", self.widget)
        })
    }
}

/// Shows a wallet.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    owner: WalletOwner,
}

impl Show {
    /// Prints balances, lots and the latest transactions.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let wallet = self.owner.wallet(&outbox).await?;
        let mut conn = outbox.pool().acquire().await?;
        let lots = ledger::list_open_lots(&mut conn, wallet.id).await?;
        let filter = HistoryFilter::default();
        let latest = ledger::list_transactions(
            &mut conn,
            ledger::HistoryOf::Wallet(wallet.id),
            &filter,
            None,
            TRANSACTIONS_SHOWN,
        )
        .await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "wallet     {}", wallet.id)?;
        writeln!(out, "install    {}", wallet.install_id)?;
        writeln!(out, "available  {}", wallet.available)?;
        writeln!(out, "held       {}", wallet.held)?;
        for lot in lots {
            let until = lot.expires_at.map_or_else(|| "no expiry".to_owned(), |at| format!("until {at}"));
            writeln!(
                out,
                "lot        {} of {} {:<12} {until}  {}",
                lot.left,
                lot.granted,
                lot.origin.code(),
                lot.id
            )?;
        }
        for row in latest {
            writeln!(
                out,
                "{}  {:<8} {:>16} {:>16}  {}  {}",
                row.at.format("%Y-%m-%d %H:%M:%S"),
                row.kind.code(),
                row.available.to_string(),
                row.held.to_string(),
                row.id,
                row.reference.unwrap_or_default()
            )?;
        }
        Ok(())
    }
}

/// A compensation.
#[derive(Debug, Args)]
pub(super) struct Credit {
    #[command(flatten)]
    owner: WalletOwner,
    /// Amount in Flycoins, such as `50` or `2.5`.
    #[arg(long, value_name = "FLYCOINS")]
    amount: MicroCoins,
    /// Reason that users of the account read in the history, in Russian.
    #[arg(long)]
    reason: String,
    /// Idempotency key, such as the number of the support ticket. The audit log has it as the reason.
    #[arg(long)]
    key: String,
    /// Days until the coins expire; never by default.
    #[arg(long)]
    lives_days: Option<u32>,
}

impl Credit {
    /// Credits the compensation once per key.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let compensation = Compensation {
            account_id: self.owner.account,
            amount: self.amount,
            reason: self.reason.clone(),
            lives_days: self.lives_days,
            key: self.key.clone(),
        };
        compensation.check()?;
        let outbox = open_outbox(config).await?;
        let wallet = self.owner.wallet(&outbox).await?;
        let (what, posted) = match transact(|| credit(&outbox, wallet.id, &compensation)).await? {
            CompensationOutcome::Credited(posted) => ("Credited", posted),
            CompensationOutcome::Repeated(posted) => ("Already credited as", posted),
        };
        writeln!(std::io::stdout().lock(), "{what} {}; {} available.", posted.transaction, posted.available)?;
        Ok(())
    }
}

/// Credits a compensation and records it, as the admin panel does: it counts in the panel's limit of a day.
async fn credit(
    outbox: &Outbox,
    wallet: WalletId,
    compensation: &Compensation,
) -> anyhow::Result<CompensationOutcome> {
    let clock = outbox.clock().as_ref();
    let mut unit = outbox.begin(trace(outbox)).await?;
    let before = ledger::find_wallet(&mut unit, wallet).await?.context("the wallet is gone")?;
    let outcome = compensate(&mut unit, clock, wallet, compensation).await?;
    if let CompensationOutcome::Credited(posted) = &outcome {
        let act = Act {
            action: "wallet.credit",
            subject: ("wallet", wallet.to_string()),
            reason: &compensation.key,
            before: json!({ "available_micro": before.available }),
            after: json!({
                "available_micro": posted.available,
                "amount_micro": compensation.amount,
                "transaction": posted.transaction,
                "shown": compensation.reason,
            }),
        };
        record(&mut unit, clock, act).await?;
    }
    unit.commit().await?;
    Ok(outcome)
}
