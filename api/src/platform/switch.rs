//! `PUT /v1/backend/switch`: a vendor switches its widget on or off in an account.

use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_domain::trace::Trace;
use flysk_services::installs as installs_service;
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::backend_settings::install_of;
use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::StrictJson;

/// Request to switch the widget on or off.
#[derive(Debug, Object)]
#[oai(example)]
struct WidgetSwitchRequest {
    /// Account id in amoCRM.
    account_id: u64,
    /// Whether the widget may work in the account.
    on: bool,
}

impl Example for WidgetSwitchRequest {
    fn example() -> Self {
        Self { account_id: 31_234_567, on: true }
    }
}

/// Status of the widget in the account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct WidgetStatus {
    /// Status of the install. A widget that is switched on is `active` only while the account grants access.
    status: Choice<InstallStatus>,
}

impl Example for WidgetStatus {
    fn example() -> Self {
        Self { status: InstallStatus::Active.into() }
    }
}

answers! {
    /// Responses of `switchWidget`.
    Switched {
        /// The resulting status.
        200 => Ok(Json<WidgetStatus>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// Another request is changing the install.
        409 => Conflict [VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation to switch a widget on or off, for backends.
pub(crate) struct SwitchApi;

#[OpenApi(tag = "Tag::Backend")]
impl SwitchApi {
    /// Switch the widget on or off in an account.
    ///
    /// While it is off, PAuth answers 403, and new charges and holds are refused. Settings, captures, releases, refunds and the
    /// gateway go on working, so that the backend can tidy up. A change of the status sends an `activate` or `deactivate` event.
    /// The switch survives uninstalling and reinstalling.
    #[oai(path = "/v1/backend/switch", method = "put", operation_id = "switchWidget")]
    async fn switch(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        body: StrictJson<WidgetSwitchRequest>,
    ) -> Switched {
        match switch(&deps, &trace, &caller.0, &body.0).await {
            Ok(status) => Switched::Ok(Json(WidgetStatus { status: status.into() })),
            Err(problem) => problem.into(),
        }
    }
}

async fn switch(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    request: &WidgetSwitchRequest,
) -> Result<InstallStatus, Problem> {
    let install = install_of(deps, widget, request.account_id).await?;
    let fact = if request.on { Fact::SwitchedOn } else { Fact::SwitchedOff };
    let record = || async {
        let mut unit = deps.begin(trace).await?;
        let status =
            installs_service::record_fact(&mut unit, deps.clock(), install.id, fact, deps.clock().now())
                .await?;
        unit.commit().await?;
        Ok::<_, Problem>(status)
    };
    let status = repeat_contended(record).await?;
    deps.cache.invalidate_install(install.id);
    Ok(status)
}
