//! Renewal of a pair: one at a time, intent stored first, the new pair stored before anything else.

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
use flysk_store::{Conn, StoreError, repeat_contended};
use secrecy::SecretString;
use tracing::Instrument;

use crate::account_host::HostLookup;
use flysk_crypto::aad;

use crate::{Vault, VaultError};

/// Lease of a renewal: two token requests and a host look-up of 15 s each, waiting for the rate limit, and a margin.
/// After a lease has expired, the pair is considered in doubt.
const LEASE_TTL: Duration = Duration::from_secs(90);
/// Maximum wait for the rate limit before a second request of one renewal.
const SECOND_REQUEST_MAX_WAIT: Duration = Duration::from_secs(10);

/// Required freshness of a pair; a pair that meets it is not renewed.
#[derive(Debug, Clone, Copy)]
pub enum Freshness {
    /// The access token is valid for at least this long.
    ValidFor(Duration),
    /// The token pair was issued after this time.
    IssuedAfter(DateTime<Utc>),
    /// The token pair is not of this generation, whose access token amoCRM rejected.
    NotGeneration(u64),
}

impl Freshness {
    pub(crate) fn is_met(self, pair: &Pair, now: DateTime<Utc>) -> bool {
        match self {
            Self::ValidFor(time) => pair.expires_at > now + time,
            Self::IssuedAfter(moment) => pair.refreshed_at > moment,
            Self::NotGeneration(number) => pair.generation != number && pair.expires_at > now,
        }
    }
}

/// A usable access token.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The bearer token for amoCRM's API.
    pub secret: SecretString,
    /// When the pair was received.
    pub issued_at: DateTime<Utc>,
    /// `issued_at` plus the lifetime in amoCRM's answer.
    pub expires_at: DateTime<Utc>,
    /// Generation of the install's token pair it belongs to.
    pub generation: u64,
}

/// Outcome of a renewal.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// The pair already met the requirement.
    NotNeeded(AccessToken),
    /// amoCRM gave a new pair.
    Renewed(AccessToken),
}

impl Renewal {
    /// The token, in both cases.
    pub fn into_access_token(self) -> AccessToken {
        match self {
            Self::NotNeeded(token) | Self::Renewed(token) => token,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RenewalRequest {
    pub(crate) install: InstallId,
    pub(crate) freshness: Freshness,
    /// Time of amoCRM's signed hook that says that the account disabled the integration, if one is being checked.
    pub(crate) disconnected_at: Option<DateTime<Utc>>,
    pub(crate) trace: Trace,
}

/// A renewal that holds the pair's lease.
pub(crate) struct RenewalLease {
    pub(crate) install: Install,
    pub(crate) account: Account,
    pub(crate) credentials: Credentials,
    pub(crate) pair: Pair,
    pub(crate) fence: u64,
    pub(crate) disconnected_at: Option<DateTime<Utc>>,
    pub(crate) trace: Trace,
}

enum RenewalStart {
    NotNeeded(AccessToken),
    Leased(Box<RenewalLease>),
}

impl Vault {
    /// Renews the pair of an install unless it meets `freshness`. One of several callers makes the request; the others
    /// get [`VaultError::Busy`] meanwhile.
    ///
    /// A started renewal continues if the caller is dropped, because a new pair must be stored. After a failure there
    /// is a pause, and the rate limit is not waited for: [`VaultError::NotNow`] has the delay.
    pub async fn renew(
        &self,
        install: InstallId,
        freshness: Freshness,
        trace: &Trace,
    ) -> Result<Renewal, VaultError> {
        let request = RenewalRequest { install, freshness, disconnected_at: None, trace: trace.clone() };
        self.renew_within(&request, Duration::ZERO).await
    }

    /// [`Vault::renew`], waiting at most `max_wait` for the rate limit of token requests.
    pub(crate) async fn renew_within(
        &self,
        request: &RenewalRequest,
        max_wait: Duration,
    ) -> Result<Renewal, VaultError> {
        let (vault, request) = (self.clone(), request.clone());
        let task = async move { vault.run_renewal(&request, max_wait).await }.in_current_span();
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

    async fn run_renewal(&self, request: &RenewalRequest, max_wait: Duration) -> Result<Renewal, VaultError> {
        let lease = match repeat_contended(|| self.start_renewal(request)).await? {
            RenewalStart::NotNeeded(token) => return Ok(Renewal::NotNeeded(token)),
            RenewalStart::Leased(lease) => lease,
        };
        match self.request_tokens(&lease, max_wait).await {
            Ok(pair) => self.store_renewed(&lease, pair).await.map(Renewal::Renewed),
            Err(failure) => self.record_failure(&lease, failure).await.map(Renewal::NotNeeded),
        }
    }

    /// Takes the lease and stores the intent, unless the pair meets `freshness`.
    async fn start_renewal(&self, request: &RenewalRequest) -> Result<RenewalStart, VaultError> {
        let RenewalRequest { install: id, freshness, disconnected_at, ref trace } = *request;
        let mut unit = self.outbox.begin(trace.clone()).await?;
        let install = installs::find(&mut unit, id).await?.ok_or(VaultError::UnknownInstall)?;
        let Some(pair) = tokens::lock(&mut unit, id).await? else {
            return Err(VaultError::NoAccess(install.status));
        };
        let now = self.clock().now();
        if pair.state == PairState::Refused {
            return Err(VaultError::NoAccess(install.status));
        }
        if freshness.is_met(&pair, now) {
            return Ok(RenewalStart::NotNeeded(self.open_access(&pair)?));
        }
        if let Some(until) = pair.lease_until
            && until > now
        {
            return Err(VaultError::Busy { until });
        }
        if let Some(after) =
            pair.retry_at.and_then(|at| (at - now).to_std().ok()).filter(|after| !after.is_zero())
        {
            let reason = "an earlier renewal of the pair has just failed".to_owned();
            return Err(VaultError::NotNow { reason, after: Some(after) });
        }
        let (account, credentials) = match self.prepare(&mut unit, &install, &pair).await {
            Err(error) if error.is_lasting() => {
                // Otherwise the pair would stay the first that is due, and take the turns of others.
                let retry_at = now + TokenFailure::OurConfiguration.pause(None);
                tokens::postpone(&mut unit, id, &error.to_string(), retry_at).await?;
                unit.commit().await?;
                return Err(error);
            }
            prepared => prepared?,
        };
        let owner = format!("{}-{:08x}", std::process::id(), self.clock().random_u128() >> 96);
        let fence =
            tokens::take_lease(&mut unit, &pair, PairState::Refreshing, &owner, now + LEASE_TTL).await?;
        unit.commit().await?;
        if matches!(pair.state, PairState::Refreshing | PairState::InDoubt) {
            tracing::warn!(install.id = %id, "renewing a pair in doubt: an earlier answer was lost");
        }
        let trace = trace.clone();
        let lease = RenewalLease { install, account, credentials, pair, fence, disconnected_at, trace };
        Ok(RenewalStart::Leased(Box::new(lease)))
    }

    /// What a renewal needs beside the pair. The refresh token is decrypted before the lease is taken, so that a missing key leaves
    /// no lease behind.
    async fn prepare(
        &self,
        conn: &mut Conn,
        install: &Install,
        pair: &Pair,
    ) -> Result<(Account, Credentials), VaultError> {
        let missing = |what| VaultError::Store(StoreError::WrongState { what });
        let account = accounts::find(conn, install.crm, install.account_id).await?;
        let account = account.ok_or_else(|| missing("account"))?;
        let widget = widgets::find(conn, install.widget_id).await?.ok_or_else(|| missing("widget"))?;
        let credentials = self.credentials(&widget)?;
        self.open_refresh(pair)?;
        Ok((account, credentials))
    }

    /// Requests a new pair. If the account may have been renamed, looks up its host and tries once more.
    async fn request_tokens(
        &self,
        lease: &RenewalLease,
        max_wait: Duration,
    ) -> Result<TokenPair, RenewalFailure> {
        let host = self.host(lease.install.crm, &lease.account.host).map_err(RenewalFailure::Internal)?;
        let refresh_token = self.open_refresh(&lease.pair).map_err(RenewalFailure::Internal)?;
        let tenant = lease.install.id.to_string();
        self.acquire_token_request(&tenant, max_wait).await.map_err(RenewalFailure::Internal)?;
        let error = match self.amocrm.refresh(&host, &lease.credentials, &refresh_token).await {
            Ok(pair) => return Ok(pair),
            Err(error) => error,
        };
        let TokenFailure::MaybeRenamed { .. } = error.failure() else {
            return Err(RenewalFailure::from(error));
        };
        match self.lookup_host(lease.install.crm, &lease.account, &refresh_token).await {
            HostLookup::Found(renamed) if renamed != host => {
                self.record_rename(lease.install.crm, &lease.account, &renamed)
                    .await
                    .map_err(RenewalFailure::Internal)?;
                self.acquire_token_request(&tenant, SECOND_REQUEST_MAX_WAIT)
                    .await
                    .map_err(RenewalFailure::Internal)?;
                self.amocrm
                    .refresh(&renamed, &lease.credentials, &refresh_token)
                    .await
                    .map_err(|error| RenewalFailure::at_known_host(&error))
            }
            HostLookup::Found(_) | HostLookup::Unknown => Err(RenewalFailure::at_known_host(&error)),
            HostLookup::Unreachable(reason) => {
                Err(RenewalFailure::Amocrm { failure: TokenFailure::BackOff, after: None, reason })
            }
        }
    }

    pub(crate) fn open_access(&self, pair: &Pair) -> Result<AccessToken, VaultError> {
        let aad = aad::access_token(pair.install_id);
        let secret = self.keyring.open(&pair.access_sealed, &aad)?;
        Ok(AccessToken {
            secret,
            issued_at: pair.refreshed_at,
            expires_at: pair.expires_at,
            generation: pair.generation,
        })
    }

    pub(crate) fn open_refresh(&self, pair: &Pair) -> Result<SecretString, VaultError> {
        Ok(self.keyring.open(&pair.refresh_sealed, &aad::refresh_token(pair.install_id))?)
    }
}

/// Reason for a failed renewal.
pub(crate) enum RenewalFailure {
    /// amoCRM's answer, or none.
    Amocrm { failure: TokenFailure, after: Option<Duration>, reason: String },
    /// A failure before the request to amoCRM.
    Internal(VaultError),
}

impl From<TokenError> for RenewalFailure {
    fn from(error: TokenError) -> Self {
        Self::Amocrm { failure: error.failure(), after: error.after(), reason: error.to_string() }
    }
}

impl RenewalFailure {
    /// The failure, if the account was not renamed or was called at its new host.
    fn at_known_host(error: &TokenError) -> Self {
        let failure = error.failure().if_not_renamed();
        Self::Amocrm { failure, after: error.after(), reason: error.to_string() }
    }
}
