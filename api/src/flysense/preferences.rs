//! `/v1/flysense/preferences`: preferences of an account.

use flysk_domain::flysense::account::HooksState;
use flysk_domain::flysense::roles::Role;
use flysk_domain::trace::Trace;
use flysk_store::flysense::accounts;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object, OpenApi, Tags};

use super::caller::authorize_caller;
use crate::auth::WidgetCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::StrictJson;

#[derive(Tags)]
enum Tag {
    /// FlySense: transcribes call recordings; called by its widget in amoCRM's cards.
    FlySense,
}

/// A speaker who can have a channel of their own.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
enum ChannelSpeaker {
    /// The employee.
    Operator,
    /// The other side.
    Client,
}

impl From<ChannelSpeaker> for Role {
    fn from(speaker: ChannelSpeaker) -> Self {
        match speaker {
            ChannelSpeaker::Operator => Self::Operator,
            ChannelSpeaker::Client => Self::Client,
        }
    }
}

impl From<Role> for ChannelSpeaker {
    fn from(role: Role) -> Self {
        if role == Role::Client { Self::Client } else { Self::Operator }
    }
}

/// New preferences.
#[derive(Debug, Object)]
#[oai(example)]
struct PreferencesInput {
    /// Whether new calls are transcribed automatically.
    auto: bool,
    /// Speaker on the left channel of stereo recordings.
    left_channel: ChannelSpeaker,
}

impl Example for PreferencesInput {
    fn example() -> Self {
        Self { auto: true, left_channel: ChannelSpeaker::Operator }
    }
}

/// The account's preferences and the state of its webhooks.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Preferences {
    /// Whether new calls are transcribed automatically.
    auto: bool,
    /// Speaker on the left channel of stereo recordings.
    left_channel: ChannelSpeaker,
    /// State of amoCRM's webhooks for new calls.
    hooks_state: Choice<HooksState>,
}

impl Example for Preferences {
    fn example() -> Self {
        Self {
            auto: true,
            left_channel: ChannelSpeaker::Operator,
            hooks_state: HooksState::Subscribed.into(),
        }
    }
}

answers! {
    /// Responses of `getPreferences`.
    Got {
        /// The current preferences.
        200 => Ok(Json<Preferences>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `putPreferences`.
    Set {
        /// The new preferences.
        200 => Ok(Json<Preferences>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or FlySense is not active in the account.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
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

/// Operations on preferences.
pub(crate) struct PreferencesApi;

#[OpenApi(prefix_path = "/v1/flysense/preferences", tag = "Tag::FlySense")]
impl PreferencesApi {
    /// Get the account's preferences.
    #[oai(path = "/", method = "get", operation_id = "getPreferences")]
    async fn get(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Got {
        match authorize_caller(&deps, &caller).await {
            Ok(user) => Got::Ok(Json(Preferences {
                auto: user.account.auto,
                left_channel: user.account.left_channel.into(),
                hooks_state: user.account.hooks_state.into(),
            })),
            Err(problem) => problem.into(),
        }
    }

    /// Replace the account's preferences. Only for administrators. Applies to transcriptions that are requested afterwards.
    #[oai(path = "/", method = "put", operation_id = "putPreferences")]
    async fn set(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        body: StrictJson<PreferencesInput>,
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
    input: PreferencesInput,
) -> Result<Preferences, Problem> {
    let user = authorize_caller(deps, caller).await?;
    if !user.is_admin {
        return Err(Problem::new(ProblemCode::AdminOnly, "only administrators of the account may do this"));
    }
    let left_channel = input.left_channel.into();
    let (account, now) = (user.account_id(), deps.clock().now());
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        accounts::set_preferences(&mut unit, account, input.auto, left_channel, now).await?;
        Ok::<_, Problem>(unit.commit().await?)
    };
    repeat_contended(write).await?;
    Ok(Preferences {
        auto: input.auto,
        left_channel: input.left_channel,
        hooks_state: user.account.hooks_state.into(),
    })
}
