//! `/v1/settings`: an install's settings, as its widget sees them.

use flysk_domain::trace::Trace;
use poem::web::Data;
use poem_openapi::OpenApi;

use super::settings_rules::{self, SettingsChange, SettingsReturn, SettingsVersionView, SettingsView};
use super::tag::Tag;
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::{ExactJson, StrictJson};

answers! {
    /// Answers of `getSettings`.
    Got {
        /// As they are.
        200 => Ok(ExactJson<SettingsView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of operations that change settings.
    Changed {
        /// As they are now.
        200 => Ok(ExactJson<SettingsView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden,
        /// There is no such version.
        404 => NotFound,
        /// Somebody else changed them meanwhile.
        409 => Conflict,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// The settings do not satisfy the widget's schema.
        422 => Invalid,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `listSettingsHistory`.
    Listed {
        /// The latest versions, the latest first.
        200 => Ok(ExactJson<Vec<SettingsVersionView>>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Settings.
pub(crate) struct SettingsApi;

#[OpenApi(tag = "Tag::Widget")]
impl SettingsApi {
    /// The account's settings of the widget.
    #[oai(path = "/v1/settings", method = "get", operation_id = "getSettings")]
    async fn get(&self, caller: WidgetCaller) -> Got {
        // The guard has read the install just now.
        std::future::ready(Got::Ok(ExactJson(SettingsView::from(&caller.0.install)))).await
    }

    /// Replace the settings. For administrators of the account.
    #[oai(path = "/v1/settings", method = "put", operation_id = "putSettings")]
    async fn put(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<SettingsChange>,
    ) -> Changed {
        match change(&deps, &trace, &caller.0, body.0).await {
            Ok(view) => Changed::Ok(ExactJson(view)),
            Err(problem) => problem.into(),
        }
    }

    /// Earlier versions: who set what and when. For administrators of the account.
    #[oai(path = "/v1/settings/history", method = "get", operation_id = "listSettingsHistory")]
    async fn history(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Listed {
        let listed = match caller.0.must_be_admin() {
            Ok(()) => settings_rules::history(&deps, &caller.0.install).await,
            Err(problem) => Err(problem),
        };
        match listed {
            Ok(versions) => Listed::Ok(ExactJson(versions)),
            Err(problem) => problem.into(),
        }
    }

    /// Go back to an earlier version, which becomes the newest. For administrators of the account.
    #[oai(path = "/v1/settings/return", method = "post", operation_id = "returnSettings")]
    async fn go_back(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<SettingsReturn>,
    ) -> Changed {
        match go_back(&deps, &trace, &caller.0, &body.0).await {
            Ok(view) => Changed::Ok(ExactJson(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn change(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    change: SettingsChange,
) -> Result<SettingsView, Problem> {
    user.must_be_admin()?;
    settings_rules::change(deps, trace, &user.widget, &user.install, by(user), change).await
}

async fn go_back(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    wanted: &SettingsReturn,
) -> Result<SettingsView, Problem> {
    user.must_be_admin()?;
    settings_rules::go_back(deps, trace, &user.widget, &user.install, by(user), wanted).await
}

fn by(user: &WidgetUser) -> String {
    format!("user {}", user.user_id)
}
