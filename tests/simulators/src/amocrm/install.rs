//! Codes for installing, and the hook of switching off.

use flysk_domain::Clock;
use serde::{Deserialize, Serialize};
use url::form_urlencoded::Serializer;

use super::Amocrm;
use super::grants::{Code, Grant};
use super::jwt::{WidgetTokenShape, disconnect_signature, widget_token};
use super::model::User;
use super::scenes::SceneError;
use super::token_endpoint::opaque;
use super::world::World;
use crate::control::locked;

/// A call that amoCRM made to us: where to, and what came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// The address with its query; `None` if there was none to call.
    pub url: Option<String>,
    /// Status of the answer; `None` if there was no answer within 3 s.
    pub status: Option<u16>,
}

impl Amocrm {
    /// An authorization code of `user_id` (by default the first administrator), as if access was just granted.
    pub fn issue_code(
        &self,
        client_id: &str,
        account_id: u64,
        user_id: Option<u64>,
    ) -> Result<String, SceneError> {
        let now = self.control().clock().now();
        let mut world = locked(&self.inner.world);
        let user = grantor(&world, client_id, account_id, user_id)?;
        let grant =
            Grant { client_id: client_id.to_owned(), account_id, user_id: user.id, by_admin: user.is_admin };
        let code = opaque();
        world.codes.insert(code.clone(), Code { grant, issued_at: now, used: false });
        world.content(account_id).installed.insert(client_id.to_owned());
        Ok(code)
    }

    /// An administrator presses *Install*: amoCRM itself calls the redirect URI with a code, waits 3 s,
    /// ignores the status and never calls again (amoCRM docs, oauth/step-by-step).
    pub async fn install(
        &self,
        client_id: &str,
        account_id: u64,
        user_id: Option<u64>,
    ) -> Result<CallOutcome, SceneError> {
        {
            let world = locked(&self.inner.world);
            if !grantor(&world, client_id, account_id, user_id)?.is_admin {
                return Err(SceneError::NotAnAdministrator);
            }
        }
        let code = self.issue_code(client_id, account_id, user_id)?;
        let url = self.redirect_url(client_id, account_id, &[("code", &code), ("from_widget", "1")])?;
        let status = self.inner.outside.get(&url).await;
        Ok(CallOutcome { url: Some(url), status })
    }

    /// The redirect URI with `first`, then what every redirect carries.
    pub(crate) fn redirect_url(
        &self,
        client_id: &str,
        account_id: u64,
        first: &[(&str, &str)],
    ) -> Result<String, SceneError> {
        let world = locked(&self.inner.world);
        let integration = world.integration(client_id).ok_or(SceneError::UnknownIntegration)?;
        let account = world.account(account_id).ok_or(SceneError::UnknownAccount)?;
        let mut query = Serializer::new(String::new());
        query
            .extend_pairs(first)
            .append_pair("referer", &account.host())
            .append_pair("platform", account.platform.number())
            .append_pair("client_id", client_id);
        Ok(with_query(&integration.redirect_uri, &query.finish()))
    }

    /// A user switches the integration off: its tokens and codes die, and its disconnect hook is called
    /// (unless `silently`, as when the hook is lost).
    pub async fn disable(
        &self,
        client_id: &str,
        account_id: u64,
        silently: bool,
    ) -> Result<CallOutcome, SceneError> {
        let url = self.switch_off(client_id, account_id)?.filter(|_| !silently);
        let status = match &url {
            Some(url) => self.inner.outside.get(url).await,
            None => None,
        };
        Ok(CallOutcome { url, status })
    }

    fn switch_off(&self, client_id: &str, account_id: u64) -> Result<Option<String>, SceneError> {
        let removes_hooks = self.quirks().disable_removes_hooks;
        let mut world = locked(&self.inner.world);
        world.account(account_id).ok_or(SceneError::UnknownAccount)?;
        let integration = world.integration(client_id).ok_or(SceneError::UnknownIntegration)?.clone();
        world.revoke_pairs(client_id, account_id);
        let own = |grant: &Grant| grant.client_id == client_id && grant.account_id == account_id;
        world.codes.values_mut().filter(|code| own(&code.grant)).for_each(|code| code.used = true);
        let content = world.content(account_id);
        content.installed.remove(client_id);
        if removes_hooks {
            content.hooks.clear();
        }
        let signature = disconnect_signature(client_id, &integration.client_secret, account_id);
        let query = format!("account_id={account_id}&client_uuid={client_id}&signature={signature}");
        Ok(integration.disconnect_url.map(|url| with_query(&url, &query)))
    }

    /// A one-time token as the widget of `user_id` would send it in `X-Auth-Token`.
    pub fn widget_token(
        &self,
        client_id: &str,
        account_id: u64,
        user_id: u64,
        shape: &WidgetTokenShape,
    ) -> Result<String, SceneError> {
        let now = self.control().clock().now();
        let world = locked(&self.inner.world);
        let integration = world.integration(client_id).ok_or(SceneError::UnknownIntegration)?;
        let account = world.account(account_id).ok_or(SceneError::UnknownAccount)?;
        let user = account.user(user_id).ok_or(SceneError::UnknownUser)?;
        Ok(widget_token(integration, account, user, shape, now))
    }
}

fn with_query(url: &str, query: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{query}")
}

/// Who grants: the named user, or the account's first administrator.
fn grantor(
    world: &World,
    client_id: &str,
    account_id: u64,
    user_id: Option<u64>,
) -> Result<User, SceneError> {
    let integration = world.integration(client_id).ok_or(SceneError::UnknownIntegration)?;
    let account = world.account(account_id).ok_or(SceneError::UnknownAccount)?;
    if integration.platform != account.platform {
        return Err(SceneError::OtherPlatform);
    }
    let user = match user_id {
        Some(id) => account.user(id),
        None => account.users.iter().find(|user| user.is_admin && user.is_active),
    };
    user.cloned().ok_or(SceneError::UnknownUser)
}
