//! The account's log of calls, for those whose hook never came. Source: amoCRM docs, `crm_platform/events-and-notes`.

use chrono::{DateTime, Utc};
use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;

use super::error::{AmoError, Effect};
use super::responses::{CallEvent, Page};
use super::{AmoCrm, send};

/// The longest page of events.
const EVENTS_PER_PAGE: &str = "100";

impl AmoCrm {
    /// Calls logged between two moments on any entity, 100 to a page; `page` counts from 1.
    ///
    /// The list shifts while one pages through it: let windows overlap.
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
        send::send(request, Effect::Repeatable).await?.page("events")
    }
}
