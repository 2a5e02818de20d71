//! `flysk-worker wallet:*`: an account's wallet and compensations.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use flysk_domain::id::AccountId;
use flysk_domain::money::MicroCoins;
use flysk_queue::Outbox;
use flysk_services::wallets::{self, Compensation, CompensationOutcome, compensate};
use flysk_store::platform::installs;
use flysk_store::platform::ledger::{self, HistoryFilter, WalletRow};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

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
    /// Idempotency key, such as the number of the support ticket.
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
        let credit = || async {
            let mut tx = outbox.pool().begin().await?;
            let outcome = compensate(&mut tx, outbox.clock().as_ref(), wallet.id, &compensation).await?;
            tx.commit().await?;
            Ok(outcome)
        };
        let (what, posted) = match transact(credit).await? {
            CompensationOutcome::Credited(posted) => ("Credited", posted),
            CompensationOutcome::Repeated(posted) => ("Already credited as", posted),
        };
        writeln!(std::io::stdout().lock(), "{what} {}; {} available.", posted.transaction, posted.available)?;
        Ok(())
    }
}
