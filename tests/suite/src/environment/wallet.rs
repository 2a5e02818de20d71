//! Wallet and ledger of the environment's account, read from the database.

use anyhow::{Context as _, ensure};
use flysk_domain::SystemClock;
use flysk_domain::id::{InstallId, LotId, TransactionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, WalletRow};

use super::Environment;

/// Balance of a wallet, in micro-Flycoins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coins {
    /// Available amount.
    pub available: i64,
    /// Held amount.
    pub held: i64,
}

impl Environment {
    /// Balance of the account.
    pub async fn coins(&self) -> anyhow::Result<Coins> {
        let wallet = self.wallet().await?;
        Ok(Coins { available: wallet.available.0, held: wallet.held.0 })
    }

    /// Charges and captures of the account so far: their number, and their sum less refunds in micro-Flycoins.
    pub async fn taken(&self) -> anyhow::Result<(i64, i64)> {
        let wallet = self.wallet().await?;
        Ok(sqlx::query_as(
            "SELECT COUNT(*), CAST(COALESCE(SUM(charged_micro - refunded_micro), 0) AS SIGNED)
             FROM ledger_charges WHERE wallet_id = ?",
        )
        .bind(wallet.id.to_string())
        .fetch_one(&self.pool)
        .await?)
    }

    /// Credits the wallet, as the purchase of a package does.
    pub async fn give_coins(&self, amount_micro: i64) -> anyhow::Result<()> {
        let wallet = self.wallet().await?;
        let command = Command::Credit {
            lot: LotId::generate(&SystemClock),
            origin: Origin::Package,
            amount: MicroCoins(amount_micro),
            expires_at: None,
        };
        let instruction = LedgerCommand::new(TransactionId::generate(&SystemClock), command);
        let mut tx = self.pool.begin().await?;
        let outcomes = ledger::apply(&mut tx, wallet.id, &[instruction], &SystemClock).await?;
        ensure!(
            matches!(outcomes[..], [CommandOutcome::Done(_)]),
            "the wallet was not credited: {outcomes:?}"
        );
        tx.commit().await?;
        Ok(())
    }

    /// Whether a transcription has waited for coins.
    pub async fn has_waited_for_coins(&self, transcription_id: &str) -> anyhow::Result<bool> {
        let waited: Option<bool> = sqlx::query_scalar(
            "SELECT was_parked FROM flysense_payments WHERE transcription_id = ? AND was_parked",
        )
        .bind(transcription_id)
        .fetch_optional(&self.pool)
        .await?;
        Ok(waited.unwrap_or_default())
    }

    /// Checks that every balance equals the sum of its entries.
    pub async fn prove_ledger(&self) -> anyhow::Result<()> {
        let proof = ledger::verify(&mut *self.pool.acquire().await?, 20).await?;
        ensure!(proof.discrepancies.is_empty(), "the ledger is inconsistent: {:?}", proof.discrepancies);
        Ok(())
    }

    async fn wallet(&self) -> anyhow::Result<WalletRow> {
        let mut conn = self.pool.acquire().await?;
        let install: Option<String> =
            sqlx::query_scalar("SELECT install_id FROM flysense_accounts WHERE account_id = ?")
                .bind(super::ACCOUNT)
                .fetch_optional(&mut *conn)
                .await?;
        let install: InstallId = install.context("FlySense is not installed")?.parse()?;
        ledger::find_wallet_of_install(&mut conn, install).await?.context("the install has no wallet")
    }
}
