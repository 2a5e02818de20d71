//! Renewing a pair: one at a time, intent first, the new pair before everything else.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::{Credentials, TokenError, TokenPair};
use flysk_domain::id::InstallId;
use flysk_domain::platform::token::TokenFailure;
use flysk_domain::trace::Trace;
use flysk_store::platform::accounts::{self, Account};
use flysk_store::platform::installs::{self, Install};
use flysk_store::platform::tokens::{self, Pair, PairState};
use flysk_store::platform::widgets;
use flysk_store::{StoreError, repeat_contended};
use secrecy::SecretString;
use tracing::Instrument;

use crate::whereabouts::Present;
use crate::{Vault, VaultError, places};

/// How long a renewal may hold the pair: two token requests and a look-up of the domain, 15 s each, a wait for the
/// requests' turns, and some room. Whoever finds a lease that ran out takes the pair for one in doubt.
const LEASE: Duration = Duration::from_secs(90);
/// How long a renewal that turned out to need a second request waits for its turn.
const PATIENCE_FOR_SECOND: Duration = Duration::from_secs(10);

/// Which pair is good enough not to be renewed.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// Its access token lives at least so long.
    AliveFor(Duration),
    /// It was given after this moment.
    NewerThan(DateTime<Utc>),
    /// It is not this one, whose access token amoCRM refused.
    OtherThan(u64),
}

impl Need {
    pub(crate) fn is_met(self, pair: &Pair, now: DateTime<Utc>) -> bool {
        match self {
            Self::AliveFor(time) => pair.expires_at > now + time,
            Self::NewerThan(moment) => pair.refreshed_at > moment,
            Self::OtherThan(number) => pair.pair != number && pair.expires_at > now,
        }
    }
}

/// A token to be used.
#[derive(Debug, Clone)]
pub struct Held {
    /// For amoCRM's API.
    pub access_token: SecretString,
    /// When amoCRM gave it.
    pub given_at: DateTime<Utc>,
    /// When it dies.
    pub expires_at: DateTime<Utc>,
    /// Which of the install's pairs it belongs to.
    pub pair: u64,
}

/// What a renewal came to.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// The pair was good enough already.
    NotNeeded(Held),
    /// amoCRM gave a new pair.
    Renewed(Held),
}

impl Renewal {
    /// The token, either way.
    pub fn into_held(self) -> Held {
        match self {
            Self::NotNeeded(held) | Self::Renewed(held) => held,
        }
    }
}

/// A renewal whose lease is taken.
pub(crate) struct Leased {
    pub(crate) install: Install,
    pub(crate) account: Account,
    pub(crate) credentials: Credentials,
    pub(crate) pair: Pair,
    pub(crate) fence: u64,
    pub(crate) trace: Trace,
}

enum Begun {
    Met(Held),
    Leased(Box<Leased>),
}

impl Vault {
    /// Renews the pair of an install unless it meets `need`; of any number of callers one asks amoCRM, the
    /// others get [`VaultError::Busy`] until it is done.
    ///
    /// What was begun is ended even if the caller goes away: a pair that amoCRM gave must be written. After a failure
    /// nobody asks again for a while, and when too many token requests are made, nobody waits here for a turn:
    /// [`VaultError::NotNow`] says when to come back.
    pub async fn renew(&self, install: InstallId, need: Need, trace: &Trace) -> Result<Renewal, VaultError> {
        self.renew_within(install, need, trace, Duration::ZERO).await
    }

    /// [`Vault::renew`], waiting so long for a turn among all token requests.
    pub(crate) async fn renew_within(
        &self,
        install: InstallId,
        need: Need,
        trace: &Trace,
        patience: Duration,
    ) -> Result<Renewal, VaultError> {
        let (vault, trace) = (self.clone(), trace.clone());
        let task = async move { vault.renew_here(install, need, trace, patience).await }.in_current_span();
        let renewal = self.renewals.spawn(task).await.map_err(|_| VaultError::CutOff)?;
        let outcome = match &renewal {
            Ok(Renewal::NotNeeded(_)) => "not_needed",
            Ok(Renewal::Renewed(_)) => "renewed",
            Err(VaultError::Refused(_)) => "refused",
            Err(VaultError::Busy { .. }) => "busy",
            Err(VaultError::InDoubt(_)) => "in_doubt",
            Err(VaultError::OurConfiguration(_)) => "our_configuration",
            Err(_) => "failed",
        };
        metrics::counter!("flysk_token_renewals_total", "outcome" => outcome).increment(1);
        renewal
    }

    async fn renew_here(
        &self,
        install: InstallId,
        need: Need,
        trace: Trace,
        patience: Duration,
    ) -> Result<Renewal, VaultError> {
        let leased = match repeat_contended(|| self.begin(install, need, &trace)).await? {
            Begun::Met(held) => return Ok(Renewal::NotNeeded(held)),
            Begun::Leased(leased) => leased,
        };
        match self.ask(&leased, patience).await {
            Ok(pair) => self.settle_renewed(&leased, pair).await.map(Renewal::Renewed),
            Err(failure) => self.settle_failed(&leased, failure).await.map(Renewal::NotNeeded),
        }
    }

    /// Takes the lease and makes the intent durable, unless the pair meets the need.
    async fn begin(&self, id: InstallId, need: Need, trace: &Trace) -> Result<Begun, VaultError> {
        let mut unit = self.outbox.begin(trace.clone()).await?;
        let install = installs::find(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        let Some(pair) = tokens::lock(&mut unit, id).await? else {
            return Err(VaultError::NoAccess(install.status));
        };
        let now = self.clock().now();
        if pair.state == PairState::Refused {
            return Err(VaultError::NoAccess(install.status));
        }
        if need.is_met(&pair, now) {
            return Ok(Begun::Met(self.open_access(&pair)?));
        }
        if let Some(until) = pair.lease_until
            && until > now
        {
            return Err(VaultError::Busy { until });
        }
        if let Some(after) =
            pair.retry_at.and_then(|at| (at - now).to_std().ok()).filter(|after| !after.is_zero())
        {
            let reason = "renewing the pair failed a short while ago".to_owned();
            return Err(VaultError::NotNow { reason, after: Some(after) });
        }
        let missing = |what| VaultError::Store(StoreError::Stale { what });
        let account = accounts::find(&mut unit, install.crm, install.account_id).await?;
        let account = account.ok_or_else(|| missing("account"))?;
        let widget = widgets::find(&mut unit, install.widget_id).await?.ok_or_else(|| missing("widget"))?;
        let credentials = self.credentials(&widget)?;
        // Opened before the lease is taken: a missing key must not leave a lease behind.
        self.open_refresh(&pair)?;
        let owner = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
        let fence = tokens::take_lease(&mut unit, &pair, PairState::Refreshing, &owner, now + LEASE).await?;
        unit.commit().await?;
        if matches!(pair.state, PairState::Refreshing | PairState::InDoubt) {
            tracing::warn!(install.id = %id, "renewing a pair in doubt: an earlier answer was lost");
        }
        let trace = trace.clone();
        Ok(Begun::Leased(Box::new(Leased { install, account, credentials, pair, fence, trace })))
    }

    /// Asks amoCRM; if the account may have been renamed, finds out and asks once more.
    async fn ask(&self, leased: &Leased, patience: Duration) -> Result<TokenPair, Failed> {
        let host = self.host(leased.install.crm, &leased.account.host).map_err(Failed::Ours)?;
        let refresh_token = self.open_refresh(&leased.pair).map_err(Failed::Ours)?;
        let tenant = leased.install.id.to_string();
        self.token_place(&tenant, patience).await.map_err(Failed::Ours)?;
        let error = match self.amocrm.refresh(&host, &leased.credentials, &refresh_token).await {
            Ok(pair) => return Ok(pair),
            Err(error) => error,
        };
        let TokenFailure::MaybeRenamed { .. } = error.failure() else {
            return Err(Failed::from(error));
        };
        match self.present_host(leased.install.crm, &leased.account, &refresh_token).await {
            Present::At(moved) if moved != host => {
                self.note_moved(leased.install.crm, &leased.account, &moved).await.map_err(Failed::Ours)?;
                self.token_place(&tenant, PATIENCE_FOR_SECOND).await.map_err(Failed::Ours)?;
                self.amocrm
                    .refresh(&moved, &leased.credentials, &refresh_token)
                    .await
                    .map_err(|error| Failed::renamed(&error))
            }
            Present::At(_) | Present::Unknown => Err(Failed::renamed(&error)),
            Present::Unreachable(reason) => {
                Err(Failed::Amo { failure: TokenFailure::BackOff, after: None, reason })
            }
        }
    }

    pub(crate) fn open_access(&self, pair: &Pair) -> Result<Held, VaultError> {
        let place = places::access_token(pair.install_id);
        let access_token = self.keyring.open(&pair.access_sealed, &place)?;
        Ok(Held { access_token, given_at: pair.refreshed_at, expires_at: pair.expires_at, pair: pair.pair })
    }

    pub(crate) fn open_refresh(&self, pair: &Pair) -> Result<SecretString, VaultError> {
        Ok(self.keyring.open(&pair.refresh_sealed, &places::refresh_token(pair.install_id))?)
    }
}

/// Why there is no new pair.
pub(crate) enum Failed {
    /// amoCRM's doing.
    Amo { failure: TokenFailure, after: Option<Duration>, reason: String },
    /// Before amoCRM was asked.
    Ours(VaultError),
}

impl From<TokenError> for Failed {
    fn from(error: TokenError) -> Self {
        Self::Amo { failure: error.failure(), after: error.after(), reason: error.to_string() }
    }
}

impl Failed {
    /// The failure once it is known that the account was not renamed, or was asked at its new host.
    fn renamed(error: &TokenError) -> Self {
        let failure = error.failure().if_not_renamed();
        Self::Amo { failure, after: error.after(), reason: error.to_string() }
    }
}
