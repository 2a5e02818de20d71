//! Performs `billing.free_blocked_seats`: names the users who have seats, and frees the seats of blocked ones.
//!
//! Harmless when run twice: reading users changes nothing, a name is the same, and a seat is freed once. A seat that was used after
//! it was read stays with its user.

use std::collections::BTreeMap;
use std::time::Duration;

use flysk_clients::amocrm::{AmoError, RejectionKind, UserState};
use flysk_domain::id::UserId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::platform::subscriptions::{Seat, suspect_seats};
use flysk_jobs::platform::subscriptions::FreeBlockedSeats;
use flysk_queue::{Job as _, JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::subscriptions::free_blocked_seat;
use flysk_store::StoreError;
use flysk_store::platform::accounts;
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_tokens::{Freshness, TokenRequester, VaultError};
use secrecy::SecretString;

use crate::App;
use crate::job_error::IntoJobError;

/// Pages of users that are read at most, of 250 users each. Seats of an account with more users are left alone.
const MAX_USER_PAGES: u32 = 20;

impl JobHandler<App> for FreeBlockedSeats {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let found = subscriptions::find_subscription(&mut conn, self.subscription_id).await?;
        let Some(row) = found else { return Ok(JobOutcome::skip("the subscription is gone")) };
        let seats = subscriptions::list_seats(&mut conn, row.id).await?;
        let names = subscriptions::list_seat_names(&mut conn, row.id).await?;
        drop(conn);
        let suspects = suspect_seats(&seats, run.now());
        if suspects.is_empty() && seats.iter().all(|seat| names.contains_key(&seat.user)) {
            return Ok(JobOutcome::skip("every seat is in use, and its user is known"));
        }
        let Some(users) = find_users(run, app, &row).await? else {
            return Ok(JobOutcome::skip("the account's users cannot be read"));
        };
        let mut unit = run.begin().await?;
        let row = subscriptions::lock_subscription(&mut unit, row.id).await?;
        for seat in &seats {
            let told = users.get(&seat.user).map(|user| &user.name).filter(|name| !name.is_empty());
            if let Some(name) = told.filter(|name| names.get(&seat.user) != Some(*name)) {
                subscriptions::set_seat_name(&mut unit, row.id, seat.user, name).await?;
            }
        }
        // Users who may not log in, or are not in the account any more.
        let is_blocked = |seat: &&Seat| !users.get(&seat.user).is_some_and(|user| user.is_active);
        for seat in suspects.iter().filter(is_blocked) {
            if free_blocked_seat(&mut unit, app.clock(), &row, seat).await? {
                tracing::info!(subscription.id = %row.id, user.id = %seat.user, "freed the seat of a blocked user");
            }
        }
        run.done(unit).await
    }
}

/// All users of the account; `None` if they cannot be read with the account's grant.
async fn find_users(
    run: &JobContext,
    app: &App,
    row: &SubscriptionRow,
) -> Result<Option<BTreeMap<UserId, UserState>>, JobError> {
    let account = accounts::find(&mut *run.pool().acquire().await?, row.crm, row.account_id).await?;
    let account = account.ok_or(StoreError::WrongState { what: "account" })?;
    let host = app.vault.host(row.crm, &account.host).map_err(IntoJobError::into_job_error)?;
    let (requester, any) =
        (TokenRequester::flysk(FreeBlockedSeats::KIND), Freshness::ValidFor(Duration::ZERO));
    let token = match app.vault.access_token(row.install_id, any, &requester, run.trace()).await {
        Ok(token) => token,
        Err(VaultError::NoAccess(_) | VaultError::Refused(_)) => return Ok(None),
        Err(error) => return Err(error.into_job_error()),
    };
    match read_users(app, &host, &token.secret).await {
        Ok(users) => Ok(users),
        // The grant is not that of an administrator.
        Err(error) if error.kind() == Some(RejectionKind::NoRights) => Ok(None),
        Err(error) => Err(error.into_job_error()),
    }
}

/// All users of the account; `None` if there are none or too many.
async fn read_users(
    app: &App,
    host: &AccountHost,
    token: &SecretString,
) -> Result<Option<BTreeMap<UserId, UserState>>, AmoError> {
    let mut users = BTreeMap::new();
    for number in 1..=MAX_USER_PAGES {
        let page = app.amocrm.user_states(host, token, number).await?;
        users.extend(page.items.into_iter().map(|user| (user.id, user)));
        if !page.has_next {
            return Ok((!users.is_empty()).then_some(users));
        }
    }
    Ok(None)
}
