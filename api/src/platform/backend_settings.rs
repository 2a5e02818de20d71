//! `/v1/backend/settings`: an install's settings, as the vendor's backend sees them.

use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::settings_rules::{self, SettingsChange, SettingsView};
use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::{ExactJson, StrictJson};

answers! {
    /// Answers of `getBackendSettings`.
    Got {
        /// As they are.
        200 => Ok(ExactJson<SettingsView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
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
    /// Answers of `putBackendSettings`.
    Changed {
        /// As they are now.
        200 => Ok(ExactJson<SettingsView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden,
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

/// Settings, server to server.
pub(crate) struct BackendSettingsApi;

#[OpenApi(tag = "Tag::Backend")]
impl BackendSettingsApi {
    /// The settings of an account.
    #[oai(path = "/v1/backend/settings", method = "get", operation_id = "getBackendSettings")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// The account.
        account_id: Query<u64>,
    ) -> Got {
        match install_of(&deps, &caller.0, account_id.0).await {
            Ok(install) => Got::Ok(ExactJson(SettingsView::from(&install))),
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
        /// The account.
        account_id: Query<u64>,
        body: StrictJson<SettingsChange>,
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
    change: SettingsChange,
) -> Result<SettingsView, Problem> {
    let install = install_of(deps, widget, account_id).await?;
    settings_rules::change(deps, trace, widget, &install, "backend".to_owned(), change).await
}

/// The widget's own install: another widget's in the same account is not there for it.
pub(super) async fn install_of(deps: &Deps, widget: &Widget, account_id: u64) -> Result<Install, Problem> {
    let mut conn = deps.conn().await?;
    let install = installs::find_in_account(on(&mut conn), widget.id, AccountId(account_id)).await?;
    install
        .ok_or_else(|| Problem::new(ProblemCode::NotInstalled, "the widget is not installed in this account"))
}
