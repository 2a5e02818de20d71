//! The account and its users. Sources: amoCRM docs, `crm_platform/account-info`, `crm_platform/users-api`.

use flysk_domain::id::UserId;
use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;

use super::error::{AmoError, Effect, RejectionKind};
use super::requests::AccountDetail;
use super::responses::{Account, User};
use super::{AmoCrm, send};

impl AmoCrm {
    /// Whose token this is: the one trustworthy source of an account's id.
    pub async fn account(
        &self,
        host: &AccountHost,
        token: &SecretString,
        with: &[AccountDetail],
    ) -> Result<Account, AmoError> {
        let details = with.iter().map(|detail| detail.name()).collect::<Vec<_>>().join(",");
        let query: &[_] = if details.is_empty() { &[] } else { &[("with", details.as_str())] };
        send::send(self.call(Method::GET, host, token, "/api/v4/account", query), Effect::Repeatable)
            .await?
            .json()
    }

    /// Whether a token has an administrator's rights; `user` is whose it is.
    ///
    /// Users are shown to administrators only, so a refusal is an answer.
    pub async fn is_admins(
        &self,
        host: &AccountHost,
        token: &SecretString,
        user: UserId,
    ) -> Result<bool, AmoError> {
        let path = format!("/api/v4/users/{}", user.0);
        let asked = send::send(self.call(Method::GET, host, token, &path, &[]), Effect::Repeatable).await;
        match asked {
            Ok(answer) => Ok(answer.json::<User>()?.is_admin),
            Err(AmoError::Rejected(rejection)) if rejection.kind == RejectionKind::NoRights => Ok(false),
            Err(error) => Err(error),
        }
    }
}
