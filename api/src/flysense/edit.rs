//! An edit of a transcription: summary, tags, labels, roles of the speakers.

use flysk_domain::flysense::labels::Label;
use flysk_domain::trace::Trace;
use flysk_store::flysense::{tags, transcriptions};
use flysk_store::repeat_contended;
use poem_openapi::Object;

use super::caller::authorize_caller;
use super::found_call::{find, load_details};
use super::view::TranscriptionDetails;
use crate::auth::WidgetCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Changes of a transcription. Absent fields stay unchanged.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct TranscriptionEdit {
    /// The version that was read.
    version: u32,
    /// The summary, up to 20,000 characters.
    summary: Option<String>,
    /// All tags: up to 20, each up to 60 characters.
    tags: Option<Vec<String>>,
    /// All labels that the recogniser did not find.
    added_labels: Option<Vec<Choice<Label>>>,
    /// All labels of the recogniser that are wrong.
    removed_labels: Option<Vec<Choice<Label>>>,
    /// Whether operator and client are swapped.
    roles_swapped: Option<bool>,
}

impl poem_openapi::types::Example for TranscriptionEdit {
    fn example() -> Self {
        Self {
            version: 0,
            summary: None,
            tags: Some(vec!["перезвонить".to_owned()]),
            added_labels: None,
            removed_labels: Some(vec![Label::Negative.into()]),
            roles_swapped: None,
        }
    }
}

/// Applies an edit of the caller. Returns the changed transcription.
pub(super) async fn edit(
    deps: &Deps,
    trace: &Trace,
    caller: &WidgetCaller,
    id: &str,
    edit: &TranscriptionEdit,
) -> Result<TranscriptionDetails, Problem> {
    let user = authorize_caller(deps, caller).await?;
    let tags = validate_edit(edit.summary.as_deref(), edit.tags.as_deref())?;
    let labels = |labels: &Option<Vec<Choice<Label>>>| labels.as_ref().map(|labels| distinct(labels));
    let (added, removed) = (labels(&edit.added_labels), labels(&edit.removed_labels));
    let call = find(deps, &user, id).await?;
    let now = deps.clock().now();
    let write = || async {
        let mut unit = deps.begin(trace).await?;
        let mut version = edit.version;
        if let Some(swapped) = edit.roles_swapped {
            transcriptions::set_channel_roles(&mut unit, call.id, version, swapped, now).await?;
            version += 1;
        }
        if edit.summary.is_some() || tags.is_some() || added.is_some() || removed.is_some() {
            let changes = transcriptions::Edit {
                summary: edit.summary.as_deref().map(str::trim),
                tags: tags.as_deref(),
                labels_added: added.as_deref(),
                labels_removed: removed.as_deref(),
            };
            transcriptions::edit(&mut unit, call.id, version, changes, user.user_id, now).await?;
        }
        let new_tags = tags.iter().flatten().filter(|tag| !call.tags.0.contains(tag));
        for tag in new_tags {
            tags::count_use(&mut unit, user.account_id(), tag, now).await?;
        }
        Ok::<_, Problem>(unit.commit().await?)
    };
    repeat_contended(write).await?;
    let call = find(deps, &user, id).await?;
    load_details(deps, &user, &call).await
}

/// The labels without repetition.
fn distinct(labels: &[Choice<Label>]) -> Vec<Label> {
    let mut distinct: Vec<Label> = Vec::new();
    for label in labels {
        if !distinct.contains(&label.0) {
            distinct.push(label.0);
        }
    }
    distinct
}

/// Validates an edit. Returns its tags, trimmed and without duplicates; `None` if the edit has no tags.
fn validate_edit(summary: Option<&str>, tags: Option<&[String]>) -> Result<Option<Vec<String>>, Problem> {
    let invalid = |why: &str| Problem::new(ProblemCode::Invalid, why);
    if summary.is_some_and(|summary| summary.chars().count() > 20_000) {
        return Err(invalid("`summary` is longer than 20,000 characters"));
    }
    let Some(tags) = tags else { return Ok(None) };
    let mut clean: Vec<String> = Vec::new();
    for tag in tags.iter().map(|tag| tag.trim()).filter(|tag| !tag.is_empty()) {
        if tag.chars().count() > 60 {
            return Err(invalid("a tag is longer than 60 characters"));
        }
        if !clean.iter().any(|known| known == tag) {
            clean.push(tag.to_owned());
        }
    }
    if clean.len() > 20 { Err(invalid("more than 20 tags")) } else { Ok(Some(clean)) }
}
