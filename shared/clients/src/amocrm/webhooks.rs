//! Subscriptions to web hooks. All calls need an administrator's token. Source: amoCRM docs, `crm_platform/webhooks-api`.

use flysk_domain::platform::host::AccountHost;
use http::Method;
use secrecy::SecretString;
use url::Url;

use super::error::{AmoError, Effect, RejectionKind};
use super::requests::{Destination, NoteEvent, Subscription};
use super::responses::{Page, Webhook};
use super::{AmoCrm, send};

const PATH: &str = "/api/v4/webhooks";

impl AmoCrm {
    /// The account's hooks, or only that of one destination.
    pub async fn webhooks(
        &self,
        host: &AccountHost,
        token: &SecretString,
        destination: Option<&Url>,
    ) -> Result<Page<Webhook>, AmoError> {
        let query: Vec<_> = destination.iter().map(|url| ("filter[destination]", url.as_str())).collect();
        send::send(self.call(Method::GET, host, token, PATH, &query), Effect::Repeatable)
            .await?
            .page("webhooks")
    }

    /// Creates the hook of a destination, or changes its events: the destination is its key.
    pub async fn subscribe(
        &self,
        host: &AccountHost,
        token: &SecretString,
        destination: &Url,
        events: &[NoteEvent],
    ) -> Result<(), AmoError> {
        /// Among the account's hooks; amoCRM's own example uses 10.
        const SORT: u32 = 10;
        let settings = events.iter().map(|event| event.name()).collect();
        let body = Subscription { destination: destination.as_str(), settings, sort: SORT };
        let request = self.call(Method::POST, host, token, PATH, &[]).json(&body);
        send::send(request, Effect::Repeatable).await.map(|_| ())
    }

    /// Removes the hook of a destination; one that is not there is fine.
    pub async fn unsubscribe(
        &self,
        host: &AccountHost,
        token: &SecretString,
        destination: &Url,
    ) -> Result<(), AmoError> {
        let body = Destination { destination: destination.as_str() };
        let request = self.call(Method::DELETE, host, token, PATH, &[]).json(&body);
        match send::send(request, Effect::Repeatable).await {
            Err(error) if error.kind() == Some(RejectionKind::NotFound) => Ok(()),
            other => other.map(|_| ()),
        }
    }
}
