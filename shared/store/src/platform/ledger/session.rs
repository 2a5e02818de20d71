//! Commands of one wallet, decided in memory by the domain's rules before anything is written.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::TransactionId;
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Posting, Wallet};

use super::command::{CommandOutcome, IdempotencyKey, LedgerCommand, Posted};
use super::idempotency::{Answers, StoredAnswer};
use super::transactions::Recorded;
use super::wallets::{LockedWallet, WalletRow};
use crate::{StoreError, StoreResult};

/// Changes that the commands of a wallet make.
pub(super) struct Decision<'a> {
    /// The wallet's row as it was locked.
    pub(super) row: WalletRow,
    /// Balance below which the wallet's widget gets an event.
    pub(super) low_balance: Option<MicroCoins>,
    /// The wallet as it was loaded.
    pub(super) before: Wallet,
    /// The wallet after the commands.
    pub(super) after: Wallet,
    /// Transactions to be written.
    pub(super) recorded: Vec<Recorded<'a>>,
    /// New results under idempotency keys.
    pub(super) answered: Vec<(&'a IdempotencyKey, Posted)>,
    /// Outcomes, one per command.
    pub(super) outcomes: Vec<CommandOutcome>,
}

/// Executes commands in order and independently: a refused command does not affect the others.
///
/// # Errors
///
/// The wallet's rows contradict each other.
pub(super) fn decide<'a>(
    locked: &LockedWallet,
    before: Wallet,
    commands: &[&'a LedgerCommand],
    answers: &Answers,
    (clock, now): (&dyn Clock, DateTime<Utc>),
) -> StoreResult<Decision<'a>> {
    let mut session = Session {
        locked,
        answers,
        own_answers: BTreeMap::new(),
        wallet: before.clone(),
        recorded: Vec::new(),
        answered: Vec::new(),
    };
    session.sweep(clock, now)?;
    let outcomes = commands.iter().map(|&command| session.execute(command, now)).collect();
    session.sweep(clock, now)?;
    let Session { wallet: after, recorded, answered, .. } = session;
    let LockedWallet { row, low_balance } = *locked;
    Ok(Decision { row, low_balance, before, after, recorded, answered, outcomes })
}

struct Session<'s, 'a> {
    locked: &'s LockedWallet,
    /// Results stored before, and those of other wallets of the same transaction.
    answers: &'s Answers,
    /// Results of this wallet's commands.
    own_answers: BTreeMap<&'a str, StoredAnswer>,
    wallet: Wallet,
    recorded: Vec<Recorded<'a>>,
    answered: Vec<(&'a IdempotencyKey, Posted)>,
}

impl<'a> Session<'_, 'a> {
    fn sweep(&mut self, clock: &dyn Clock, now: DateTime<Utc>) -> StoreResult<()> {
        let swept = self.wallet.sweep(now, || TransactionId::generate(clock)).map_err(|refusal| {
            StoreError::InvalidRow {
                what: "wallet",
                reason: format!("what is over cannot be freed: {refusal}"),
            }
        })?;
        swept.into_iter().try_for_each(|posting| self.record_sweep(posting))
    }

    fn execute(&mut self, command: &'a LedgerCommand, now: DateTime<Utc>) -> CommandOutcome {
        if let Some(key) = &command.key
            && let Some(given) = self.find_answer(key)
        {
            return given.outcome_for(key);
        }
        let posting = match self.wallet.apply(command.transaction, &command.command, now) {
            Ok(posting) => posting,
            Err(refusal) => return CommandOutcome::Refused(refusal),
        };
        let answer = Posted {
            transaction: posting.id,
            hold: posting.hold,
            available: self.wallet.available,
            held: self.wallet.held,
        };
        let (reference, details) = (command.reference.as_deref(), command.details.as_ref());
        self.recorded.push(Recorded { posting, reference, details });
        if let Some(key) = &command.key {
            let stored = StoredAnswer { body_hash: key.body_hash.clone(), answer };
            self.own_answers.insert(&key.text, stored);
            self.answered.push((key, answer));
        }
        CommandOutcome::Done(answer)
    }

    fn find_answer(&self, key: &IdempotencyKey) -> Option<&StoredAnswer> {
        let own = self.own_answers.get(key.text.as_str());
        own.or_else(|| self.answers.find(self.locked.row.widget_id, &key.text))
    }

    fn record_sweep(&mut self, posting: Posting) -> StoreResult<()> {
        if !posting.is_balanced() {
            let reason = format!("{} does not sum to zero", posting.id);
            return Err(StoreError::InvalidRow { what: "transaction", reason });
        }
        self.recorded.push(Recorded { posting, reference: None, details: None });
        Ok(())
    }
}
