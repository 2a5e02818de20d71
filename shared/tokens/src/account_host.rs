//! Looks up an account's current host, which changes when an administrator renames the account.
//!
//! Source: amoCRM docs, oauth/account-subdomain-info.

use chrono::TimeDelta;
use flysk_clients::amocrm::{RejectionKind, TokenPair};
use flysk_domain::id::InstallId;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use flysk_store::platform::accounts::{self, Account};
use flysk_store::platform::installs;
use flysk_store::platform::tokens::{self, PairState};
use flysk_store::{StoreError, repeat_contended};
use secrecy::SecretString;

use crate::{Vault, VaultError};

/// Minimum interval between look-ups of an account: answers that suggest a rename have other causes too.
const LOOKUP_INTERVAL: TimeDelta = TimeDelta::minutes(5);

/// Result of looking up an account's host.
pub(crate) enum HostLookup {
    /// The account's current host.
    Found(AccountHost),
    /// amoCRM has no answer, or cannot be called: the stored host stays.
    Unknown,
    /// The look-up failed, for this reason.
    Unreachable(String),
}

impl Vault {
    /// The host for look-ups that a new pair names. A claim that is no host of the CRM is ignored: it could not be called, and must
    /// not keep the pair, which exists nowhere else, from being stored.
    pub(crate) fn named_api_host(&self, crm: Crm, pair: &TokenPair) -> Option<AccountHost> {
        let named = pair.claims.api_domain.as_deref()?;
        let host = self.host(crm, named).ok();
        if host.is_none() {
            tracing::warn!(%crm, "the api_domain claim of a token is no host of the CRM: ignored");
        }
        host
    }

    /// The account's current host if it differs from `asked`, which did not answer like an account's host.
    ///
    /// Another process may already have stored the new host. Otherwise amoCRM is called, at most once in
    /// 5 min; the call does not use up the refresh token.
    pub async fn renamed_from(
        &self,
        install: InstallId,
        asked: &AccountHost,
    ) -> Result<Option<AccountHost>, VaultError> {
        let mut conn = self.outbox.pool().acquire().await?;
        let install = installs::find(&mut conn, install).await?.ok_or(VaultError::UnknownInstall)?;
        let account = accounts::find(&mut conn, install.crm, install.account_id).await?;
        let account = account.ok_or(VaultError::Store(StoreError::WrongState { what: "account" }))?;
        let known = self.host(install.crm, &account.host)?;
        if known != *asked {
            return Ok(Some(known));
        }
        let pair = tokens::find(&mut conn, install.id).await?;
        let Some(pair) = pair.filter(|pair| pair.state != PairState::Refused) else { return Ok(None) };
        drop(conn);
        let now = self.clock().now();
        let claim = || async {
            let mut conn = self.outbox.pool().acquire().await?;
            let since = now - LOOKUP_INTERVAL;
            Ok::<_, VaultError>(
                accounts::claim_look_up(&mut conn, install.crm, account.id, since, now).await?,
            )
        };
        if !repeat_contended(claim).await? {
            return Ok(None);
        }
        match self.lookup_host(install.crm, &account, &self.open_refresh(&pair)?).await {
            HostLookup::Found(renamed) if renamed != known => {
                self.record_rename(install.crm, &account, &renamed).await?;
                Ok(Some(renamed))
            }
            HostLookup::Found(_) | HostLookup::Unknown | HostLookup::Unreachable(_) => Ok(None),
        }
    }

    pub(crate) async fn lookup_host(
        &self,
        crm: Crm,
        account: &Account,
        refresh_token: &SecretString,
    ) -> HostLookup {
        // Tokens issued before 21 August 2024 do not contain the host for look-ups.
        let named = account.api_domain.as_deref();
        let Some(api_domain) = named.and_then(|text| self.host(crm, text).ok()) else {
            return HostLookup::Unknown;
        };
        match self.amocrm.current_subdomain(&api_domain, refresh_token).await {
            Ok(domain) if domain.id == account.id => {
                self.host(crm, &domain.domain).map_or(HostLookup::Unknown, HostLookup::Found)
            }
            Ok(_) => HostLookup::Unknown,
            Err(error) if error.needs_fresh_token() || error.kind().is_some_and(is_final) => {
                HostLookup::Unknown
            }
            Err(error) => HostLookup::Unreachable(error.to_string()),
        }
    }

    pub(crate) async fn record_rename(
        &self,
        crm: Crm,
        account: &Account,
        host: &AccountHost,
    ) -> Result<(), VaultError> {
        tracing::info!(account.id = %account.id, host = %host, "account renamed");
        let now = self.clock().now();
        repeat_contended(|| async {
            let mut conn = self.outbox.pool().acquire().await?;
            Ok(accounts::rename(&mut conn, crm, account.id, host.as_str(), now).await?)
        })
        .await
    }
}

/// A refusal that concerns the account, not a temporary condition.
fn is_final(kind: RejectionKind) -> bool {
    matches!(kind, RejectionKind::NotFound | RejectionKind::UnknownAccount | RejectionKind::NoRights)
}
