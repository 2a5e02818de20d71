//! Shared code of all writes to the ledger: idempotency keys, execution, and problems for refusals.

use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::LedgerRefusal;
use flysk_store::StoreError;
use flysk_store::platform::ledger::{
    self, CommandOutcome, IdempotencyKey, LedgerCommand, Posted, TransactionRow, WalletRow,
};
use flysk_store::platform::widgets::Widget;
use poem_openapi::types::ToJSON;
use sha2::{Digest as _, Sha256};

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// The idempotency key of a request with the hash of the request. The same key with a different operation, path or body
/// is an error.
pub(super) fn idempotency_key(text: &str, operation: &str, body: &impl ToJSON) -> IdempotencyKey {
    // The parsed body is hashed, so the order of fields and white space do not matter.
    let body = format!("{operation}\n{}", body.to_json_string());
    IdempotencyKey { text: text.to_owned(), body_hash: hex::encode(Sha256::digest(body)) }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct WriteResult {
    /// The ledger's answer; for a replay, the first one.
    pub(super) answer: Posted,
    /// The write was executed by an earlier request with the same key.
    pub(super) replayed: bool,
}

impl WriteResult {
    /// Value of the `Idempotency-Replayed` header.
    pub(super) fn header(self) -> Option<String> {
        self.replayed.then(|| "true".to_owned())
    }
}

/// The funds that a write needs, for the detail of `insufficient_balance`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequiredFunds {
    /// Amount of the write.
    pub(super) amount: MicroCoins,
    /// Part of the amount that a hold covers.
    pub(super) from_hold: MicroCoins,
}

/// Executes a write, or replays its first answer.
pub(super) async fn submit(
    deps: &Deps,
    wallet: WalletRow,
    instruction: LedgerCommand,
    required: RequiredFunds,
) -> Result<WriteResult, Problem> {
    match deps.wallet_batcher.submit(wallet.id, instruction).await? {
        CommandOutcome::Done(answer) => Ok(WriteResult { answer, replayed: false }),
        CommandOutcome::Replayed(answer) => Ok(WriteResult { answer, replayed: true }),
        CommandOutcome::KeyReused => Err(key_reused_problem()),
        CommandOutcome::Refused(LedgerRefusal::Insufficient) => {
            Err(insufficient_funds_problem(deps, wallet, required).await?)
        }
        CommandOutcome::Refused(refusal) => Err(refusal_problem(refusal)),
    }
}

/// For a write that fails validation now: returns the first answer if an earlier request with the same key was executed,
/// because prices and installs may have changed since. Otherwise fails with `problem`.
pub(super) async fn first_answer_or(
    deps: &Deps,
    widget: &Widget,
    key: &IdempotencyKey,
    problem: Problem,
) -> Result<WriteResult, Problem> {
    match ledger::find_answer(&mut *deps.conn().await?, widget.id, key).await? {
        Some(CommandOutcome::Replayed(answer)) => Ok(WriteResult { answer, replayed: true }),
        Some(_) => Err(key_reused_problem()),
        None => Err(problem),
    }
}

/// The transaction of an answer, with its stored receipt.
pub(super) async fn load_transaction(deps: &Deps, result: WriteResult) -> Result<TransactionRow, Problem> {
    let row = ledger::find_transaction(&mut *deps.conn().await?, result.answer.transaction).await?;
    row.ok_or_else(|| StoreError::WrongState { what: "transaction" }.into())
}

/// What has been refunded of the charge of an answer by now: nothing of one that this request made.
pub(super) async fn load_refunded(deps: &Deps, result: WriteResult) -> Result<MicroCoins, Problem> {
    if !result.replayed {
        return Ok(MicroCoins::default());
    }
    Ok(ledger::find_refunded(&mut *deps.conn().await?, result.answer.transaction).await?)
}

async fn insufficient_funds_problem(
    deps: &Deps,
    wallet: WalletRow,
    required: RequiredFunds,
) -> Result<Problem, Problem> {
    let now = ledger::find_wallet(&mut *deps.conn().await?, wallet.id).await?.unwrap_or(wallet);
    let mut detail = format!("{} Flycoins are required, {} are available", required.amount, now.available);
    if required.from_hold.is_positive() {
        detail = format!("{detail} besides {} in the hold", required.from_hold);
    }
    Ok(Problem::new(ProblemCode::InsufficientBalance, detail))
}

fn key_reused_problem() -> Problem {
    Problem::new(
        ProblemCode::IdempotencyKeyReused,
        "use a new key for each write, and the same key to repeat a request",
    )
}

fn refusal_problem(refusal: LedgerRefusal) -> Problem {
    let code = match refusal {
        LedgerRefusal::Insufficient => ProblemCode::InsufficientBalance,
        LedgerRefusal::NotPositive | LedgerRefusal::OutOfRange(_) => ProblemCode::InvalidRequest,
        LedgerRefusal::UnknownHold => ProblemCode::UnknownHold,
        LedgerRefusal::HoldEnded => ProblemCode::HoldEnded,
        LedgerRefusal::UnknownCharge => ProblemCode::UnknownCharge,
        LedgerRefusal::MoreThanCharged => ProblemCode::MoreThanCharged,
        // Flysk generates ids and times, and the ledger selects lots, so the caller cannot cause these refusals.
        LedgerRefusal::Taken
        | LedgerRefusal::UnknownLot
        | LedgerRefusal::Overfilled
        | LedgerRefusal::ExpiryInPast => {
            tracing::error!(refusal = refusal.code(), "unexpected refusal of the ledger");
            return Problem::new(ProblemCode::Internal, "quote X-Request-Id to support");
        }
    };
    Problem::new(code, refusal.to_string())
}
