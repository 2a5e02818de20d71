//! Authorization and rate limits of API methods.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Duration, Utc};
use flysk_domain::Clock;
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Result};

use super::grants::Grant;
use super::model::Account;
use super::problem::Problem;
use super::site::AtAccount;
use super::state::AmocrmState;
use super::{Amocrm, Behaviour};
use crate::lock::locked;

/// Time after which an unpaid account can no longer be read (amoCRM docs, crm_platform/error-codes).
const UNPAID_READ_PERIOD: Duration = Duration::days(30);

/// Caller of a method: an integration acting as a user.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account_id: u64,
    pub(crate) host: String,
    pub(crate) client_id: String,
    pub(crate) user_id: u64,
    pub(crate) is_admin: bool,
}

impl Caller {
    /// Rejects users who are not administrators.
    pub(crate) fn require_admin(&self) -> Result<(), Problem> {
        if self.is_admin {
            Ok(())
        } else {
            Err(Problem::api(StatusCode::FORBIDDEN, "Administrator rights are needed"))
        }
    }
}

/// Times of recent requests, for rate limiting.
#[derive(Debug, Default)]
pub(crate) struct RateMeter {
    by_integration: HashMap<(String, u64), VecDeque<DateTime<Utc>>>,
    by_account: HashMap<u64, VecDeque<DateTime<Utc>>>,
    violations: HashMap<u64, VecDeque<DateTime<Utc>>>,
}

/// Decision of the rate limiter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RateVerdict {
    Fine,
    TooFast,
    /// Too many 429 responses: block the account.
    Block,
}

impl RateMeter {
    pub(crate) fn admit(
        &mut self,
        client_id: &str,
        account_id: u64,
        behaviour: &Behaviour,
        now: DateTime<Utc>,
    ) -> RateVerdict {
        let second = Duration::seconds(1);
        let own = self.by_integration.entry((client_id.to_owned(), account_id)).or_default();
        let all = self.by_account.entry(account_id).or_default();
        forget(own, now - second);
        forget(all, now - second);
        if own.len() < behaviour.requests_per_s && all.len() < behaviour.account_requests_per_s {
            own.push_back(now);
            all.push_back(now);
            return RateVerdict::Fine;
        }
        let violations = self.violations.entry(account_id).or_default();
        forget(violations, now - Duration::minutes(1));
        violations.push_back(now);
        if violations.len() >= behaviour.violations_until_block {
            RateVerdict::Block
        } else {
            RateVerdict::TooFast
        }
    }
}

fn forget(moments: &mut VecDeque<DateTime<Utc>>, until: DateTime<Utc>) {
    while moments.front().is_some_and(|moment| *moment <= until) {
        moments.pop_front();
    }
}

/// Middleware that passes authorized requests of paid accounts on, with a [`Caller`] attached.
pub(crate) struct Guard {
    pub(crate) amo: Amocrm,
    pub(crate) api: BoxEndpoint<'static, Response>,
}

impl Guard {
    /// Errors of routing and parsing get amoCRM's error body, too.
    pub(crate) fn new(amo: Amocrm, api: impl Endpoint + 'static) -> Self {
        let api = api.catch_all_error(|error: poem::Error| async move {
            if error.is_from_response() {
                return error.into_response();
            }
            Problem::api(error.status(), &error.to_string()).into_response()
        });
        Self { amo, api: api.map_to_response().boxed() }
    }

    fn caller(&self, request: &Request) -> Result<Caller, Problem> {
        let at = request.data::<AtAccount>().ok_or_else(|| unauthorized("No account"))?;
        let now = self.amo.control().clock().now();
        let behaviour = self.amo.behaviour();
        let mut state = locked(&self.amo.inner.state);
        let grant = live_grant(&state, request, at, now)?;
        match locked(&self.amo.inner.meter).admit(&grant.client_id, at.account_id, &behaviour, now) {
            RateVerdict::Fine => {}
            RateVerdict::TooFast => return Err(Problem::too_many_requests()),
            RateVerdict::Block => {
                if let Some(account) = state.account_mut(at.account_id) {
                    account.blocked = true;
                }
                return Err(Problem::nginx_forbidden());
            }
        }
        let account = state.account(at.account_id).ok_or_else(|| unauthorized("No account"))?;
        paid(account, request.method(), now)?;
        let (user_id, is_admin) = acting_user(account, &grant, request)?;
        Ok(Caller {
            account_id: account.id,
            host: at.host.clone(),
            client_id: grant.client_id,
            user_id,
            is_admin,
        })
    }
}

impl Endpoint for Guard {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let outcome = self.caller(&request);
        let mut response = match outcome {
            Ok(caller) => {
                request.set_data(caller);
                self.api.get_response(request).await
            }
            Err(problem) => problem.into_response(),
        };
        if response.status() == StatusCode::TOO_MANY_REQUESTS
            && let Some(seconds) = self.amo.behaviour().retry_after_s
        {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        Ok(response)
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::api(StatusCode::UNAUTHORIZED, detail)
}

/// Grant of the Bearer token, if the token is valid and belongs to this account.
fn live_grant(
    state: &AmocrmState,
    request: &Request,
    at: &AtAccount,
    now: DateTime<Utc>,
) -> Result<Grant, Problem> {
    let bearer = request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| unauthorized("Authorization is missing"))?;
    let token = state.access.get(bearer).ok_or_else(|| unauthorized("The token is unknown"))?;
    if token.revoked || now >= token.expires_at {
        return Err(unauthorized("The token is revoked or expired"));
    }
    if token.grant.account_id != at.account_id {
        return Err(unauthorized("The token is of another account"));
    }
    Ok(token.grant.clone())
}

fn paid(account: &Account, method: &Method, now: DateTime<Utc>) -> Result<(), Problem> {
    let Some(since) = account.unpaid_since else { return Ok(()) };
    if *method == Method::GET && now - since < UNPAID_READ_PERIOD {
        return Ok(());
    }
    Err(Problem::api(StatusCode::PAYMENT_REQUIRED, "The subscription of the account has ended"))
}

/// User that the request acts as: the granting user, or that of `X-Context-User-ID` if an administrator granted
/// access.
fn acting_user(account: &Account, grant: &Grant, request: &Request) -> Result<(u64, bool), Problem> {
    if let Some(context) = request.header("x-context-user-id") {
        let user = context.parse().ok().and_then(|id| account.user(id));
        return match user {
            Some(user) if grant.by_admin && user.is_active && !user.is_free => Ok((user.id, user.is_admin)),
            _ => Err(unauthorized("The context user is unknown or free")),
        };
    }
    // An administrator's grant has all rights and outlives the administrator.
    if grant.by_admin {
        return Ok((grant.user_id, true));
    }
    match account.user(grant.user_id) {
        Some(user) if user.is_active => Ok((user.id, user.is_admin)),
        _ => Err(Problem::login_page()),
    }
}
