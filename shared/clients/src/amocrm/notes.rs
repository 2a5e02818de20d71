//! Notes: calls are read, service messages are written. Source: amoCRM docs, `crm_platform/events-and-notes`.

use flysk_domain::id::NoteId;
use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;
use serde_json::Value;

use super::error::{AmoError, Effect};
use super::requests::{EntityType, NoteBody, ServiceNote};
use super::responses::{Note, Page};
use super::{AmoCrm, send};
use crate::lenient;

/// The longest page of notes.
const NOTES_PER_PAGE: &str = "250";

impl AmoCrm {
    /// One note. Nothing (204) is told as not found.
    pub async fn note(
        &self,
        host: &AccountHost,
        token: &SecretString,
        entity: EntityType,
        id: NoteId,
    ) -> Result<Note, AmoError> {
        let path = format!("/api/v4/{}/notes/{id}", entity.plural());
        let answer = send::send(self.call(Method::GET, host, token, &path, &[]), Effect::Repeatable).await?;
        if answer.is_empty() { Err(answer.not_found()) } else { answer.json() }
    }

    /// The notes among `ids` that exist, by id; at most 250 are asked for at once.
    pub async fn notes(
        &self,
        host: &AccountHost,
        token: &SecretString,
        entity: EntityType,
        ids: &[NoteId],
    ) -> Result<Page<Note>, AmoError> {
        let ids: Vec<String> = ids.iter().take(250).map(NoteId::to_string).collect();
        let mut query = vec![("limit", NOTES_PER_PAGE), ("order[id]", "asc")];
        query.extend(ids.iter().map(|id| ("filter[id][]", id.as_str())));
        let path = format!("/api/v4/{}/notes", entity.plural());
        send::send(self.call(Method::GET, host, token, &path, &query), Effect::Repeatable)
            .await?
            .page("notes")
    }

    /// Leaves a service message. Each call adds one, and amoCRM tells our own hook of it.
    pub async fn add_service_note(
        &self,
        host: &AccountHost,
        token: &SecretString,
        note: &ServiceNote,
    ) -> Result<Option<NoteId>, AmoError> {
        let path = format!("/api/v4/{}/notes", note.entity_type.plural());
        let request = self.call(Method::POST, host, token, &path, &[]).json(&[NoteBody::from(note)]);
        let answer = send::send(request, Effect::Once).await?;
        if answer.is_empty() {
            return Ok(None);
        }
        let added: Value = answer.json()?;
        Ok(added.pointer("/_embedded/notes/0/id").and_then(lenient::unsigned).map(NoteId))
    }
}
