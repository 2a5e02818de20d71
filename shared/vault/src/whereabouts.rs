//! Where an account lives: its host changes when its administrator renames it.
//!
//! Source: amoCRM docs, oauth/account-subdomain-info.

use chrono::TimeDelta;
use flysk_clients::amocrm::RejectionKind;
use flysk_domain::id::InstallId;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;
use flysk_store::platform::accounts::{self, Account};
use flysk_store::platform::installs;
use flysk_store::platform::tokens::{self, PairState};
use flysk_store::{StoreError, repeat_contended};
use secrecy::SecretString;

use crate::{Vault, VaultError};

/// Answers that look as if an account had moved have other causes, too: amoCRM is asked once in this time.
const SELDOM: TimeDelta = TimeDelta::minutes(5);

/// What amoCRM says of an account's host.
pub(crate) enum Present {
    /// It lives here.
    At(AccountHost),
    /// amoCRM does not know, or cannot be asked: what was answered first stands.
    Unknown,
    /// Why there was no answer.
    Unreachable(String),
}

impl Vault {
    /// The account's host if it is another than `asked`, which did not answer as an account's host does.
    ///
    /// Somebody may have found out meanwhile; otherwise amoCRM is asked, which spends nothing, but seldom.
    pub async fn moved_from(
        &self,
        install: InstallId,
        asked: &AccountHost,
    ) -> Result<Option<AccountHost>, VaultError> {
        let mut conn = self.outbox.pool().acquire().await?;
        let install = installs::find(&mut conn, install).await?.ok_or(VaultError::UnknownInstall)?;
        let account = accounts::find(&mut conn, install.crm, install.account_id).await?;
        let account = account.ok_or(VaultError::Store(StoreError::Stale { what: "account" }))?;
        let known = self.host(install.crm, &account.host)?;
        if known != *asked {
            return Ok(Some(known));
        }
        let pair = tokens::find(&mut conn, install.id).await?;
        let Some(pair) = pair.filter(|pair| pair.state != PairState::Refused) else { return Ok(None) };
        let now = self.clock().now();
        if !accounts::claim_look_up(&mut conn, install.crm, account.id, now - SELDOM, now).await? {
            return Ok(None);
        }
        drop(conn);
        match self.present_host(install.crm, &account, &self.open_refresh(&pair)?).await {
            Present::At(moved) if moved != known => {
                self.note_moved(install.crm, &account, &moved).await?;
                Ok(Some(moved))
            }
            Present::At(_) | Present::Unknown | Present::Unreachable(_) => Ok(None),
        }
    }

    pub(crate) async fn present_host(
        &self,
        crm: Crm,
        account: &Account,
        refresh_token: &SecretString,
    ) -> Present {
        // Tokens issued before 21 August 2024 do not name the host that could be asked.
        let named = account.api_domain.as_deref();
        let Some(api_domain) = named.and_then(|text| self.host(crm, text).ok()) else {
            return Present::Unknown;
        };
        match self.amocrm.current_subdomain(&api_domain, refresh_token).await {
            Ok(domain) if domain.id == account.id => {
                self.host(crm, &domain.domain).map_or(Present::Unknown, Present::At)
            }
            Ok(_) => Present::Unknown,
            Err(error) if error.needs_fresh_token() || error.kind().is_some_and(is_final) => Present::Unknown,
            Err(error) => Present::Unreachable(error.to_string()),
        }
    }

    pub(crate) async fn note_moved(
        &self,
        crm: Crm,
        account: &Account,
        host: &AccountHost,
    ) -> Result<(), VaultError> {
        tracing::info!(account.id = %account.id, host = %host, "the account was renamed");
        let now = self.clock().now();
        repeat_contended(|| async {
            let mut conn = self.outbox.pool().acquire().await?;
            Ok(accounts::rename(&mut conn, crm, account.id, host.as_str(), now).await?)
        })
        .await
    }
}

/// A "no" about the account rather than about the moment.
fn is_final(kind: RejectionKind) -> bool {
    matches!(kind, RejectionKind::NotFound | RejectionKind::UnknownAccount | RejectionKind::NoRights)
}
