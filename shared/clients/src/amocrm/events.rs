//! The account's event log, for calls whose webhook was lost and for records of a card's feed. Source: amoCRM docs, `crm_platform/events-and-notes`.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::record::AmocrmEventId;
use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;

use super::error::AmoError;
use super::responses::{CallEvent, Page};
use super::{AmoCrm, send};
use crate::http::Idempotency;

/// Maximum page size of events.
const EVENTS_PER_PAGE: &str = "100";

impl AmoCrm {
    /// Reads one event; an event that is not about a call has no note. An empty response (204) is
    /// [`RejectionKind::NotFound`](super::RejectionKind::NotFound).
    pub async fn event(
        &self,
        host: &AccountHost,
        token: &SecretString,
        id: &AmocrmEventId,
    ) -> Result<CallEvent, AmoError> {
        let path = format!("/api/v4/events/{id}");
        let answer = send::send(self.call(Method::GET, host, token, &path, &[]), Idempotency::Safe).await?;
        if answer.is_empty() { Err(answer.not_found()) } else { answer.json() }
    }

    /// Lists calls that were logged between two times on any entity, 100 per page; `page` counts from 1.
    ///
    /// The list shifts during paging, so let the time windows overlap.
    pub async fn call_events(
        &self,
        host: &AccountHost,
        token: &SecretString,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        page: u32,
    ) -> Result<Page<CallEvent>, AmoError> {
        let (from, to, page) =
            (from.timestamp().to_string(), to.timestamp().to_string(), page.max(1).to_string());
        let query = [
            ("filter[type][]", "incoming_call"),
            ("filter[type][]", "outgoing_call"),
            ("filter[created_at][from]", &from),
            ("filter[created_at][to]", &to),
            ("limit", EVENTS_PER_PAGE),
            ("page", &page),
        ];
        let request = self.call(Method::GET, host, token, "/api/v4/events", &query);
        send::send(request, Idempotency::Safe).await?.page("events")
    }
}
