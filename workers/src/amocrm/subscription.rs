//! The subscription of one account: at amoCRM the address is a hook's key, so whatever is repeated here ends
//! in the same place. Sources: amoCRM docs, `crm_platform/webhooks-api`, `webhooks-format` (a hook that failed too
//! often is `disabled`; whether a POST enables it again is not said, so it is looked at afterwards).

use flysk_clients::amocrm::{AmoError, NoteEvent, RejectionKind, Webhook};
use flysk_clients::platform::Access;
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_jobs::JobError;
use flysk_runtime::hook_address;
use url::Url;

use super::turns::Turns;
use crate::App;
use crate::flysense::FlySense;

/// How a subscription was found, and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscription {
    /// It was as it should be.
    Good,
    /// It was missing, incomplete or switched off, and now is not: calls may have been missed.
    Repaired,
    /// The account's plan has no hooks, or the token is not an administrator's: calls are found in the log.
    Refused,
}

/// Where and as whom an account's hooks are managed.
pub(super) struct Desk<'a> {
    flysense: &'a FlySense,
    access: &'a Access,
    host: AccountHost,
    turns: Turns<'a>,
    /// The address of today, and those of former keys.
    present: Url,
    former: Vec<Url>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        app: &'a App,
        flysense: &'a FlySense,
        access: &'a Access,
        turns: Turns<'a>,
    ) -> Result<Self, JobError> {
        let unusable = |error| JobError::give_up(format!("the public address cannot carry hooks: {error}"));
        let (public, install) = (&app.config().http.public_url, access.install_id);
        Ok(Self {
            flysense,
            access,
            host: flysense.host(access)?,
            turns,
            present: hook_address::address(public, &app.keyring, install).map_err(unusable)?,
            former: hook_address::former(public, &app.keyring, install).map_err(unusable)?,
        })
    }

    /// Brings the subscription to where it should be. `known_key_is_current` says that nothing is left under a
    /// former key.
    pub(super) async fn settle(
        &mut self,
        account: AccountId,
        known_key_is_current: bool,
    ) -> Result<Subscription, JobError> {
        let settled = match self.repair().await {
            Ok(settled) => settled,
            Err(Failed::Amo(error)) if is_refusal(&error) => {
                tracing::warn!(account.id = %account, error = %error, "amoCRM refuses our hook");
                return Ok(Subscription::Refused);
            }
            Err(error) => return Err(self.job_error(error).await),
        };
        if settled == Subscription::Repaired {
            tracing::warn!(account.id = %account, "the hook was missing or switched off, and is repaired");
        }
        // The new address first, the old ones after: for a moment a note is told twice, never not at all.
        if !known_key_is_current {
            self.tidy_up().await?;
        }
        Ok(settled)
    }

    /// Takes every address of ours out.
    pub(super) async fn leave(&mut self) -> Result<(), JobError> {
        let present = self.present.clone();
        match self.unsubscribe(&present).await {
            Ok(()) => self.tidy_up().await,
            Err(error) => Err(self.job_error(error).await),
        }
    }

    async fn tidy_up(&mut self) -> Result<(), JobError> {
        match self.leave_former().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.job_error(error).await),
        }
    }

    async fn job_error(&self, failed: Failed) -> JobError {
        match failed {
            Failed::Amo(error) => self.turns.job_error(error).await,
            Failed::Job(error) => error,
        }
    }

    async fn repair(&mut self) -> Result<Subscription, Failed> {
        let found = self.find().await?;
        if found.as_ref().is_some_and(is_whole) {
            return Ok(Subscription::Good);
        }
        self.subscribe().await?;
        if found.is_some_and(|hook| hook.disabled) && !self.find().await?.as_ref().is_some_and(is_whole) {
            let present = self.present.clone();
            self.unsubscribe(&present).await?;
            self.subscribe().await?;
        }
        Ok(Subscription::Repaired)
    }

    async fn find(&mut self) -> Result<Option<Webhook>, Failed> {
        self.turns.next().await?;
        let client = &self.flysense.amocrm;
        let hooks = client.webhooks(&self.host, &self.access.access_token, Some(&self.present)).await?;
        Ok(hooks.items.into_iter().find(|hook| hook.destination == self.present.as_str()))
    }

    /// An account may have 100 hooks: if there is no room for the new address, those of former keys make it.
    async fn subscribe(&mut self) -> Result<(), Failed> {
        match self.subscribe_once().await {
            Err(Failed::Amo(error))
                if error.kind() == Some(RejectionKind::Invalid) && !self.former.is_empty() =>
            {
                self.leave_former().await?;
                self.subscribe_once().await
            }
            other => other,
        }
    }

    async fn subscribe_once(&mut self) -> Result<(), Failed> {
        self.turns.next().await?;
        let client = &self.flysense.amocrm;
        let token = &self.access.access_token;
        Ok(client.subscribe(&self.host, token, &self.present, &NoteEvent::ALL).await?)
    }

    async fn leave_former(&mut self) -> Result<(), Failed> {
        for address in self.former.clone() {
            self.unsubscribe(&address).await?;
        }
        Ok(())
    }

    /// One that is not there is fine.
    async fn unsubscribe(&mut self, address: &Url) -> Result<(), Failed> {
        self.turns.next().await?;
        Ok(self.flysense.amocrm.unsubscribe(&self.host, &self.access.access_token, address).await?)
    }
}

/// Switched on, for all four kinds of card.
fn is_whole(hook: &Webhook) -> bool {
    !hook.disabled && NoteEvent::ALL.iter().all(|event| hook.settings.iter().any(|name| name == event.name()))
}

fn is_refusal(error: &AmoError) -> bool {
    use RejectionKind::{Invalid, NoRights, Unpaid};
    matches!(error.kind(), Some(NoRights | Invalid | Unpaid))
}

/// Why it could not be settled now.
enum Failed {
    Amo(AmoError),
    Job(JobError),
}

impl From<AmoError> for Failed {
    fn from(error: AmoError) -> Self {
        Self::Amo(error)
    }
}

impl From<JobError> for Failed {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}
