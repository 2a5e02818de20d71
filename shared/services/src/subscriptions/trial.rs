//! Trials: the start of every subscription.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{AccountId, InstallId, SubscriptionId};
use flysk_domain::platform::subscriptions::{Subscription, moscow_day};
use flysk_domain::trace::Trace;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::subscriptions::{self, NewSubscription, SubscriptionRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::{Conn, StoreError, StoreResult, repeat_contended};

use super::action_log::{Actor, Entry, SubscriptionAction, note};
use super::details::settings_of;

/// Installs that get their subscription in one transaction.
const TRIALS_PER_TRANSACTION: u32 = 100;
/// Subscriptions, or accounts, that are read at once.
const READ_AT_ONCE: u32 = 1_000;

/// Finds or creates the subscription of an install whose row the caller has locked. `None` if the widget sells no
/// subscriptions.
///
/// The trial belongs to account and widget: a unique key allows one subscription for both, and a reinstall finds it.
pub async fn start_trial(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    widget: &Widget,
    install: &Install,
) -> StoreResult<Option<SubscriptionRow>> {
    if !widget.uses_subscriptions {
        return Ok(None);
    }
    if let Some(existing) = subscriptions::find_subscription_of_install(unit, install.id).await? {
        return Ok(Some(existing));
    }
    let now = clock.now();
    let subscription = Subscription::new(moscow_day(now), widget.trial_days.into())
        .map_err(|error| StoreError::InvalidRow { what: "trial days", reason: error.to_string() })?;
    let new = NewSubscription {
        id: SubscriptionId::generate(clock),
        install_id: install.id,
        widget_id: widget.id,
        crm: install.crm,
        account_id: install.account_id,
        subscription: &subscription,
        next_due_at: subscription.next_due_at(now, &settings_of(widget)),
        now,
    };
    let is_new = subscriptions::insert_subscription(unit, &new).await?;
    let row = subscriptions::find_subscription_of_install(unit, install.id).await?;
    let row = row.ok_or(StoreError::WrongState { what: "subscription" })?;
    if is_new {
        note(unit, clock, &row, Entry::new(Actor::System, SubscriptionAction::TrialStarted)).await?;
    }
    Ok(Some(row))
}

/// Opens the subscription of an install older than its widget's subscriptions, with its trial. The install's lock
/// serialises concurrent callers.
///
/// # Errors
///
/// The install does not exist, the widget sells no subscriptions, or the database fails.
pub async fn open_late_subscription(
    outbox: &Outbox,
    trace: &Trace,
    widget: &Widget,
    install: InstallId,
) -> StoreResult<SubscriptionRow> {
    let clock = outbox.clock().as_ref();
    let open = || async {
        let mut unit = outbox.begin(trace.clone()).await?;
        let install =
            installs::lock(&mut unit, install).await?.ok_or(StoreError::WrongState { what: "install" })?;
        let opened = start_trial(&mut unit, clock, widget, &install).await?;
        unit.commit().await?;
        opened.ok_or(StoreError::WrongState { what: "subscription" })
    };
    repeat_contended(open).await
}

/// Starts the trials of all installs of a widget that have no subscription, in transactions of their own. Harmless when
/// repeated. Returns their number.
pub(super) async fn start_missing_trials(
    outbox: &Outbox,
    trace: &Trace,
    widget: &Widget,
) -> StoreResult<u64> {
    let mut started = 0;
    loop {
        let mut conn = outbox.pool().acquire().await?;
        let missing =
            installs::list_without_subscription(&mut conn, widget.id, TRIALS_PER_TRANSACTION).await?;
        drop(conn);
        if missing.is_empty() {
            return Ok(started);
        }
        let start = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            for id in &missing {
                if let Some(install) = installs::lock(&mut unit, *id).await? {
                    start_trial(&mut unit, outbox.clock().as_ref(), widget, &install).await?;
                }
            }
            unit.commit().await?;
            StoreResult::Ok(())
        };
        repeat_contended(start).await?;
        started += missing.len() as u64;
    }
}

/// An account that loses access when a widget begins to sell subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LosesAccess {
    /// The account.
    pub account_id: AccountId,
    /// The first day without access, unless the account buys.
    pub on: NaiveDate,
}

/// Lists all accounts that would lose access, and when, if the widget began to sell subscriptions at `now` and nobody paid from
/// then on; the first to lose it come first. An account about which a person would decide keeps its access.
pub async fn list_losing_access(
    conn: &mut Conn,
    widget: &Widget,
    trial_days: u16,
    now: DateTime<Utc>,
) -> StoreResult<Vec<LosesAccess>> {
    let today = moscow_day(now);
    let fresh = Subscription::new(today, trial_days.into()).ok().and_then(|fresh| fresh.trial);
    let fresh_end = fresh.map_or(today, |trial| trial.until);
    let known = ends_of_access(conn, widget, now).await?;
    let (mut losing, mut after) = (Vec::new(), None);
    loop {
        let page = installs::list_accounts(conn, widget.id, after, READ_AT_ONCE).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        losing.extend(page.into_iter().filter_map(|account_id| {
            let on = known.get(&account_id).copied().unwrap_or(Some(fresh_end))?;
            Some(LosesAccess { account_id, on })
        }));
    }
    losing.sort_by_key(|account| account.on);
    Ok(losing)
}

/// The first day without access of each account that has a subscription to a widget.
async fn ends_of_access(
    conn: &mut Conn,
    widget: &Widget,
    now: DateTime<Utc>,
) -> StoreResult<BTreeMap<AccountId, Option<NaiveDate>>> {
    let settings = settings_of(widget);
    let (mut ends, mut after) = (BTreeMap::new(), None);
    loop {
        let page = subscriptions::list_subscriptions_of_widget(conn, widget.id, after, READ_AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(ends) };
        after = Some(last.id);
        ends.extend(
            page.iter().map(|row| (row.account_id, row.subscription.loses_access_on(now, &settings))),
        );
    }
}
