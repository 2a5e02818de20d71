//! `PUT /v1/backend/switch`: a vendor switches its widget on or off in an account.

use flysk_domain::platform::lifecycle::{Fact, InstallStatus};
use flysk_domain::trace::Trace;
use flysk_store::platform::widgets::Widget;
use flysk_store::repeat_contended;
use flysk_vault::lifecycle;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::backend_settings::install_of;
use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::deps::Deps;
use crate::problem::{Problem, answers};
use crate::strict_json::StrictJson;

/// On or off.
#[derive(Debug, Object)]
#[oai(example)]
struct Switch {
    /// The account.
    account_id: u64,
    /// Whether the widget may work there.
    on: bool,
}

impl poem_openapi::types::Example for Switch {
    fn example() -> Self {
        Self { account_id: 31_234_567, on: true }
    }
}

/// What follows.
#[derive(Debug, Object)]
pub(crate) struct SwitchView {
    /// The status of the install: a widget that is on works only while the account gives access.
    status: String,
}

answers! {
    /// Answers of `switchWidget`.
    Switched {
        /// What follows.
        200 => Ok(Json<SwitchView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The project token is missing or not accepted.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden,
        /// The install is being changed.
        409 => Conflict,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Switching, server to server.
pub(crate) struct SwitchApi;

#[OpenApi(tag = "Tag::Backend")]
impl SwitchApi {
    /// Switch the widget on or off in an account.
    ///
    /// A change is told by an `activate` or `deactivate` event, and outlives uninstalling and coming back.
    #[oai(path = "/v1/backend/switch", method = "put", operation_id = "switchWidget")]
    async fn switch(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: BackendCaller,
        body: StrictJson<Switch>,
    ) -> Switched {
        match switch(&deps, &trace, &caller.0, &body.0).await {
            Ok(status) => Switched::Ok(Json(SwitchView { status: status.to_string() })),
            Err(problem) => problem.into(),
        }
    }
}

async fn switch(
    deps: &Deps,
    trace: &Trace,
    widget: &Widget,
    wanted: &Switch,
) -> Result<InstallStatus, Problem> {
    let install = install_of(deps, widget, wanted.account_id).await?;
    let fact = if wanted.on { Fact::SwitchedOn } else { Fact::SwitchedOff };
    let learn = || async {
        let mut unit = deps.begin(trace).await?;
        let status = lifecycle::learn(&mut unit, deps.clock(), install.id, fact, deps.clock().now()).await?;
        unit.commit().await?;
        Ok::<_, Problem>(status)
    };
    let status = repeat_contended(learn).await?;
    deps.known.forget_install(install.id);
    Ok(status)
}
