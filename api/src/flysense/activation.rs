//! `/v1/flysense/activation`: activation of FlySense through a messenger.

use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::trace::Trace;
use flysk_services::activation as activation_service;
use flysk_store::flysense::accounts;
use flysk_store::flysense::activation::bots::{self, BotRow};
use flysk_store::flysense::activation::{bindings, links};
use flysk_store::{Conn, repeat_contended};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, Tags};

use super::activation_views::{Activation, ActivationParts, CreatedActivationLink};
use super::caller::installed_user;
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;

#[derive(Tags)]
enum Tag {
    /// FlySense: transcribes call recordings; called by its widget in amoCRM's cards.
    FlySense,
}

answers! {
    /// Responses of `createActivationLink`.
    Created {
        /// The new link.
        201 => Ok(Json<CreatedActivationLink>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or FlySense is not installed.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// No bot can be used, or FlySense does not know the account yet.
        409 => Conflict [ActivationUnavailable, WrongState],
        /// The body is too large.
        413 => TooLarge,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getActivation`.
    Got {
        /// The state.
        200 => Ok(Json<Activation>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not installed.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `deleteActivationBinding`.
    Deleted {
        /// The binding and its phone number are deleted.
        204 => Ok,
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or FlySense is not installed.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// The account has no such binding.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on activation.
pub(crate) struct ActivationApi;

#[OpenApi(prefix_path = "/v1/flysense/activation", tag = "Tag::FlySense")]
impl ActivationApi {
    /// Create a link that activates FlySense through a messenger. Only for administrators.
    ///
    /// The administrator opens it in Telegram or MAX and confirms the phone number; FlySense is then switched on for the account.
    /// A new link ends the caller's former one.
    #[oai(path = "/", method = "post", operation_id = "createActivationLink")]
    async fn create(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        _body: NoBody,
    ) -> Created {
        match create(&deps, &trace, &caller).await {
            Ok(link) => Created::Ok(Json(link)),
            Err(problem) => problem.into(),
        }
    }

    /// Get the state of the activation: of the install, of the caller's newest link, and the people who are bound.
    ///
    /// Works while FlySense is not active. A page may poll it every 2 s while its link is open.
    #[oai(path = "/", method = "get", operation_id = "getActivation")]
    async fn get(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Got {
        match get(&deps, &caller).await {
            Ok(activation) => Got::Ok(Json(activation)),
            Err(problem) => problem.into(),
        }
    }

    /// Delete a person's binding with its phone number. Only for administrators. FlySense stays active.
    #[oai(path = "/bindings/:id", method = "delete", operation_id = "deleteActivationBinding")]
    async fn delete(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Id of the binding.
        id: Path<String>,
        _body: NoBody,
    ) -> Deleted {
        match delete(&deps, &trace, &caller, &id.0).await {
            Ok(()) => Deleted::Ok,
            Err(problem) => problem.into(),
        }
    }
}

async fn create(deps: &Deps, trace: &Trace, caller: &WidgetCaller) -> Result<CreatedActivationLink, Problem> {
    let user = installed_user(deps, caller)?;
    user.must_be_admin()?;
    let mut conn = deps.conn().await?;
    let bots = usable_bots(deps, &mut conn).await?;
    if bots.is_empty() {
        return Err(Problem::new(
            ProblemCode::ActivationUnavailable,
            "no bot is configured or has answered yet",
        ));
    }
    // The row arrives with the platform's `install` event, moments after the installation.
    if accounts::find(&mut conn, user.account_id()).await?.is_none() {
        return Err(Problem::new(ProblemCode::WrongState, "FlySense does not know the account yet: retry"));
    }
    drop(conn);
    let link = repeat_contended(|| create_link(deps, trace, user)).await?;
    Ok(CreatedActivationLink::new(&link, &bots))
}

async fn create_link(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
) -> Result<activation_service::CreatedLink, Problem> {
    let mut unit = deps.begin(trace).await?;
    let (account, install) = (user.account_id(), user.install.id);
    let created = activation_service::create_link(
        &mut unit,
        deps.clock(),
        &deps.keyring,
        account,
        install,
        user.user_id,
    );
    let link = created.await?;
    unit.commit().await?;
    Ok(link)
}

/// Bots that are configured and have answered at least once.
async fn usable_bots(deps: &Deps, conn: &mut Conn) -> Result<Vec<BotRow>, Problem> {
    let is_configured = |messenger| match messenger {
        Messenger::Telegram => deps.config.telegram.is_some(),
        Messenger::Max => deps.config.max.is_some(),
    };
    let bots = bots::list(conn).await?;
    Ok(bots.into_iter().filter(|bot| is_configured(bot.messenger)).collect())
}

async fn get(deps: &Deps, caller: &WidgetCaller) -> Result<Activation, Problem> {
    let user = installed_user(deps, caller)?;
    let mut conn = deps.conn().await?;
    Ok(Activation::from(ActivationParts {
        install_status: user.install.status,
        bots: usable_bots(deps, &mut conn).await?,
        link: links::find_newest(&mut conn, user.account_id(), user.user_id).await?,
        bindings: bindings::list_of_account(&mut conn, user.account_id()).await?,
        is_admin: user.is_admin,
        now: deps.clock().now(),
    }))
}

async fn delete(deps: &Deps, trace: &Trace, caller: &WidgetCaller, id: &str) -> Result<(), Problem> {
    let user = installed_user(deps, caller)?;
    user.must_be_admin()?;
    let unknown = || Problem::new(ProblemCode::NotFound, "the account has no such binding");
    let id = id.parse().map_err(|_| unknown())?;
    let remove = || async {
        let mut unit = deps.begin(trace).await?;
        let removed = activation_service::unbind(&mut unit, user.account_id(), id).await?;
        unit.commit().await?;
        Ok::<_, Problem>(removed)
    };
    if repeat_contended(remove).await? { Ok(()) } else { Err(unknown()) }
}
