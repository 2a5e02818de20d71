//! `/v1/backend/settings`: an install's settings, for the vendor's backend.

use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::settings_rules::{self, Settings, SettingsInput};
use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::{ExactJson, StrictJson};

answers! {
    /// Responses of `getBackendSettings`.
    Got {
        /// The current settings.
        200 => Ok(ExactJson<Settings>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `putBackendSettings`.
    Changed {
        /// The new settings.
        200 => Ok(ExactJson<Settings>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// Version conflict: the settings have changed since `version`.
        409 => Conflict [VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// The settings do not satisfy the widget's schema.
        422 => Invalid,
        /// The settings were changed too often within a day, or the widget's backends have used their requests of this minute.
        429 => TooMany,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on settings, for backends.
pub(crate) struct BackendSettingsApi;

#[OpenApi(tag = "Tag::Backend")]
impl BackendSettingsApi {
    /// Get the settings of an account.
    #[oai(path = "/v1/backend/settings", method = "get", operation_id = "getBackendSettings")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Account id in amoCRM.
        account_id: Query<u64>,
    ) -> Got {
        match install_of(&deps, &caller.0, account_id.0).await {
            Ok(install) => Got::Ok(ExactJson(Settings::from(&install))),
            Err(problem) => problem.into(),
        }
    }

    /// Replace the settings of an account.
    #[oai(path = "/v1/backend/settings", method = "put", operation_id = "putBackendSettings")]
    async fn put(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        /// Account id in amoCRM.
        account_id: Query<u64>,
        body: StrictJson<SettingsInput>,
    ) -> Changed {
        match change(&deps, &trace, &caller.0, account_id.0, body.0).await {
            Ok(view) => Changed::Ok(ExactJson(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn change(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    account_id: u64,
    change: SettingsInput,
) -> Result<Settings, Problem> {
    let install = install_of(deps, widget, account_id).await?;
    settings_rules::change(deps, trace, widget, &install, "backend".to_owned(), change).await
}

/// The widget's install in the account. Installs of other widgets are not found.
pub(super) async fn install_of(deps: &Deps, widget: &Widget, account_id: u64) -> Result<Install, Problem> {
    let mut conn = deps.conn().await?;
    let install = installs::find_in_account(&mut conn, widget.id, AccountId(account_id)).await?;
    install
        .ok_or_else(|| Problem::new(ProblemCode::NotInstalled, "the widget is not installed in this account"))
}
