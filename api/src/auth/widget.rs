//! A widget in somebody's browser: with amoCRM's one-time token, or with the session it was traded for.

use flysk_domain::id::{AccountId, UserId};
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;
use poem::{Request, RequestBody};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::session::Session;
use super::widget_token::{WidgetToken, verify_installed};
use crate::deps::of;
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

    /// Refuses who does not administer the account.
    pub(crate) fn must_be_admin(&self) -> Result<(), Problem> {
        if self.is_admin {
            return Ok(());
        }
        Err(Problem::new(ProblemCode::AdminOnly, "ask an administrator of the account"))
    }
}

/// Either credential of a widget; with both, the one-time token counts.
pub(crate) struct WidgetCaller(pub(crate) WidgetUser);

/// Written by hand: the derived alternative forgets why the first credential was refused.
impl<'a> ApiExtractor<'a> for WidgetCaller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        WidgetToken::register(registry);
        Session::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        [WidgetToken::security_schemes(), Session::security_schemes()].concat()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        if let Some(token) = request.header("X-Auth-Token") {
            return Ok(Self(verify_installed(of(request)?, token).await?));
        }
        if request.headers().contains_key("Authorization") {
            return Ok(Self(Session::from_request(request, body, options).await?.0));
        }
        Err(Problem::new(ProblemCode::Unauthorized, "send X-Auth-Token or the session as Bearer").into())
    }
}
