//! Limits of concurrent listeners, because a stream lasts as long as its listener wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use flysk_domain::id::AccountId;

use crate::problem::{Problem, ProblemCode};

/// Maximum number of concurrent listeners per process.
const MAX_LISTENERS: usize = 256;
/// Maximum number of concurrent listeners per process and account.
const MAX_LISTENERS_PER_ACCOUNT: usize = 16;
/// Number of listeners of each account.
#[derive(Debug, Default)]
pub(super) struct Listeners(Arc<Mutex<HashMap<AccountId, usize>>>);

impl Listeners {
    /// Acquires a permit for one more listener of the account; fails with `too_many_requests` at a limit.
    pub(super) fn acquire(&self, account: AccountId) -> Result<ListenerPermit, Problem> {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own): (usize, _) = (listeners.values().sum(), listeners.get(&account).copied());
        if all >= MAX_LISTENERS || own.is_some_and(|own| own >= MAX_LISTENERS_PER_ACCOUNT) {
            let why = "too many listeners: retry in a few seconds";
            return Err(Problem::new(ProblemCode::TooManyRequests, why));
        }
        *listeners.entry(account).or_default() += 1;
        Ok(ListenerPermit { listeners: Arc::clone(&self.0), account })
    }
}

/// A permit of one listener; released on drop.
#[derive(Debug)]
pub(crate) struct ListenerPermit {
    listeners: Arc<Mutex<HashMap<AccountId, usize>>>,
    account: AccountId,
}

impl Drop for ListenerPermit {
    fn drop(&mut self) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = listeners.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                listeners.remove(&self.account);
            }
        }
    }
}
