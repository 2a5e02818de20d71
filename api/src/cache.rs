//! In-process cache of widgets, installs, subscriptions and users' seats, invalidated through the table `cache_invalidations`.
//!
//! Every change of a widget or install inserts a row into `cache_invalidations`, in the same transaction. Every process polls
//! for new rows 5 times a second and invalidates their subjects. If polling has failed for a second, the process bypasses its
//! cache and reads the database. So a revoked project token, a widget that was switched off or a replaced token pair takes
//! effect in all processes within a second, also during failures.

mod cursor;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, UserId, WidgetId};
use flysk_domain::platform::subscriptions::Seat;
use flysk_services::subscriptions::SubscriptionFacts;
use flysk_store::platform::cache_invalidations::{self, Subject};
use flysk_store::platform::installs::Install;
use flysk_store::platform::project_tokens;
use flysk_store::platform::subscriptions::{Plan, SubscriptionRow};
use flysk_store::platform::tokens::Pair;
use flysk_store::platform::widgets::Widget;
use flysk_store::{Pool, StoreResult, answered};
use moka::sync::Cache;

use cursor::ChangeCursor;

/// Interval between polls of the changes.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The cache is bypassed if the last successful poll is older than this.
const MAX_STALENESS: Duration = Duration::from_secs(1);
/// Time to live of an entry. A change whose transaction took longer than [`cursor::LATE_COMMIT_WINDOW`] is missed; this limits
/// how long the stale entry is used.
const ENTRY_TTL: Duration = Duration::from_mins(5);
/// Maximum number of entries of each kind; the least recently used ones are evicted.
const MAX_ENTRIES: u64 = 20_000;
/// Maximum number of changed subjects; at the limit every entry is invalidated.
const MAX_CHANGED_SUBJECTS: usize = 20_000;

/// An install with the account's host and token pair.
#[derive(Debug, Clone)]
pub(crate) struct InstallAccess {
    pub(crate) install: Install,
    /// The account's host.
    pub(crate) host: String,
    /// The token pair, encrypted.
    pub(crate) pair: Option<Pair>,
    /// The subscription, of a widget that sells subscriptions.
    pub(crate) subscription: Option<SubscriptionRow>,
}

/// The subscription of an install, if it has one.
#[derive(Debug, Clone)]
pub(crate) struct InstallSubscription(pub(crate) Option<SubscriptionFacts>);

/// Cache of widgets by token hash and by client id, and of installs by widget and account. Clones share the cache.
#[derive(Debug, Clone)]
pub(crate) struct InstallCache {
    changes: Arc<Mutex<Changes>>,
    widgets: Cache<String, CacheEntry<TokenOwner>>,
    /// By client id.
    integrations: Cache<String, CacheEntry<Widget>>,
    installs: Cache<(WidgetId, AccountId), CacheEntry<Install>>,
    accesses: Cache<(WidgetId, AccountId), CacheEntry<InstallAccess>>,
    /// Seats that users have. That a user has none is not cached.
    seats: Cache<(InstallId, UserId), CacheEntry<Seat>>,
    offers: Cache<WidgetId, CacheEntry<Vec<Plan>>>,
    /// Subscriptions of installs, for handshakes.
    subscriptions: Cache<InstallId, CacheEntry<InstallSubscription>>,
}

/// Invalidated subjects.
#[derive(Debug, Default)]
struct Changes {
    /// Start of the last successful poll. It is taken before the query, so that later changes never count as read.
    read_at: Option<Instant>,
    /// Number of invalidations.
    invalidations: u64,
    /// Value of `invalidations` when each subject was last invalidated. Entries that were read before are stale. So an
    /// invalidation costs one entry here, independently of the number of cached entries.
    changed: HashMap<Subject, u64>,
    /// Values that were read before this number of invalidations are stale, because `changed` was cleared.
    floor: u64,
}

/// The widget of a project token. `until` is the expiry of a token that is being replaced.
#[derive(Debug)]
struct TokenOwner {
    widget: Widget,
    until: Option<DateTime<Utc>>,
}

/// A cached value and the epoch of its read.
#[derive(Debug)]
struct CacheEntry<T> {
    value: Arc<T>,
    epoch: ReadEpoch,
}

impl<T> Clone for CacheEntry<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), epoch: self.epoch }
    }
}

/// Taken before a database read. The value is stale if its subject is invalidated after this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadEpoch(u64);

impl Default for InstallCache {
    /// A cache that never caches anything, since nothing invalidates it.
    fn default() -> Self {
        Self {
            changes: Arc::default(),
            widgets: bounded(),
            integrations: bounded(),
            installs: bounded(),
            accesses: bounded(),
            seats: bounded(),
            offers: bounded(),
            subscriptions: bounded(),
        }
    }
}

impl InstallCache {
    /// A cache that polls `pool` for invalidations until its last clone is dropped. A cache made by `default` never polls, so it
    /// is always bypassed.
    pub(crate) fn with_invalidation(pool: Pool) -> Self {
        let cache = Self::default();
        tokio::spawn(poll_changes(Arc::downgrade(&cache.changes), pool));
        cache
    }

    /// The widget of a project token by the token's hash, if it is cached and the token is valid at `now`.
    pub(crate) fn widget(&self, hash: &str, now: DateTime<Utc>) -> Option<Widget> {
        let owner = self.current(self.widgets.get(hash)?, |owner| [Subject::Widget(owner.widget.id)])?;
        owner.until.is_none_or(|until| until > now).then(|| owner.widget.clone())
    }

    /// A widget's access to an account, if it is cached.
    pub(crate) fn access(&self, widget: WidgetId, account: AccountId) -> Option<InstallAccess> {
        let subjects = |access: &InstallAccess| {
            [Subject::Widget(widget), Subject::Install(access.install.id), Subject::Account(account)]
        };
        self.current(self.accesses.get(&(widget, account))?, subjects).map(Arc::unwrap_or_clone)
    }

    /// The widget of an integration and its install in an account, if both are cached.
    pub(crate) fn integration(&self, client_uuid: &str, account: AccountId) -> Option<(Widget, Install)> {
        let widget = self.integrations.get(client_uuid)?;
        let widget = self.current(widget, |widget| [Subject::Widget(widget.id)])?;
        let install = self.installs.get(&(widget.id, account))?;
        let install = self.current(install, |install| [Subject::Install(install.id)])?;
        Some((Arc::unwrap_or_clone(widget), Arc::unwrap_or_clone(install)))
    }

    /// The seat of a user of an install, if it is cached.
    pub(crate) fn seat(&self, install: InstallId, user: UserId) -> Option<Seat> {
        let seat = self.current(self.seats.get(&(install, user))?, |_| [Subject::Install(install)])?;
        Some(*seat)
    }

    /// The plans that a widget offers, if they are cached.
    pub(crate) fn offer(&self, widget: WidgetId) -> Option<Arc<Vec<Plan>>> {
        self.current(self.offers.get(&widget)?, |_| [Subject::Widget(widget)])
    }

    /// The subscription of an install of the widget, if it is cached.
    pub(crate) fn subscription(&self, widget: WidgetId, install: InstallId) -> Option<InstallSubscription> {
        let subjects = |_: &InstallSubscription| [Subject::Widget(widget), Subject::Install(install)];
        self.current(self.subscriptions.get(&install)?, subjects).map(Arc::unwrap_or_clone)
    }

    /// The epoch for a later insert. Call it before reading the database. `None` while the cache is bypassed.
    pub(crate) fn read_epoch(&self) -> Option<ReadEpoch> {
        self.if_fresh().map(|changes| ReadEpoch(changes.invalidations))
    }

    /// Inserts a widget under the hash of its token.
    pub(crate) fn insert_widget(&self, epoch: Option<ReadEpoch>, owner: &project_tokens::TokenOwner) {
        let Some(epoch) = epoch else { return };
        let value = TokenOwner { widget: owner.widget.clone(), until: owner.token_until };
        insert(&self.widgets, owner.token_hash.clone(), epoch, value);
    }

    /// Inserts the widget of an integration with its install in an account.
    pub(crate) fn insert_integration(&self, epoch: Option<ReadEpoch>, widget: &Widget, install: &Install) {
        let Some(epoch) = epoch else { return };
        insert(&self.integrations, widget.client_uuid.clone(), epoch, widget.clone());
        insert(&self.installs, (widget.id, install.account_id), epoch, install.clone());
    }

    /// Inserts a widget's access to an account.
    pub(crate) fn insert_access(&self, epoch: Option<ReadEpoch>, access: &InstallAccess) {
        let Some(epoch) = epoch else { return };
        let key = (access.install.widget_id, access.install.account_id);
        insert(&self.accesses, key, epoch, access.clone());
    }

    /// Inserts the seat of a user of an install.
    pub(crate) fn insert_seat(&self, epoch: Option<ReadEpoch>, install: InstallId, seat: Seat) {
        let Some(epoch) = epoch else { return };
        insert(&self.seats, (install, seat.user), epoch, seat);
    }

    pub(crate) fn insert_offer(&self, epoch: Option<ReadEpoch>, widget: WidgetId, plans: Vec<Plan>) {
        let Some(epoch) = epoch else { return };
        insert(&self.offers, widget, epoch, plans);
    }

    /// Inserts the subscription of an install, or that it has none.
    pub(crate) fn insert_subscription(
        &self,
        epoch: Option<ReadEpoch>,
        install: InstallId,
        found: InstallSubscription,
    ) {
        let Some(epoch) = epoch else { return };
        insert(&self.subscriptions, install, epoch, found);
    }

    /// Invalidates an install that this process changed, so that its next request uses the change without waiting for a poll.
    pub(crate) fn invalidate_install(&self, id: InstallId) {
        lock(&self.changes).invalidate(Subject::Install(id));
    }

    fn if_fresh(&self) -> Option<MutexGuard<'_, Changes>> {
        let changes = lock(&self.changes);
        let is_fresh = changes.read_at.is_some_and(|at| at.elapsed() < MAX_STALENESS);
        is_fresh.then_some(changes)
    }

    /// The entry's value, unless one of its subjects was invalidated after it was read.
    fn current<T, const N: usize>(
        &self,
        entry: CacheEntry<T>,
        subjects: impl FnOnce(&T) -> [Subject; N],
    ) -> Option<Arc<T>> {
        let subjects = subjects(&entry.value);
        self.if_fresh()?.is_current(entry.epoch, &subjects).then_some(entry.value)
    }
}

fn bounded<K: Hash + Eq + Send + Sync + 'static, T: Send + Sync + 'static>() -> Cache<K, CacheEntry<T>> {
    Cache::builder().max_capacity(MAX_ENTRIES).time_to_live(ENTRY_TTL).build()
}

/// Inserts a value that was read at `epoch`.
fn insert<K: Hash + Eq + Send + Sync + 'static, T: Send + Sync + 'static>(
    cache: &Cache<K, CacheEntry<T>>,
    key: K,
    epoch: ReadEpoch,
    value: T,
) {
    cache.insert(key, CacheEntry { value: Arc::new(value), epoch });
}

impl Changes {
    /// Whether a value of these subjects that was read at `epoch` is current.
    fn is_current(&self, epoch: ReadEpoch, subjects: &[Subject]) -> bool {
        let changed = |subject| self.changed.get(subject).is_some_and(|changed| *changed > epoch.0);
        epoch.0 >= self.floor && !subjects.iter().any(changed)
    }

    fn invalidate(&mut self, subject: Subject) {
        self.invalidations += 1;
        if self.changed.len() >= MAX_CHANGED_SUBJECTS {
            self.floor = self.invalidations;
            self.changed.clear();
        }
        self.changed.insert(subject, self.invalidations);
    }
}

/// Polls changes until the cache is dropped.
async fn poll_changes(changes: Weak<Mutex<Changes>>, pool: Pool) {
    let mut cursor: Option<ChangeCursor> = None;
    loop {
        let before = Instant::now();
        let read = answered(read_changes(&pool, &mut cursor, before)).await;
        let Some(changes) = changes.upgrade() else { return };
        match read {
            Ok(subjects) => {
                let mut changes = lock(&changes);
                for subject in subjects {
                    changes.invalidate(subject);
                }
                changes.read_at = Some(before);
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot poll cache invalidations; bypassing the cache");
            }
        }
        drop(changes);
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn read_changes(
    pool: &Pool,
    cursor: &mut Option<ChangeCursor>,
    now: Instant,
) -> StoreResult<Vec<Subject>> {
    let mut conn = pool.acquire().await?;
    let cursor = match cursor {
        Some(cursor) => cursor,
        // Nothing is cached yet, so old changes are irrelevant. Transactions in progress may still commit lower numbers.
        None => cursor
            .insert(ChangeCursor::from(cache_invalidations::newest(&mut conn).await?.saturating_sub(1_000))),
    };
    let found = cache_invalidations::list_after(&mut conn, cursor.floor).await?;
    Ok(cursor.take_unseen(found, now))
}

fn lock(changes: &Mutex<Changes>) -> MutexGuard<'_, Changes> {
    changes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: u64) -> Subject {
        Subject::Account(AccountId(id))
    }

    /// A cache with a recent poll.
    fn fresh_cache() -> InstallCache {
        let cache = InstallCache::default();
        lock(&cache.changes).read_at = Some(Instant::now());
        cache
    }

    #[test]
    fn a_cache_without_polling_is_never_used() {
        let cache = InstallCache::default();
        assert!(cache.read_epoch().is_none() && cache.if_fresh().is_none());
        assert!(fresh_cache().read_epoch().is_some());
    }

    #[test]
    fn what_changed_since_it_was_read_is_invalidated_and_nothing_else() {
        let cache = fresh_cache();
        let before = cache.read_epoch().unwrap();
        lock(&cache.changes).invalidate(account(1));
        let (after, changes) = (cache.read_epoch().unwrap(), lock(&cache.changes));
        assert!(!changes.is_current(before, &[account(1)]), "it was read before it changed");
        assert!(changes.is_current(before, &[account(2)]));
        assert!(changes.is_current(after, &[account(1)]));
    }

    #[test]
    fn a_seat_is_forgotten_once_something_of_its_install_changes() {
        let (cache, clock) = (fresh_cache(), flysk_domain::SystemClock);
        let (install, now) = (InstallId::generate(&clock), flysk_domain::Clock::now(&clock));
        let seat = Seat { number: 1, user: UserId(501), taken_at: now, seen_at: now };
        cache.insert_seat(cache.read_epoch(), install, seat);
        assert_eq!(cache.seat(install, seat.user), Some(seat));
        assert_eq!(cache.seat(install, UserId(502)), None);
        cache.invalidate_install(install);
        assert_eq!(cache.seat(install, seat.user), None);
    }

    /// A change that committed after the window is missed.
    #[test]
    fn an_entry_expires_after_five_minutes() {
        let cache: Cache<u8, CacheEntry<()>> = bounded();
        assert_eq!(cache.policy().time_to_live(), Some(Duration::from_mins(5)));
        assert_eq!(cache.policy().max_capacity(), Some(MAX_ENTRIES));
    }

    #[test]
    fn what_was_read_before_the_record_of_changes_was_cleared_is_stale() {
        let cache = fresh_cache();
        let before = cache.read_epoch().unwrap();
        for id in 0..=MAX_CHANGED_SUBJECTS as u64 {
            lock(&cache.changes).invalidate(account(id));
        }
        let after = cache.read_epoch().unwrap();
        let changes = lock(&cache.changes);
        assert!(changes.changed.len() <= MAX_CHANGED_SUBJECTS);
        assert!(!changes.is_current(before, &[account(u64::MAX)]));
        assert!(changes.is_current(after, &[account(u64::MAX)]));
    }
}
