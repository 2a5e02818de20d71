//! Webhook subscriptions. Every request requires an administrator's token.
//! Source: amoCRM docs, `crm_platform/webhooks-api`.

use flysk_domain::TextEnum as _;
use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;
use url::Url;

use super::error::{AmoError, RejectionKind};
use super::requests::{Destination, NoteEvent, Subscription};
use super::responses::{Page, Webhook};
use super::{AmoCrm, send};
use crate::http::Idempotency;

const WEBHOOKS_PATH: &str = "/api/v4/webhooks";

impl AmoCrm {
    /// Lists the account's webhooks, or only the one of a destination.
    pub async fn webhooks(
        &self,
        host: &AccountHost,
        token: &SecretString,
        destination: Option<&Url>,
    ) -> Result<Page<Webhook>, AmoError> {
        let query: Vec<_> = destination.iter().map(|url| ("filter[destination]", url.as_str())).collect();
        send::send(self.call(Method::GET, host, token, WEBHOOKS_PATH, &query), Idempotency::Safe)
            .await?
            .page("webhooks")
    }

    /// Creates the webhook of a destination or replaces its events. The destination is its key.
    pub async fn subscribe(
        &self,
        host: &AccountHost,
        token: &SecretString,
        destination: &Url,
        events: &[NoteEvent],
    ) -> Result<(), AmoError> {
        /// Position among the account's webhooks; amoCRM's example uses 10.
        const HOOK_SORT: u32 = 10;
        let settings = events.iter().map(|event| event.as_str()).collect();
        let body = Subscription { destination: destination.as_str(), settings, sort: HOOK_SORT };
        let request = self.call(Method::POST, host, token, WEBHOOKS_PATH, &[]).json(&body);
        send::send(request, Idempotency::Safe).await.map(|_| ())
    }

    /// Deletes the webhook of a destination; a missing one is not an error.
    pub async fn unsubscribe(
        &self,
        host: &AccountHost,
        token: &SecretString,
        destination: &Url,
    ) -> Result<(), AmoError> {
        let body = Destination { destination: destination.as_str() };
        let request = self.call(Method::DELETE, host, token, WEBHOOKS_PATH, &[]).json(&body);
        match send::send(request, Idempotency::Safe).await {
            Err(error) if error.kind() == Some(RejectionKind::NotFound) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}
