//! `flysk-worker wallet:*`: an account's coins, looked at and made good by an operator.

use std::io::Write as _;

use anyhow::{Context as _, bail, ensure};
use chrono::TimeDelta;
use clap::Args;
use flysk_domain::id::{AccountId, LotId, TransactionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::billing::{LARGEST_BONUS, LONGEST_BONUS_DAYS};
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_jobs::Outbox;
use flysk_store::ledger::{self, HistoryFilter, IdempotencyKey, Instruction, Outcome, WalletRow};
use flysk_store::platform::installs;
use flysk_vault::flycoins;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use sha2::{Digest as _, Sha256};

use super::transaction::transact;
use super::widget::find;

/// Transactions shown.
const LATEST: u32 = 20;
/// A reference has 200 characters.
const LONGEST_REASON: usize = 200;
/// What an operator's keys begin with, so that they are not a backend's.
const OPERATOR: &str = "operator:";
/// A key has 120 characters.
const LONGEST_KEY: usize = 120 - OPERATOR.len();

/// Whose wallet.
#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The widget's code.
    #[arg(long)]
    widget: String,
    /// The account's id in amoCRM.
    #[arg(long)]
    account: AccountId,
}

impl Whose {
    /// The wallet, opened if the install is older than the widget's use of Flycoins.
    async fn wallet(&self, outbox: &Outbox) -> anyhow::Result<WalletRow> {
        let open = || async {
            let mut tx = outbox.pool().begin().await?;
            let widget = find(&mut tx, &self.widget).await?;
            let install = installs::find_in_account(&mut tx, widget.id, self.account).await?;
            let install = install
                .with_context(|| format!("account {} has not installed `{}`", self.account, self.widget))?;
            let install = installs::lock(&mut tx, install.id).await?.context("the install is gone")?;
            let clock = outbox.clock().as_ref();
            let wallet = flycoins::welcome(&mut tx, clock, &widget, &install, install.status).await?;
            tx.commit().await?;
            Ok(wallet)
        };
        transact(open).await?.with_context(|| {
            format!("`{0}` does not use Flycoins: widget:update {0} --uses-flycoins true", self.widget)
        })
    }
}

/// An account's coins.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    whose: Whose,
}

impl Show {
    /// Balances, lots, latest transactions.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let wallet = self.whose.wallet(&outbox).await?;
        let mut conn = outbox.pool().acquire().await?;
        let lots = ledger::list_open_lots(&mut conn, wallet.id).await?;
        let filter = HistoryFilter::default();
        let latest = ledger::list_transactions(&mut conn, wallet.id, &filter, None, LATEST).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "wallet     {}", wallet.id)?;
        writeln!(out, "install    {}", wallet.install_id)?;
        writeln!(out, "available  {}", wallet.available)?;
        writeln!(out, "held       {}", wallet.held)?;
        for lot in lots {
            let until = lot.expires_at.map_or_else(|| "without end".to_owned(), |at| format!("until {at}"));
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
    whose: Whose,
    /// Flycoins to credit, such as `50` or `2.5`.
    #[arg(long, value_name = "FLYCOINS")]
    amount: MicroCoins,
    /// The reason that users of the account read in their history, in Russian.
    #[arg(long)]
    reason: String,
    /// Idempotency key, such as the number of the support ticket.
    #[arg(long)]
    key: String,
    /// Days until the coins expire; they do not if left out.
    #[arg(long)]
    lives_days: Option<u32>,
}

impl Credit {
    /// Credits it, once.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        self.check()?;
        let outbox = open_outbox(config).await?;
        let wallet = self.whose.wallet(&outbox).await?;
        let instructions = [self.instruction(&outbox)];
        let credit = || async {
            let mut tx = outbox.pool().begin().await?;
            let outcomes = ledger::apply(&mut tx, wallet.id, &instructions, outbox.clock().as_ref()).await?;
            tx.commit().await?;
            Ok(outcomes)
        };
        let outcome = transact(credit).await?.pop();
        let (what, answer) = match outcome {
            Some(Outcome::Done(answer)) => ("Credited", answer),
            Some(Outcome::Replayed(answer)) => ("Was credited before, as", answer),
            Some(Outcome::KeyReused) => bail!("the key `{}` was used for another compensation", self.key),
            Some(Outcome::Refused(refusal)) => bail!("the ledger refused: {refusal}"),
            None => bail!("the ledger did not answer"),
        };
        writeln!(std::io::stdout().lock(), "{what} {}; {} available.", answer.transaction, answer.available)?;
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.amount.is_positive() && self.amount <= LARGEST_BONUS,
            "--amount is above 0 and at most {LARGEST_BONUS} Flycoins"
        );
        ensure!(
            (1..=LONGEST_REASON).contains(&self.reason.trim().chars().count()),
            "--reason is 1 to {LONGEST_REASON} characters: the account's people read it"
        );
        let visible = self.key.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            visible && (1..=LONGEST_KEY).contains(&self.key.len()),
            "--key is 1 to {LONGEST_KEY} visible ASCII characters"
        );
        ensure!(
            self.lives_days.is_none_or(|days| (1..=LONGEST_BONUS_DAYS).contains(&days)),
            "--lives-days is 1 to {LONGEST_BONUS_DAYS}"
        );
        Ok(())
    }

    fn instruction(&self, outbox: &Outbox) -> Instruction {
        let clock = outbox.clock().as_ref();
        let body = format!(
            "compensation\n{}\n{}\n{}\n{:?}",
            self.whose.account, self.amount, self.reason, self.lives_days
        );
        let key = IdempotencyKey {
            text: format!("{OPERATOR}{}", self.key),
            body_hash: format!("{:x}", Sha256::digest(body)),
        };
        let command = Command::Credit {
            lot: LotId::generate(clock),
            origin: Origin::Compensation,
            amount: self.amount,
            expires_at: self.lives_days.map(|days| clock.now() + TimeDelta::days(days.into())),
        };
        let reference = Some(self.reason.trim().to_owned());
        Instruction { reference, ..Instruction::new(TransactionId::generate(clock), command).keyed(key) }
    }
}
