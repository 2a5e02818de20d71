//! Authentication of widgets in users' browsers: by amoCRM's one-time token, or by a session from the handshake.

use poem::{Request, RequestBody};
use poem_openapi::registry::Registry;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::session::Session;
use super::user::WidgetUser;
use super::widget_token::{WidgetToken, verify_installed};
use crate::call_log::Caller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// A caller with a one-time token or a session. If a request has both, the token is used.
pub(crate) struct WidgetCaller(pub(crate) WidgetUser);

/// Written by hand, because the derived implementation drops the error of the first credential.
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
            let user = verify_installed(Deps::from_request(request)?, token).await?;
            Caller::note(request, user.widget.id);
            return Ok(Self(user));
        }
        if request.headers().contains_key("Authorization") {
            return Ok(Self(Session::from_request(request, body, options).await?.0));
        }
        Err(Problem::new(ProblemCode::Unauthorized, "send X-Auth-Token, or a session as a bearer token")
            .into())
    }
}
