//! `/v1/flysense/preferences`: what an administrator decides for the account.

use flysk_domain::flysense::roles::Role;
use flysk_domain::trace::Trace;
use flysk_store::flysense::accounts;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};

use super::caller::admit;
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

#[derive(Tags)]
enum Tag {
    /// Call recordings to dialogues, inside the amoCRM card.
    FlySense,
}

/// What an administrator decides.
#[derive(Debug, Object)]
#[oai(example)]
struct Preferences {
    /// Whether calls are transcribed as they arrive, without being asked for.
    auto: bool,
    /// Who speaks on the left channel of stereo recordings: `operator` or `client`.
    left_channel: String,
}

impl poem_openapi::types::Example for Preferences {
    fn example() -> Self {
        Self { auto: true, left_channel: "operator".to_owned() }
    }
}

/// The account's preferences and what follows from them.
#[derive(Debug, Object)]
pub(crate) struct PreferencesView {
    /// Whether calls are transcribed as they arrive.
    auto: bool,
    /// Who speaks on the left channel.
    left_channel: String,
    /// Whether amoCRM tells of new calls: `subscribed`, `unsubscribed`, or `refused` by the account's plan.
    hooks_state: String,
}

answers! {
    /// Answers of `getPreferences`.
    Got {
        /// As they are.
        200 => Ok(Json<PreferencesView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// FlySense is not active in the account.
        403 => Forbidden,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

answers! {
    /// Answers of `setPreferences`.
    Set {
        /// As they are now.
        200 => Ok(Json<PreferencesView>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The token is missing or not accepted.
        401 => Unauthorized,
        /// Not an administrator, or FlySense is not active in the account.
        403 => Forbidden,
        /// The body is too long.
        413 => TooLarge,
        /// The body is not JSON.
        415 => UnsupportedMediaType,
        /// A value is not acceptable.
        422 => Invalid,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// FlySense's preferences.
pub(crate) struct PreferencesApi;

#[OpenApi(prefix_path = "/v1/flysense/preferences", tag = "Tag::FlySense")]
impl PreferencesApi {
    /// What is decided for the account.
    #[oai(path = "/", method = "get", operation_id = "getPreferences")]
    async fn get(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Got {
        match admit(&deps, &caller).await {
            Ok(user) => Got::Ok(Json(PreferencesView {
                auto: user.account.auto,
                left_channel: user.account.left_channel,
                hooks_state: user.account.hooks_state,
            })),
            Err(problem) => problem.into(),
        }
    }

    /// Decide for the account; administrators only. Counts for calls that are asked for from now on.
    #[oai(path = "/", method = "put", operation_id = "setPreferences")]
    async fn set(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<Preferences>,
    ) -> Set {
        match set(&deps, &trace, &caller, body.0).await {
            Ok(view) => Set::Ok(Json(view)),
            Err(problem) => problem.into(),
        }
    }
}

async fn set(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    wanted: Preferences,
) -> Result<PreferencesView, Problem> {
    let user = admit(deps, caller).await?;
    if !user.is_admin {
        return Err(Problem::new(ProblemCode::AdminOnly, "ask an administrator of the account"));
    }
    match wanted.left_channel.parse() {
        Ok(Role::Operator | Role::Client) => {}
        _ => return Err(Problem::new(ProblemCode::Invalid, "`left_channel` is `operator` or `client`")),
    }
    let (account, now) = (user.account_id(), deps.clock().now());
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        accounts::set_preferences(&mut unit, account, wanted.auto, &wanted.left_channel, now).await?;
        Ok::<_, Problem>(unit.commit().await?)
    };
    repeat_contended(write).await?;
    Ok(PreferencesView {
        auto: wanted.auto,
        left_channel: wanted.left_channel,
        hooks_state: user.account.hooks_state,
    })
}
