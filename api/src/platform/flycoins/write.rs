//! What all writes share: the caller's key, the ledger, and what its refusals are called.

use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::Refusal;
use flysk_store::StoreError;
use flysk_store::ledger::{self, Answer, IdempotencyKey, Instruction, Outcome, TransactionRow, WalletRow};
use flysk_store::platform::widgets::Widget;
use poem_openapi::types::ToJSON;
use sha2::{Digest as _, Sha256};

use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

const LONGEST_KEY: usize = 120;

/// The caller's name for a write. The same key with another operation, address or body is another write.
pub(super) fn key_of(text: &str, operation: &str, body: &impl ToJSON) -> Result<IdempotencyKey, Problem> {
    if !(1..=LONGEST_KEY).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail = "an Idempotency-Key is 1 to 120 visible ASCII characters";
        return Err(Problem::new(ProblemCode::InvalidRequest, detail));
    }
    // As it was read, so that the order of fields and white space do not matter.
    let body = format!("{operation}\n{}", body.to_json_string());
    Ok(IdempotencyKey { text: text.to_owned(), body_hash: hex::encode(Sha256::digest(body)) })
}

/// What a write came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    /// The ledger's answer, the first one if it is a repetition.
    pub(super) answer: Answer,
    /// Nothing happened now.
    pub(super) replayed: bool,
}

impl Done {
    /// The header that tells so.
    pub(super) fn header(self) -> Option<String> {
        self.replayed.then(|| "true".to_owned())
    }
}

/// What is missing when coins are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Needed {
    /// What the write takes.
    pub(super) amount: MicroCoins,
    /// What it takes from a hold, beside the available coins.
    pub(super) from_hold: MicroCoins,
}

/// Carries a write out.
pub(super) async fn submit(
    deps: &Deps,
    wallet: WalletRow,
    instruction: Instruction,
    needed: Needed,
) -> Result<Done, Problem> {
    match deps.teller.submit(wallet.id, instruction).await? {
        Outcome::Done(answer) => Ok(Done { answer, replayed: false }),
        Outcome::Replayed(answer) => Ok(Done { answer, replayed: true }),
        Outcome::KeyReused => Err(reused()),
        Outcome::Refused(Refusal::Insufficient) => Err(insufficient(deps, wallet, needed).await?),
        Outcome::Refused(refusal) => Err(refused(refusal)),
    }
}

/// The first answer of a write that would be refused now: what was carried out stays so, whatever has become
/// of prices and installs since. A fresh one is refused with `problem`.
pub(super) async fn replay_or(
    deps: &Deps,
    widget: &Widget,
    key: &IdempotencyKey,
    problem: Problem,
) -> Result<Done, Problem> {
    match ledger::find_answer(on(&mut deps.conn().await?), widget.id, key).await? {
        Some(Outcome::Replayed(answer)) => Ok(Done { answer, replayed: true }),
        Some(_) => Err(reused()),
        None => Err(problem),
    }
}

/// The transaction an answer tells of, with the receipt it was kept with.
pub(super) async fn recall(deps: &Deps, done: Done) -> Result<TransactionRow, Problem> {
    let row = ledger::find_transaction(on(&mut deps.conn().await?), done.answer.transaction).await?;
    row.ok_or_else(|| StoreError::Stale { what: "transaction" }.into())
}

async fn insufficient(deps: &Deps, wallet: WalletRow, needed: Needed) -> Result<Problem, Problem> {
    let now = ledger::find_wallet(on(&mut deps.conn().await?), wallet.id).await?.unwrap_or(wallet);
    let mut detail = format!("{} Flycoins are needed, {} are available", needed.amount, now.available);
    if needed.from_hold.is_positive() {
        detail = format!("{detail} besides {} in the hold", needed.from_hold);
    }
    Ok(Problem::new(ProblemCode::InsufficientBalance, detail))
}

fn reused() -> Problem {
    Problem::new(
        ProblemCode::IdempotencyKeyReused,
        "take a fresh key for each write, and keep it for repetitions",
    )
}

fn refused(refusal: Refusal) -> Problem {
    let code = match refusal {
        Refusal::Insufficient => ProblemCode::InsufficientBalance,
        Refusal::NotPositive | Refusal::OutOfRange(_) => ProblemCode::InvalidRequest,
        Refusal::UnknownHold => ProblemCode::UnknownHold,
        Refusal::HoldEnded => ProblemCode::HoldEnded,
        Refusal::UnknownCharge => ProblemCode::UnknownCharge,
        Refusal::MoreThanCharged => ProblemCode::MoreThanCharged,
        // Ids and moments are ours, lots are found by the ledger itself: none of these is the caller's doing.
        Refusal::Taken | Refusal::UnknownLot | Refusal::Overfilled | Refusal::ExpiryInPast => {
            tracing::error!(refusal = refusal.code(), "the ledger refused what it should take");
            return Problem::new(ProblemCode::Internal, "told to our operators");
        }
    };
    Problem::new(code, refusal.to_string())
}
