//! Authorization codes of installations, and the disconnect hook.

use flysk_domain::Clock;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use super::Amocrm;
use super::grants::{Code, Grant};
use super::jwt::{WidgetTokenShape, disconnect_signature, widget_token};
use super::model::User;
use super::scenario::ScenarioError;
use super::state::AmocrmState;
use super::token_endpoint::opaque;
use crate::lock::locked;

/// A request that amoCRM made to us, and its response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// The URL with its query; `None` if there was none to call.
    pub url: Option<String>,
    /// Status of the response; `None` if there was none within 3 s.
    pub status: Option<u16>,
}

impl Amocrm {
    /// Issues an authorization code for `user_id` (by default the first administrator), as if access had just
    /// been granted.
    pub fn issue_code(
        &self,
        client_id: &str,
        account_id: u64,
        user_id: Option<u64>,
    ) -> Result<String, ScenarioError> {
        let now = self.control().clock().now();
        let mut state = locked(&self.inner.state);
        let user = grantor(&state, client_id, account_id, user_id)?;
        let grant =
            Grant { client_id: client_id.to_owned(), account_id, user_id: user.id, by_admin: user.is_admin };
        let code = opaque();
        state.codes.insert(code.clone(), Code { grant, issued_at: now, used: false });
        state.content(account_id).installed.insert(client_id.to_owned());
        Ok(code)
    }

    /// An administrator installs the integration: amoCRM calls the redirect URI with a code, waits 3 s, ignores
    /// the status and never repeats the call (amoCRM docs, oauth/step-by-step).
    pub async fn install(
        &self,
        client_id: &str,
        account_id: u64,
        user_id: Option<u64>,
    ) -> Result<CallOutcome, ScenarioError> {
        {
            let state = locked(&self.inner.state);
            if !grantor(&state, client_id, account_id, user_id)?.is_admin {
                return Err(ScenarioError::NotAnAdministrator);
            }
        }
        let code = self.issue_code(client_id, account_id, user_id)?;
        let url = self.redirect_url(client_id, account_id, &[("code", &code), ("from_widget", "1")])?;
        let status = self.inner.outbound.get(&url).await;
        Ok(CallOutcome { url: Some(url), status })
    }

    /// The redirect URI with `first` and the parameters of every redirect.
    pub(crate) fn redirect_url(
        &self,
        client_id: &str,
        account_id: u64,
        first: &[(&str, &str)],
    ) -> Result<String, ScenarioError> {
        let state = locked(&self.inner.state);
        let integration = state.integration(client_id).ok_or(ScenarioError::UnknownIntegration)?;
        let account = state.account(account_id).ok_or(ScenarioError::UnknownAccount)?;
        let mut query = Serializer::new(String::new());
        query
            .extend_pairs(first)
            .append_pair("referer", &account.host())
            .append_pair("platform", account.platform.number())
            .append_pair("client_id", client_id);
        Ok(with_query(&integration.redirect_uri, &query.finish()))
    }

    /// A user disables the integration: its tokens and codes are revoked, and its disconnect hook is called
    /// (unless `silently`, which simulates a lost hook).
    pub async fn disable(
        &self,
        client_id: &str,
        account_id: u64,
        silently: bool,
    ) -> Result<CallOutcome, ScenarioError> {
        let url = self.switch_off(client_id, account_id)?.filter(|_| !silently);
        let status = match &url {
            Some(url) => self.inner.outbound.get(url).await,
            None => None,
        };
        Ok(CallOutcome { url, status })
    }

    /// The access of an integration ends although the integration stays in the account: its tokens are revoked.
    ///
    /// Happens when the user who granted access leaves the account, or withdraws it.
    pub fn revoke(&self, client_id: &str, account_id: u64) -> Result<(), ScenarioError> {
        let mut state = locked(&self.inner.state);
        state.account(account_id).ok_or(ScenarioError::UnknownAccount)?;
        state.integration(client_id).ok_or(ScenarioError::UnknownIntegration)?;
        state.revoke_pairs(client_id, account_id);
        Ok(())
    }

    fn switch_off(&self, client_id: &str, account_id: u64) -> Result<Option<String>, ScenarioError> {
        let removes_hooks = self.behaviour().disable_removes_hooks;
        let mut state = locked(&self.inner.state);
        state.account(account_id).ok_or(ScenarioError::UnknownAccount)?;
        let integration = state.integration(client_id).ok_or(ScenarioError::UnknownIntegration)?.clone();
        state.revoke_pairs(client_id, account_id);
        let own = |grant: &Grant| grant.client_id == client_id && grant.account_id == account_id;
        state.codes.values_mut().filter(|code| own(&code.grant)).for_each(|code| code.used = true);
        let content = state.content(account_id);
        content.installed.remove(client_id);
        if removes_hooks {
            content.hooks.clear();
        }
        let signature = disconnect_signature(client_id, &integration.client_secret, account_id);
        let query = format!("account_id={account_id}&client_uuid={client_id}&signature={signature}");
        Ok(integration.disconnect_url.map(|url| with_query(&url, &query)))
    }

    /// A one-time token, as the widget of `user_id` would send it in `X-Auth-Token`.
    pub fn widget_token(
        &self,
        client_id: &str,
        account_id: u64,
        user_id: u64,
        shape: &WidgetTokenShape,
    ) -> Result<String, ScenarioError> {
        let now = self.control().clock().now();
        let state = locked(&self.inner.state);
        let integration = state.integration(client_id).ok_or(ScenarioError::UnknownIntegration)?;
        let account = state.account(account_id).ok_or(ScenarioError::UnknownAccount)?;
        let user = account.user(user_id).ok_or(ScenarioError::UnknownUser)?;
        Ok(widget_token(integration, account, user, shape, now))
    }
}

fn with_query(url: &str, query: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{query}")
}

/// The granting user: the named one, or the account's first administrator.
fn grantor(
    state: &AmocrmState,
    client_id: &str,
    account_id: u64,
    user_id: Option<u64>,
) -> Result<User, ScenarioError> {
    let integration = state.integration(client_id).ok_or(ScenarioError::UnknownIntegration)?;
    let account = state.account(account_id).ok_or(ScenarioError::UnknownAccount)?;
    if integration.platform != account.platform {
        return Err(ScenarioError::OtherPlatform);
    }
    let user = match user_id {
        Some(id) => account.user(id),
        None => account.users.iter().find(|user| user.is_admin && user.is_active),
    };
    user.cloned().ok_or(ScenarioError::UnknownUser)
}
