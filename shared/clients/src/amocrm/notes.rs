//! Notes: reads call notes, adds service messages. Source: amoCRM docs, `crm_platform/events-and-notes`.

use flysk_domain::flysense::call::EntityType;
use flysk_domain::id::NoteId;
use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;

use super::error::AmoError;
use super::responses::{Note, Page};
use super::{AmoCrm, send};
use crate::http::Idempotency;

/// Maximum page size of notes.
const NOTES_PER_PAGE: &str = "250";

impl AmoCrm {
    /// Reads one note. An empty response (204) is [`RejectionKind::NotFound`](super::RejectionKind::NotFound).
    pub async fn note(
        &self,
        host: &AccountHost,
        token: &SecretString,
        entity: EntityType,
        id: NoteId,
    ) -> Result<Note, AmoError> {
        let path = format!("/api/v4/{}/notes/{id}", entity.code());
        let answer = send::send(self.call(Method::GET, host, token, &path, &[]), Idempotency::Safe).await?;
        if answer.is_empty() { Err(answer.not_found()) } else { answer.json() }
    }

    /// Reads the existing notes among the first 250 of `ids`, sorted by id.
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
        let path = format!("/api/v4/{}/notes", entity.code());
        send::send(self.call(Method::GET, host, token, &path, &query), Idempotency::Safe).await?.page("notes")
    }
}
