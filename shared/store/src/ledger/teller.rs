//! Many callers, few commits: what waits for one wallet is carried out in one transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flysk_domain::Clock;
use flysk_domain::id::WalletId;
use tokio::sync::oneshot;

use super::{Instruction, Outcome, apply};
use crate::{Pool, StoreError, StoreResult, repeat_while};

/// Instructions in one transaction at most: keeps the wallet's lock below some tens of milliseconds.
const MOST_AT_ONCE: usize = 256;

/// Carries out instructions for callers in this process. Clones share the queues.
///
/// The first to ask for a wallet opens its queue; whoever asks while a transaction runs is taken along by the
/// next. An answer comes after the commit. A caller that stops waiting does not stop its instruction: like
/// any lost answer, it is repeated under its key.
#[derive(Debug, Clone)]
pub struct Teller {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: Pool,
    clock: Arc<dyn Clock>,
    /// A queue is there while somebody works on it.
    queues: Mutex<HashMap<WalletId, Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    instruction: Instruction,
    answer: oneshot::Sender<StoreResult<Outcome>>,
}

impl Teller {
    /// A teller that takes connections from `pool`.
    pub fn new(pool: Pool, clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::new(Inner { pool, clock, queues: Mutex::default() }) }
    }

    /// Carries an instruction out, together with what else waits for the wallet.
    pub async fn submit(&self, wallet: WalletId, instruction: Instruction) -> StoreResult<Outcome> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { instruction, answer };
        let opened = {
            let mut queues = self.inner.queues.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = !queues.contains_key(&wallet);
            queues.entry(wallet).or_default().push(waiting);
            opened
        };
        if opened {
            let inner = Arc::clone(&self.inner);
            tokio::spawn(async move { inner.work_off(wallet).await });
        }
        answered.await.unwrap_or(Err(StoreError::Stale { what: "teller" }))
    }
}

impl Inner {
    /// Works until the queue is empty, then closes it.
    async fn work_off(&self, wallet: WalletId) {
        let open = Open { inner: self, wallet };
        while let Some(batch) = self.next_batch(wallet) {
            let (instructions, answers): (Vec<Instruction>, Vec<_>) =
                batch.into_iter().map(|waiting| (waiting.instruction, waiting.answer)).unzip();
            match self.commit(wallet, &instructions).await {
                Ok(outcomes) => {
                    for (answer, outcome) in answers.into_iter().zip(outcomes) {
                        drop(answer.send(Ok(outcome)));
                    }
                }
                Err(error) if instructions.len() > 1 && is_of_one(&error) => {
                    // One that cannot be written must not fail its neighbours.
                    for (answer, one) in answers.into_iter().zip(instructions) {
                        let outcome = self.commit(wallet, std::slice::from_ref(&one)).await;
                        drop(answer.send(outcome.and_then(single)));
                    }
                }
                Err(error) => {
                    for answer in answers {
                        drop(answer.send(Err(told_again(&error))));
                    }
                }
            }
        }
        // Closed by `next_batch`; whoever came since has opened another.
        std::mem::forget(open);
    }

    fn next_batch(&self, wallet: WalletId) -> Option<Vec<Waiting>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.get_mut(&wallet)?;
        if queue.is_empty() {
            queues.remove(&wallet);
            return None;
        }
        let rest = queue.split_off(queue.len().min(MOST_AT_ONCE));
        Some(std::mem::replace(queue, rest))
    }

    async fn commit(&self, wallet: WalletId, instructions: &[Instruction]) -> StoreResult<Vec<Outcome>> {
        // A key taken at the same moment by another wallet is found on the next try.
        let may_run_again =
            |error: &StoreError| matches!(error, StoreError::Contended(_) | StoreError::Taken { .. });
        repeat_while(may_run_again, || self.commit_once(wallet, instructions)).await
    }

    async fn commit_once(&self, wallet: WalletId, instructions: &[Instruction]) -> StoreResult<Vec<Outcome>> {
        let mut tx = self.pool.begin().await?;
        let outcomes = apply(&mut tx, wallet, instructions, self.clock.as_ref()).await?;
        tx.commit().await?;
        Ok(outcomes)
    }
}

/// A queue somebody works on. Dropped by a panic it takes the queue along, so that who waits is told that nobody
/// will answer, and who comes next opens another.
struct Open<'a> {
    inner: &'a Inner,
    wallet: WalletId,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.inner.queues.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.wallet);
    }
}

/// The database took offence at something that was written. While it is away, or the wallet is locked for too long,
/// each of the batch alone would fare no better, and wait for it in turn.
fn is_of_one(error: &StoreError) -> bool {
    match error {
        StoreError::Taken { .. }
        | StoreError::Stale { .. }
        | StoreError::Corrupt { .. }
        | StoreError::Defect(_) => true,
        StoreError::Database(error) => error.as_database_error().is_some(),
        StoreError::Contended(_) => false,
    }
}

/// The same error for another caller.
fn told_again(error: &StoreError) -> StoreError {
    let again = |error: &sqlx::Error| match error {
        sqlx::Error::PoolTimedOut => sqlx::Error::PoolTimedOut,
        sqlx::Error::PoolClosed => sqlx::Error::PoolClosed,
        other => sqlx::Error::Io(std::io::Error::other(other.to_string())),
    };
    match error {
        StoreError::Contended(error) => StoreError::Contended(again(error)),
        StoreError::Database(error) => StoreError::Database(again(error)),
        StoreError::Defect(error) => StoreError::Defect(again(error)),
        StoreError::Taken { key } => StoreError::Taken { key: key.clone() },
        StoreError::Stale { what } => StoreError::Stale { what },
        StoreError::Corrupt { what, reason } => StoreError::Corrupt { what, reason: reason.clone() },
    }
}

fn single(outcomes: Vec<Outcome>) -> StoreResult<Outcome> {
    outcomes.into_iter().next().ok_or(StoreError::Stale { what: "instruction" })
}
