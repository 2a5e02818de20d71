//! `/v1/flysense/tags`: labels, and the account's own tags for autocomplete.

use flysk_domain::flysense::labels::Label;
use flysk_domain::flysense::tag::tag_key;
use flysk_domain::trace::Trace;
use flysk_store::flysense::tags;
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::caller::authorize_caller;
use super::transcriptions::Tag;
use crate::auth::WidgetCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::strict_json::NoBody;

/// Maximum number of own tags in an answer.
const MAX_OWN_TAGS: u32 = 100;

/// A label that may be put on a call.
#[derive(Debug, Object)]
struct LabelOption {
    /// Code of the label.
    code: Choice<Label>,
    /// Name in Russian.
    label: String,
}

/// A tag of the account's dictionary.
#[derive(Debug, Object)]
struct OwnTag {
    /// The tag.
    text: String,
    /// Number of times it was put on a call.
    uses: u32,
}

/// Suggestions for tags of a call.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TagSuggestions {
    /// Labels that match, in a fixed order.
    labels: Vec<LabelOption>,
    /// The account's own tags that match, most used first; at most 100.
    own: Vec<OwnTag>,
}

impl Example for TagSuggestions {
    fn example() -> Self {
        Self {
            labels: vec![LabelOption {
                code: Label::Negative.into(),
                label: Label::Negative.label().to_owned(),
            }],
            own: vec![OwnTag { text: "перезвонить".to_owned(), uses: 12 }],
        }
    }
}

answers! {
    /// Responses of `suggestTags`.
    Suggested {
        /// The suggestions.
        200 => Ok(Json<TagSuggestions>),
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
    /// Responses of `deleteTag`.
    Deleted {
        /// The tag is not in the dictionary any more.
        204 => Done,
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or FlySense is not active in the account.
        403 => Forbidden [NotInstalled, InstallInactive, AdminOnly],
        /// The dictionary has no such tag.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on the dictionary of tags.
pub(crate) struct TagsApi;

#[OpenApi(prefix_path = "/v1/flysense/tags", tag = "Tag::FlySense")]
impl TagsApi {
    /// Suggest tags: labels and the account's own tags.
    #[oai(path = "/", method = "get", operation_id = "suggestTags")]
    async fn suggest(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Part of the wanted tags; case, and `ё` or `е`, do not matter.
        #[oai(validator(max_length = 60))]
        query: Query<Option<String>>,
    ) -> Suggested {
        match suggest(&deps, &caller, query.0.as_deref()).await {
            Ok(found) => Suggested::Ok(Json(found)),
            Err(problem) => problem.into(),
        }
    }

    /// Remove a tag from the account's dictionary. Only for administrators. Calls keep it.
    #[oai(path = "/", method = "delete", operation_id = "deleteTag")]
    async fn delete(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// The tag.
        text: Query<String>,
        _body: NoBody,
    ) -> Deleted {
        match delete(&deps, &trace, &caller, &text.0).await {
            Ok(()) => Deleted::Done,
            Err(problem) => problem.into(),
        }
    }
}

async fn suggest(deps: &Deps, caller: &WidgetCaller, query: Option<&str>) -> Result<TagSuggestions, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let mut conn = deps.conn().await?;
    let own = tags::list(&mut conn, user.account_id(), query, MAX_OWN_TAGS).await?;
    let wanted = query.map(tag_key).unwrap_or_default();
    let matches = |label: &&Label| tag_key(label.label()).contains(&wanted);
    let option = |label: &Label| LabelOption { code: (*label).into(), label: label.label().to_owned() };
    Ok(TagSuggestions {
        labels: Label::ALL.iter().filter(matches).map(option).collect(),
        own: own.into_iter().map(|tag| OwnTag { text: tag.text, uses: tag.uses }).collect(),
    })
}

async fn delete(deps: &Deps, trace: &Trace, caller: &WidgetCaller, text: &str) -> Result<(), Problem> {
    let user = authorize_caller(deps, caller).await?;
    if !user.is_admin {
        return Err(Problem::new(ProblemCode::AdminOnly, "only administrators of the account may do this"));
    }
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        let deleted = tags::delete(&mut unit, user.account_id(), text).await?;
        unit.commit().await?;
        Ok::<_, Problem>(deleted)
    };
    if repeat_contended(write).await? {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::NotFound, "the dictionary has no such tag"))
}
