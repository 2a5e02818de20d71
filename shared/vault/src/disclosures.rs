//! Writing down who is given a token, many at once.
//!
//! A disclosure is durable before the token is given. Under load those who wait for the same flush share one statement:
//! whoever comes first writes for all who have come meanwhile.

use std::sync::{Mutex, PoisonError};

use flysk_store::platform::token_reads::{self, TokenRead};
use flysk_store::{Pool, StoreResult, repeat_contended};
use tokio::sync::oneshot;

use crate::VaultError;

/// Rows of one statement.
const AT_ONCE: usize = 200;

/// Disclosures on their way to the database.
#[derive(Debug, Default)]
pub(crate) struct Disclosures {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    read: TokenRead,
    /// Told once the row is durable; dropped untold if it is not.
    written: oneshot::Sender<()>,
}

impl Disclosures {
    /// Returns when the disclosure is durable.
    pub(crate) async fn write(&self, pool: &Pool, read: TokenRead) -> Result<(), VaultError> {
        let (written, mut told) = oneshot::channel();
        self.waiting().push(Waiting { read: read.clone(), written });
        let turn = self.turn.lock().await;
        match told.try_recv() {
            Ok(()) => return Ok(()),
            Err(oneshot::error::TryRecvError::Empty) => {}
            // Whoever wrote for us failed or went away: we write ourselves. A row that is there twice hides nothing.
            Err(oneshot::error::TryRecvError::Closed) => {
                drop(turn);
                return Ok(repeat_contended(|| insert(pool, std::slice::from_ref(&read))).await?);
            }
        }
        loop {
            let batch = self.batch();
            let reads: Vec<TokenRead> = batch.iter().map(|waiting| waiting.read.clone()).collect();
            repeat_contended(|| insert(pool, &reads)).await?;
            for waiting in batch {
                let _gone_away = waiting.written.send(());
            }
            // Ours is among the first unless more than a statement takes came before it.
            if told.try_recv().is_ok() {
                return Ok(());
            }
        }
    }

    fn batch(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let most = waiting.len().min(AT_ONCE);
        waiting.drain(..most).collect()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn insert(pool: &Pool, reads: &[TokenRead]) -> StoreResult<()> {
    token_reads::insert(&mut *pool.acquire().await?, reads).await
}
