//! The webhook subscription of one account. amoCRM identifies a hook by its URL, so every request here may be repeated.
//!
//! Sources: amoCRM docs, `crm_platform/webhooks-api`, `webhooks-format`. A hook that failed too often is `disabled`;
//! whether a POST enables it again is not documented, so it is checked afterwards.

use flysk_clients::amocrm::{AmoError, NoteEvent, RejectionKind, Webhook};
use flysk_clients::flysk_api::PauthAccess;
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::account::HooksState;
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_queue::JobError;
use flysk_services::calls::signed_hook_url;
use url::Url;

use super::rate_limited::RateLimitedCalls;
use crate::App;
use crate::flysense::FlySense;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncResult {
    /// The webhook was correct.
    Good,
    /// The webhook was missing, incomplete or disabled and has been repaired; calls may have been missed.
    Repaired,
    /// The account's plan has no webhooks, or the token is not an administrator's. Calls are found by reconciliation.
    Refused,
}

impl SyncResult {
    /// The state that the account's row gets.
    pub(super) const fn hooks_state(self) -> HooksState {
        match self {
            Self::Good | Self::Repaired => HooksState::Subscribed,
            Self::Refused => HooksState::Refused,
        }
    }
}

/// Manages FlySense's hooks in one account.
pub(super) struct HookManager<'a> {
    flysense: &'a FlySense,
    access: &'a PauthAccess,
    host: AccountHost,
    limiter: RateLimitedCalls<'a>,
    /// URL signed by the current key; `previous`: URLs signed by previous keys.
    current: Url,
    previous: Vec<Url>,
}

impl<'a> HookManager<'a> {
    pub(super) fn new(
        app: &'a App,
        flysense: &'a FlySense,
        access: &'a PauthAccess,
        limiter: RateLimitedCalls<'a>,
    ) -> Result<Self, JobError> {
        let unusable = |error| JobError::give_up(format!("the public URL cannot be used for hooks: {error}"));
        let (public, install) = (&app.config().http.public_url, access.install_id);
        Ok(Self {
            flysense,
            access,
            host: flysense.host(access)?,
            limiter,
            current: signed_hook_url::current_url(public, &app.keyring, install).map_err(unusable)?,
            previous: signed_hook_url::previous_urls(public, &app.keyring, install).map_err(unusable)?,
        })
    }

    /// Checks and repairs the subscription. `known_key_is_current`: no hooks exist under previous keys.
    pub(super) async fn sync(
        &mut self,
        account: AccountId,
        known_key_is_current: bool,
    ) -> Result<SyncResult, JobError> {
        let synced = match self.repair().await {
            Ok(synced) => synced,
            Err(HookError::Amo(error)) if is_refusal(&error) => {
                tracing::warn!(account.id = %account, error = %error, "amoCRM rejected the webhook subscription");
                return Ok(SyncResult::Refused);
            }
            Err(error) => return Err(self.job_error(error).await),
        };
        if synced == SyncResult::Repaired {
            tracing::warn!(account.id = %account, "repaired a missing or disabled webhook");
        }
        // The new URL is added before the old ones are removed: a note may arrive twice for a moment, but is never lost.
        if !known_key_is_current {
            self.clean_up().await?;
        }
        Ok(synced)
    }

    /// Removes all of FlySense's hooks.
    pub(super) async fn remove_all(&mut self) -> Result<(), JobError> {
        let current = self.current.clone();
        match self.unsubscribe(&current).await {
            Ok(()) => self.clean_up().await,
            Err(error) => Err(self.job_error(error).await),
        }
    }

    async fn clean_up(&mut self) -> Result<(), JobError> {
        match self.remove_previous().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.job_error(error).await),
        }
    }

    async fn job_error(&self, error: HookError) -> JobError {
        match error {
            HookError::Amo(error) => self.limiter.job_error(error).await,
            HookError::Job(error) => error,
        }
    }

    async fn repair(&mut self) -> Result<SyncResult, HookError> {
        let found = self.find().await?;
        if found.as_ref().is_some_and(is_complete) {
            return Ok(SyncResult::Good);
        }
        self.subscribe().await?;
        if found.is_some_and(|hook| hook.disabled) && !self.find().await?.as_ref().is_some_and(is_complete) {
            let current = self.current.clone();
            self.unsubscribe(&current).await?;
            self.subscribe().await?;
        }
        Ok(SyncResult::Repaired)
    }

    async fn find(&mut self) -> Result<Option<Webhook>, HookError> {
        self.limiter.acquire().await?;
        let client = &self.flysense.amocrm;
        let hooks = client.webhooks(&self.host, &self.access.access_token, Some(&self.current)).await?;
        Ok(hooks.items.into_iter().find(|hook| hook.destination == self.current.as_str()))
    }

    /// An account may have 100 hooks. If there is no free one for the new URL, the hooks of previous keys are removed first.
    async fn subscribe(&mut self) -> Result<(), HookError> {
        match self.subscribe_once().await {
            Err(HookError::Amo(error))
                if error.kind() == Some(RejectionKind::Invalid) && !self.previous.is_empty() =>
            {
                self.remove_previous().await?;
                self.subscribe_once().await
            }
            other => other,
        }
    }

    async fn subscribe_once(&mut self) -> Result<(), HookError> {
        self.limiter.acquire().await?;
        let client = &self.flysense.amocrm;
        let token = &self.access.access_token;
        Ok(client.subscribe(&self.host, token, &self.current, NoteEvent::ALL).await?)
    }

    async fn remove_previous(&mut self) -> Result<(), HookError> {
        for address in self.previous.clone() {
            self.unsubscribe(&address).await?;
        }
        Ok(())
    }

    /// Removes a hook; succeeds if there is none.
    async fn unsubscribe(&mut self, address: &Url) -> Result<(), HookError> {
        self.limiter.acquire().await?;
        Ok(self.flysense.amocrm.unsubscribe(&self.host, &self.access.access_token, address).await?)
    }
}

/// Whether the hook is enabled for all four kinds of cards.
fn is_complete(hook: &Webhook) -> bool {
    !hook.disabled
        && NoteEvent::ALL.iter().all(|event| hook.settings.iter().any(|name| name == event.as_str()))
}

fn is_refusal(error: &AmoError) -> bool {
    use RejectionKind::{Invalid, NoRights, Unpaid};
    matches!(error.kind(), Some(NoRights | Invalid | Unpaid))
}

/// Reason for a failed call about hooks.
enum HookError {
    Amo(AmoError),
    Job(JobError),
}

impl From<AmoError> for HookError {
    fn from(error: AmoError) -> Self {
        Self::Amo(error)
    }
}

impl From<JobError> for HookError {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}
