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
/// After so long an entry is read anew, whatever was noted: a change whose transaction took longer than
/// [`COMMITS_WITHIN`] is not looked for any more, and this bounds how long it can go unknown.
const OLDEST: Duration = Duration::from_mins(5);
/// Entries of each kind, and subjects that changed; when there are more, all are forgotten.
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
    /// Counts forgettings.
    forgotten: u64,
    /// When each subject was last forgotten: what was read of it before that is not trusted. So forgetting costs one
    /// entry here, however much is remembered.
    changed: HashMap<Subject, u64>,
    /// What was read before this is not kept: the record of what changed then is gone.
    floor: u64,
    widgets: HashMap<String, Kept<Holder>>,
    /// By client id.
    integrations: HashMap<String, Kept<Widget>>,
    installs: HashMap<(WidgetId, AccountId), Kept<Install>>,
    accesses: HashMap<(WidgetId, AccountId), Kept<Access>>,
}

/// Whose a token is, and until when, if it is being replaced.
#[derive(Debug)]
struct Holder {
    widget: Widget,
    until: Option<DateTime<Utc>>,
}

/// Something that was read, and when.
#[derive(Debug)]
struct Kept<T> {
    what: T,
    reading: Reading,
}

/// A moment before the database was read: what is forgotten after it is not in what was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    forgotten: u64,
    at: Instant,
}

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
        let kept = state.widgets.get(hash)?;
        let holder = state.current(kept, &[Subject::Widget(kept.what.widget.id)])?;
        holder.until.is_none_or(|until| until > now).then(|| holder.widget.clone())
    }

    /// A widget's access to an account, if it is known.
    pub(crate) fn access(&self, widget: WidgetId, account: AccountId) -> Option<Access> {
        let state = self.trusted()?;
        let kept = state.accesses.get(&(widget, account))?;
        let about =
            [Subject::Widget(widget), Subject::Install(kept.what.install.id), Subject::Account(account)];
        state.current(kept, &about).cloned()
    }

    /// The widget of an integration and its install in an account, if both are known.
    pub(crate) fn integration(&self, client_uuid: &str, account: AccountId) -> Option<(Widget, Install)> {
        let state = self.trusted()?;
        let kept = state.integrations.get(client_uuid)?;
        let widget = state.current(kept, &[Subject::Widget(kept.what.id)])?;
        let kept = state.installs.get(&(widget.id, account))?;
        let install = state.current(kept, &[Subject::Install(kept.what.id)])?;
        Some((widget.clone(), install.clone()))
    }

    /// To be asked for before the database is read.
    pub(crate) fn reading(&self) -> Option<Reading> {
        self.trusted().map(|state| Reading { forgotten: state.forgotten, at: Instant::now() })
    }

    /// Keeps a widget under those of these hashes that are its tokens'.
    pub(crate) fn keep_widget(&self, reading: Option<Reading>, hashes: &[String], widget: &Widget) {
        let Some((mut state, reading)) = self.keeping(reading) else { return };
        for hash in hashes {
            let until = if *hash == widget.project_token_hash {
                None
            } else if widget.former_token_hash.as_ref() == Some(hash) {
                widget.former_token_until
            } else {
                continue;
            };
            let what = Holder { widget: widget.clone(), until };
            state.widgets.insert(hash.clone(), Kept { what, reading });
        }
    }

    /// Keeps the widget of an integration with its install in an account.
    pub(crate) fn keep_integration(&self, reading: Option<Reading>, widget: &Widget, install: &Install) {
        let Some((mut state, reading)) = self.keeping(reading) else { return };
        state.integrations.insert(widget.client_uuid.clone(), Kept { what: widget.clone(), reading });
        state.installs.insert((widget.id, install.account_id), Kept { what: install.clone(), reading });
    }

    /// Keeps a widget's access to an account.
    pub(crate) fn keep_access(&self, reading: Option<Reading>, access: &Access) {
        let Some((mut state, reading)) = self.keeping(reading) else { return };
        let place = (access.install.widget_id, access.install.account_id);
        state.accesses.insert(place, Kept { what: access.clone(), reading });
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

    /// The state, to keep in it what was read at `reading`.
    fn keeping(&self, reading: Option<Reading>) -> Option<(MutexGuard<'_, State>, Reading)> {
        let (mut state, reading) = (self.trusted()?, reading?);
        if state.widgets.len().max(state.installs.len()).max(state.accesses.len()) >= MOST {
            state.forget_all();
        }
        (reading.forgotten >= state.floor).then_some((state, reading))
    }
}

impl State {
    /// What was kept, unless it is old or something it is about changed since it was read.
    fn current<'a, T>(&self, kept: &'a Kept<T>, about: &[Subject]) -> Option<&'a T> {
        let read = kept.reading.forgotten;
        let changed = |subject| self.changed.get(subject).is_some_and(|changed| *changed > read);
        (kept.reading.at.elapsed() < OLDEST && !about.iter().any(changed)).then_some(&kept.what)
    }

    fn forget(&mut self, subject: Subject) {
        if self.changed.len() >= MOST {
            self.forget_all();
        }
        self.forgotten += 1;
        self.changed.insert(subject, self.forgotten);
    }

    fn forget_all(&mut self) {
        self.forgotten += 1;
        self.floor = self.forgotten;
        self.changed.clear();
        self.widgets.clear();
        self.integrations.clear();
        self.installs.clear();
        self.accesses.clear();
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

    /// Watched just now.
    fn watched() -> Known {
        let known = Known::default();
        locked(&known.0).read_at = Some(Instant::now());
        known
    }

    fn kept(reading: Reading) -> Kept<()> {
        Kept { what: (), reading }
    }

    #[test]
    fn nothing_is_trusted_that_was_not_watched() {
        let known = Known::default();
        assert!(known.reading().is_none() && known.trusted().is_none());
        assert!(watched().reading().is_some());
    }

    #[test]
    fn what_changed_since_it_was_read_is_forgotten_and_nothing_else() {
        let known = watched();
        let before = known.reading().unwrap();
        locked(&known.0).forget(account(1));
        let (after, state) = (known.reading().unwrap(), locked(&known.0));
        assert!(state.current(&kept(before), &[account(1)]).is_none(), "it was read before it changed");
        assert!(state.current(&kept(before), &[account(2)]).is_some());
        assert!(state.current(&kept(after), &[account(1)]).is_some());
    }

    /// Of a change that committed later than changes are looked for nobody hears.
    #[test]
    fn nothing_is_trusted_for_longer_than_five_minutes() {
        let known = watched();
        let mut reading = known.reading().unwrap();
        assert!(locked(&known.0).current(&kept(reading), &[account(1)]).is_some());
        reading.at = reading.at.checked_sub(OLDEST).expect("the clock counts from before that");
        assert!(locked(&known.0).current(&kept(reading), &[account(1)]).is_none());
    }

    #[test]
    fn what_was_read_before_everything_was_forgotten_is_not_kept() {
        let known = watched();
        let before = known.reading();
        for id in 0..=MOST as u64 {
            locked(&known.0).forget(account(id));
        }
        assert!(locked(&known.0).changed.len() <= MOST);
        assert!(known.keeping(before).is_none());
        assert!(known.keeping(known.reading()).is_some());
    }
}
