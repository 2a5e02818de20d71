//! `/v1/settings`: an install's settings, for its widget.

use flysk_domain::trace::Trace;
use poem::web::Data;
use poem_openapi::OpenApi;

use super::settings_rules::{self, Settings, SettingsInput, SettingsRestoreRequest, SettingsVersionPage};
use super::tag::Tag;
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::{ExactJson, StrictJson};

answers! {
    /// Responses of `getSettings`.
    Got {
        /// The current settings.
        200 => Ok(ExactJson<Settings>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of operations that change settings.
    Changed {
        /// The new settings.
        200 => Ok(ExactJson<Settings>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// No such version.
        404 => NotFound,
        /// Version conflict: the settings have changed since `version`.
        409 => Conflict [VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// The settings do not satisfy the widget's schema.
        422 => Invalid,
        /// The settings were changed too often within a day.
        429 => TooMany,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `listSettingsHistory`.
    Listed {
        /// The last 50 versions, newest first.
        200 => Ok(ExactJson<SettingsVersionPage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on settings, for widgets.
pub(crate) struct SettingsApi;

#[OpenApi(tag = "Tag::Widget")]
impl SettingsApi {
    /// Get the account's settings of the widget.
    #[oai(path = "/v1/settings", method = "get", operation_id = "getSettings")]
    async fn get(&self, caller: WidgetCaller) -> Got {
        // Authentication has just read the install.
        std::future::ready(Got::Ok(ExactJson(Settings::from(&caller.0.install)))).await
    }

    /// Replace the settings. Only for administrators of the account.
    #[oai(path = "/v1/settings", method = "put", operation_id = "putSettings")]
    async fn put(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<SettingsInput>,
    ) -> Changed {
        match change(&deps, &trace, &caller.0, body.0).await {
            Ok(view) => Changed::Ok(ExactJson(view)),
            Err(problem) => problem.into(),
        }
    }

    /// List the last 50 versions with their authors, newest first. The list has one page. Only for administrators of the account.
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

    /// Restore an earlier version as the newest version. Only for administrators of the account.
    #[oai(path = "/v1/settings/restore", method = "post", operation_id = "restoreSettings")]
    async fn restore(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<SettingsRestoreRequest>,
    ) -> Changed {
        match restore(&deps, &trace, &caller.0, &body.0).await {
            Ok(view) => Changed::Ok(ExactJson(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn change(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    change: SettingsInput,
) -> Result<Settings, Problem> {
    user.must_be_admin()?;
    settings_rules::change(deps, trace, &user.widget, &user.install, by(user), change).await
}

async fn restore(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    request: &SettingsRestoreRequest,
) -> Result<Settings, Problem> {
    user.must_be_admin()?;
    settings_rules::restore(deps, trace, &user.widget, &user.install, by(user), request).await
}

fn by(user: &WidgetUser) -> String {
    format!("user {}", user.user_id)
}
