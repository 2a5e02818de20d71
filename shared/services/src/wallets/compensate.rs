//! Compensations: Flycoins that an operator credits to an account.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_domain::id::{AccountId, LotId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::billing::{MAX_BONUS, MAX_BONUS_DAYS};
use flysk_domain::platform::ledger::{Command, LedgerRefusal, Origin};
use flysk_store::platform::ledger::{self, CommandOutcome, IdempotencyKey, LedgerCommand, Posted};
use flysk_store::{Conn, StoreError};

/// Maximum length of the reason, characters.
pub const MAX_COMPENSATION_REASON_LEN: usize = 200;
/// Prefix of operators' idempotency keys, so that they never collide with a backend's.
const OPERATOR_KEY_PREFIX: &str = "operator:";
/// Maximum length of the key, bytes; the column holds 120 including the prefix.
pub const MAX_COMPENSATION_KEY_LEN: usize = 120 - OPERATOR_KEY_PREFIX.len();

/// The compensation to credit.
#[derive(Debug, Clone)]
pub struct Compensation {
    /// The account, part of what the key stands for.
    pub account_id: AccountId,
    /// Amount, above 0 and at most [`MAX_BONUS`].
    pub amount: MicroCoins,
    /// Reason that users of the account read in the history, in Russian.
    pub reason: String,
    /// Days until the coins expire; `None` if they never do.
    pub lives_days: Option<u32>,
    /// Idempotency key: visible ASCII characters.
    pub key: String,
}

/// Why a compensation is not credited.
#[derive(Debug, thiserror::Error)]
pub enum CompensationError {
    /// The amount is out of range.
    #[error("the amount must be above 0 and at most {MAX_BONUS} Flycoins")]
    Amount,
    /// The reason is empty or too long.
    #[error(
        "the reason must have 1 to {MAX_COMPENSATION_REASON_LEN} characters; users of the account read it"
    )]
    Reason,
    /// The key has other characters or is too long.
    #[error("the key must have 1 to {MAX_COMPENSATION_KEY_LEN} visible ASCII characters")]
    Key,
    /// The lifetime is out of range.
    #[error("the lifetime must be 1 to {MAX_BONUS_DAYS} days")]
    LivesDays,
    /// The key was used for another compensation.
    #[error("the key was used for another compensation")]
    KeyReused,
    /// The ledger refused.
    #[error("the ledger refused: {0}")]
    Ledger(LedgerRefusal),
    /// Database error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether this call credited the coins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompensationOutcome {
    /// The coins were credited.
    Credited(Posted),
    /// The same compensation was credited before under its key.
    Repeated(Posted),
}

impl Compensation {
    /// Validates the compensation.
    pub fn check(&self) -> Result<(), CompensationError> {
        if !self.amount.is_positive() || self.amount > MAX_BONUS {
            return Err(CompensationError::Amount);
        }
        if !(1..=MAX_COMPENSATION_REASON_LEN).contains(&self.reason.trim().chars().count()) {
            return Err(CompensationError::Reason);
        }
        let visible = self.key.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=MAX_COMPENSATION_KEY_LEN).contains(&self.key.len()) {
            return Err(CompensationError::Key);
        }
        if self.lives_days.is_some_and(|days| !(1..=MAX_BONUS_DAYS).contains(&days)) {
            return Err(CompensationError::LivesDays);
        }
        Ok(())
    }

    fn instruction(&self, clock: &dyn Clock) -> LedgerCommand {
        let body = format!(
            "compensation\n{}\n{}\n{}\n{:?}",
            self.account_id, self.amount, self.reason, self.lives_days
        );
        let key = IdempotencyKey {
            text: format!("{OPERATOR_KEY_PREFIX}{}", self.key),
            body_hash: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(body)),
        };
        let command = Command::Credit {
            lot: LotId::generate(clock),
            origin: Origin::Compensation,
            amount: self.amount,
            expires_at: self.lives_days.map(|days| clock.now() + TimeDelta::days(days.into())),
        };
        let reference = Some(self.reason.trim().to_owned());
        LedgerCommand { reference, ..LedgerCommand::new(TransactionId::generate(clock), command).keyed(key) }
    }
}

/// Credits a compensation to a wallet, once per key; the caller commits.
///
/// # Errors
///
/// The compensation is invalid, its key stands for another one, or the ledger refuses it.
pub async fn compensate(
    conn: &mut Conn,
    clock: &dyn Clock,
    wallet: WalletId,
    compensation: &Compensation,
) -> Result<CompensationOutcome, CompensationError> {
    compensation.check()?;
    let outcome = ledger::apply(conn, wallet, &[compensation.instruction(clock)], clock).await?.pop();
    match outcome.ok_or(StoreError::WrongState { what: "wallet" })? {
        CommandOutcome::Done(posted) => Ok(CompensationOutcome::Credited(posted)),
        CommandOutcome::Replayed(posted) => Ok(CompensationOutcome::Repeated(posted)),
        CommandOutcome::KeyReused => Err(CompensationError::KeyReused),
        CommandOutcome::Refused(refusal) => Err(CompensationError::Ledger(refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_credited_is_refused_before_the_ledger_is_asked() {
        let good = Compensation {
            account_id: AccountId(7),
            amount: MicroCoins(1),
            reason: "Сбой".to_owned(),
            lives_days: None,
            key: "ticket-1".to_owned(),
        };
        assert!(good.check().is_ok());
        let over = MicroCoins(MAX_BONUS.0 + 1);
        assert!(matches!(
            Compensation { amount: over, ..good.clone() }.check(),
            Err(CompensationError::Amount)
        ));
        assert!(matches!(
            Compensation { amount: MicroCoins::ZERO, ..good.clone() }.check(),
            Err(CompensationError::Amount)
        ));
        for reason in [" ".to_owned(), "я".repeat(MAX_COMPENSATION_REASON_LEN + 1)] {
            assert!(matches!(
                Compensation { reason, ..good.clone() }.check(),
                Err(CompensationError::Reason)
            ));
        }
        for key in ["", "тикет", "a b"] {
            let wrong = Compensation { key: key.to_owned(), ..good.clone() };
            assert!(matches!(wrong.check(), Err(CompensationError::Key)), "{key}");
        }
        assert!(matches!(
            Compensation { lives_days: Some(0), ..good }.check(),
            Err(CompensationError::LivesDays)
        ));
    }
}
