//! The account and its users. Sources: amoCRM docs, `crm_platform/account-info`, `crm_platform/users-api`.

use flysk_domain::id::UserId;
use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;

use super::error::{AmoError, RejectionKind};
use super::responses::{Account, Page, User, UserState};
use super::{AmoCrm, send};
use crate::http::Idempotency;

/// Maximum page size of users.
const USERS_PER_PAGE: &str = "250";

impl AmoCrm {
    /// Reads the account that a token belongs to, with its time zone: the only trustworthy source of an account's id.
    pub async fn account(&self, host: &AccountHost, token: &SecretString) -> Result<Account, AmoError> {
        let request =
            self.call(Method::GET, host, token, "/api/v4/account", &[("with", "datetime_settings")]);
        send::send(request, Idempotency::Safe).await?.json()
    }

    /// A user of the account. Only administrators' tokens may read users.
    async fn user(&self, host: &AccountHost, token: &SecretString, user: UserId) -> Result<User, AmoError> {
        let path = format!("/api/v4/users/{}", user.0);
        send::send(self.call(Method::GET, host, token, &path, &[]), Idempotency::Safe).await?.json()
    }

    /// Reads a page of users, from 1, and whether they may log in. Only administrators' tokens may read users.
    pub async fn user_states(
        &self,
        host: &AccountHost,
        token: &SecretString,
        page: u32,
    ) -> Result<Page<UserState>, AmoError> {
        let page = page.to_string();
        let query = [("limit", USERS_PER_PAGE), ("page", page.as_str())];
        let request = self.call(Method::GET, host, token, "/api/v4/users", &query);
        send::send(request, Idempotency::Safe).await?.page("users")
    }

    /// Whether a token has an administrator's rights; `user` is the token's user.
    ///
    /// amoCRM shows users to administrators only, so "no rights" means `false`.
    pub async fn is_admins(
        &self,
        host: &AccountHost,
        token: &SecretString,
        user: UserId,
    ) -> Result<bool, AmoError> {
        match self.user(host, token, user).await {
            Ok(user) => Ok(user.is_admin),
            Err(AmoError::Rejected(rejection)) if rejection.kind == RejectionKind::NoRights => Ok(false),
            Err(error) => Err(error),
        }
    }
}
