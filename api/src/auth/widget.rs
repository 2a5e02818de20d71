//! `X-Auth-Token`: a widget in somebody's browser.

use flysk_domain::id::{AccountId, UserId};
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;
use poem::Request;
use poem_openapi::SecurityScheme;
use poem_openapi::auth::ApiKey;

use super::widget_token::verify;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// The widget's caller: which widget, in which account, which user.
#[derive(Debug)]
pub(crate) struct WidgetUser {
    /// The widget.
    pub(crate) widget: Widget,
    /// The widget in the user's account.
    pub(crate) install: Install,
    /// The user.
    pub(crate) user_id: UserId,
    /// Whether the user administers the account.
    pub(crate) is_admin: bool,
}

impl WidgetUser {
    /// The user's account.
    pub(crate) fn account_id(&self) -> AccountId {
        self.install.account_id
    }
}

/// The one-time token amoCRM's page gives a widget (`$authorizedAjax`).
#[derive(SecurityScheme)]
#[oai(
    rename = "WidgetToken",
    ty = "api_key",
    key_name = "X-Auth-Token",
    key_in = "header",
    checker = "check"
)]
pub(crate) struct WidgetCaller(pub(crate) WidgetUser);

async fn check(request: &Request, key: ApiKey) -> poem::Result<WidgetUser> {
    let deps =
        request.data::<Deps>().ok_or_else(|| Problem::new(ProblemCode::Internal, "told to our operators"))?;
    let verified = verify(deps, &key.key).await?;
    Ok(WidgetUser {
        widget: verified.widget,
        install: verified.install,
        user_id: verified.user_id,
        is_admin: verified.is_admin,
    })
}
