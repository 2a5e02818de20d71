//! The account. Source: amoCRM docs, `crm_platform/account-info`.

use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;

use super::error::{AmoError, Effect};
use super::requests::AccountDetail;
use super::responses::Account;
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
}
