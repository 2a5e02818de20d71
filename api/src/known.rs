//! What this process keeps in memory of widgets and installs, and how it learns that it has to forget.
//!
//! Whoever changes one of them notes it in `platform_changes`, in the transaction of the change. Every process reads what
//! is new five times a second and forgets what is named; if it could not read for a second, it trusts nothing it
//! remembers and asks the database. So a project token that was revoked, a widget that was switched off or a pair that
//! was replaced is known to all processes within a second, whatever fails.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, WidgetId};
use flysk_store::platform::changes::{self, Subject};
use flysk_store::platform::installs::Install;
use flysk_store::platform::tokens::Pair;
use flysk_store::platform::widgets::Widget;
use flysk_store::{Pool, StoreResult};

/// How often changes are read.
const EVERY: Duration = Duration::from_millis(200);
/// After so long without having read them nothing is trusted.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a change's transaction may take until it commits: so long its number is looked for after higher ones were seen.
const COMMITS_WITHIN: Duration = Duration::from_secs(30);
/// Entries of each kind; when there are more, all are forgotten.
const MOST: usize = 20_000;

/// An install, and what acting in its account takes.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    /// The widget in the account.
    pub(crate) install: Install,
    /// Where the account lives.
    pub(crate) host: String,
    /// Its tokens, sealed.
    pub(crate) pair: Option<Pair>,
}

/// Widgets by their tokens' hashes and by client id, installs by widget and account. Clones share everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When changes were last read: the moment before, so that nothing that came later is thought to be known.
    read_at: Option<Instant>,
    /// Counts forgettings: what was read from the database before one is not kept after it.
    forgotten: u64,
    widgets: HashMap<String, (Widget, Option<DateTime<Utc>>)>,
    /// By client id.
    integrations: HashMap<String, Widget>,
    installs: HashMap<(WidgetId, AccountId), Install>,
    accesses: HashMap<(WidgetId, AccountId), Access>,
}

/// Permission to keep what is about to be read, unless something is forgotten meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading(Option<u64>);

impl Known {
    /// Keeps things, and forgets them when `pool` says that they changed, until the last clone is gone. Without this (by
    /// `default`) nothing is ever kept.
    pub(crate) fn watching(pool: Pool) -> Self {
        let known = Self::default();
        tokio::spawn(watch(Arc::downgrade(&known.0), pool));
        known
    }

    /// The widget of a project token, by the token's hash, if it is known and the token is good at `now`.
    pub(crate) fn widget(&self, hash: &str, now: DateTime<Utc>) -> Option<Widget> {
        let state = self.trusted()?;
        let (widget, until) = state.widgets.get(hash)?;
        until.is_none_or(|until| until > now).then(|| widget.clone())
    }

    /// A widget's access to an account, if it is known.
    pub(crate) fn access(&self, widget: WidgetId, account: AccountId) -> Option<Access> {
        self.trusted()?.accesses.get(&(widget, account)).cloned()
    }

    /// The widget of an integration and its install in an account, if both are known.
    pub(crate) fn integration(&self, client_uuid: &str, account: AccountId) -> Option<(Widget, Install)> {
        let state = self.trusted()?;
        let widget = state.integrations.get(client_uuid)?;
        let install = state.installs.get(&(widget.id, account))?;
        Some((widget.clone(), install.clone()))
    }

    /// To be asked for before the database is read.
    pub(crate) fn reading(&self) -> Reading {
        Reading(self.trusted().map(|state| state.forgotten))
    }

    /// Keeps a widget under those of these hashes that are its tokens'.
    pub(crate) fn keep_widget(&self, reading: Reading, hashes: &[String], widget: &Widget) {
        let Some(mut state) = self.still(reading) else { return };
        for hash in hashes {
            if *hash == widget.project_token_hash {
                state.widgets.insert(hash.clone(), (widget.clone(), None));
            } else if widget.former_token_hash.as_ref() == Some(hash) {
                state.widgets.insert(hash.clone(), (widget.clone(), widget.former_token_until));
            }
        }
    }

    /// Keeps the widget of an integration with its install in an account.
    pub(crate) fn keep_integration(&self, reading: Reading, widget: &Widget, install: &Install) {
        let Some(mut state) = self.still(reading) else { return };
        state.integrations.insert(widget.client_uuid.clone(), widget.clone());
        state.installs.insert((widget.id, install.account_id), install.clone());
    }

    /// Keeps a widget's access to an account.
    pub(crate) fn keep_access(&self, reading: Reading, access: &Access) {
        let Some(mut state) = self.still(reading) else { return };
        let place = (access.install.widget_id, access.install.account_id);
        state.accesses.insert(place, access.clone());
    }

    /// Forgets an install that this very process changed: whoever was answered must not be told the old.
    pub(crate) fn forget_install(&self, id: InstallId) {
        locked(&self.0).forget(Subject::Install(id));
    }

    fn trusted(&self) -> Option<MutexGuard<'_, State>> {
        let state = locked(&self.0);
        let trusted = state.read_at.is_some_and(|at| at.elapsed() < TRUSTED_FOR);
        trusted.then_some(state)
    }

    fn still(&self, reading: Reading) -> Option<MutexGuard<'_, State>> {
        let mut state = self.trusted().filter(|state| reading.0 == Some(state.forgotten))?;
        if state.widgets.len().max(state.installs.len()).max(state.accesses.len()) >= MOST {
            state.widgets.clear();
            state.integrations.clear();
            state.installs.clear();
            state.accesses.clear();
        }
        Some(state)
    }
}

impl State {
    fn forget(&mut self, subject: Subject) {
        self.forgotten += 1;
        match subject {
            Subject::Widget(id) => {
                self.widgets.retain(|_, (widget, _)| widget.id != id);
                self.integrations.retain(|_, widget| widget.id != id);
                self.installs.retain(|(widget, _), _| *widget != id);
                self.accesses.retain(|(widget, _), _| *widget != id);
            }
            Subject::Install(id) => {
                self.installs.retain(|_, install| install.id != id);
                self.accesses.retain(|_, access| access.install.id != id);
            }
            Subject::Account(id) => self.accesses.retain(|(_, account), _| *account != id),
        }
    }
}

/// Reads changes until nobody remembers anything.
async fn watch(known: Weak<Mutex<State>>, pool: Pool) {
    let mut seen: Option<Seen> = None;
    loop {
        let before = Instant::now();
        let read = read(&pool, &mut seen, before).await;
        let Some(known) = known.upgrade() else { return };
        match read {
            Ok(subjects) => {
                let mut state = locked(&known);
                for subject in subjects {
                    state.forget(subject);
                }
                state.read_at = Some(before);
            }
            Err(error) => {
                tracing::warn!(error = %error, "changes cannot be read: nothing is answered from memory");
            }
        }
        drop(known);
        tokio::time::sleep(EVERY).await;
    }
}

async fn read(pool: &Pool, seen: &mut Option<Seen>, now: Instant) -> StoreResult<Vec<Subject>> {
    let mut conn = pool.acquire().await?;
    let seen = match seen {
        Some(seen) => seen,
        // Nothing is remembered yet, so nothing has to be forgotten; but what is under way now commits later.
        None => seen.insert(Seen::from(changes::newest(&mut conn).await?.saturating_sub(1_000))),
    };
    let found = changes::list_after(&mut conn, seen.floor).await?;
    Ok(seen.fresh(found, now))
}

/// Which changes were dealt with. Numbers may appear out of order, so those seen lately are remembered one by one.
#[derive(Debug)]
struct Seen {
    /// All up to this number were dealt with.
    floor: u64,
    lately: BTreeMap<u64, Instant>,
}

impl From<u64> for Seen {
    fn from(floor: u64) -> Self {
        Self { floor, lately: BTreeMap::new() }
    }
}

impl Seen {
    /// Those that were not seen before.
    fn fresh(&mut self, found: Vec<(u64, Subject)>, now: Instant) -> Vec<Subject> {
        let mut fresh = Vec::new();
        for (number, subject) in found {
            if let std::collections::btree_map::Entry::Vacant(place) = self.lately.entry(number) {
                place.insert(now);
                fresh.push(subject);
            }
        }
        // The first one that is not old yet stops the floor: a number below it may still appear.
        while let Some(first) = self.lately.first_entry() {
            if now.saturating_duration_since(*first.get()) < COMMITS_WITHIN {
                break;
            }
            self.floor = *first.key();
            first.remove();
        }
        fresh
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: u64) -> Subject {
        Subject::Account(AccountId(id))
    }

    #[test]
    fn a_change_that_commits_late_is_seen_and_none_is_seen_twice() {
        let (mut seen, start) = (Seen::from(0), Instant::now());
        assert_eq!(seen.fresh(vec![(1, account(1)), (3, account(3))], start), [account(1), account(3)]);
        let late = vec![(1, account(1)), (2, account(2)), (3, account(3))];
        assert_eq!(seen.fresh(late.clone(), start + EVERY), [account(2)]);
        assert_eq!(seen.fresh(late, start + EVERY), []);
        assert_eq!(seen.fresh(vec![(4, account(4))], start + COMMITS_WITHIN + EVERY), [account(4)]);
        assert_eq!((seen.floor, seen.lately.len()), (3, 1));
    }

    #[test]
    fn nothing_is_trusted_that_was_not_watched() {
        let known = Known::default();
        assert!(known.reading().0.is_none() && known.trusted().is_none());
        locked(&known.0).read_at = Some(Instant::now());
        let reading = known.reading();
        assert!(known.still(reading).is_some());
        locked(&known.0).forget(account(1));
        assert!(known.still(reading).is_none(), "something was forgotten while it was read");
    }
}
