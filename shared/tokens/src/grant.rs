//! Storing a new grant: account, install, wallet and pair in one transaction.

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::{Account, TokenPair};
use flysk_domain::id::InstallId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::platform::lifecycle::{Fact, InstallFacts};
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::installs::Install;
use flysk_store::platform::tokens::{self, NewPair};
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{accounts, initial_switch, installs, token_audit};
use secrecy::SecretString;

use flysk_crypto::aad;
use flysk_services::installs::record_fact_locked;
use flysk_services::subscriptions::start_trial;
use flysk_services::wallets::open_wallet;

use crate::{TokenRequester, Vault, VaultError};

/// A pair from amoCRM with its account.
#[derive(Debug)]
pub struct Granted<'a> {
    /// Widget whose integration got the pair.
    pub widget: &'a Widget,
    /// The account, read from the API with this pair.
    pub account: &'a Account,
    /// Validated host of `account`.
    pub host: &'a AccountHost,
    /// Access token and refresh token, unencrypted.
    pub pair: &'a TokenPair,
    /// Whether the granting user is an administrator, if known.
    pub by_admin: Option<bool>,
    /// When the pair was received.
    pub at: DateTime<Utc>,
    /// Requester of the account's data, for the audit log.
    pub requester: &'a TokenRequester,
}

impl Vault {
    /// Stores a grant. The newest grant of an install replaces earlier ones: several administrators may grant access,
    /// each with a pair of its own.
    pub async fn store_grant(
        &self,
        unit: &mut UnitOfWork,
        granted: &Granted<'_>,
    ) -> Result<InstallId, VaultError> {
        let Granted { widget, account, host, pair, by_admin, at, requester } = granted;
        let api_host = self.named_api_host(widget.crm, pair);
        let learnt = accounts::AccountUpdate {
            crm: widget.crm,
            id: account.id,
            host: host.as_str(),
            api_domain: api_host.as_ref().map(AccountHost::as_str),
            name: &account.name,
            utc_offset_minutes: account.utc_offset_minutes,
            at: *at,
        };
        accounts::upsert(unit, &learnt).await?;
        let fresh = InstallId::generate(self.clock());
        let install = installs::lock_or_insert(unit, fresh, widget.id, widget.crm, account.id, *at).await?;
        start_trial(unit, self.clock(), widget, &install).await?;
        let install = self.switch_off_at_start(unit, widget, install).await?;
        open_wallet(unit, self.clock(), widget, &install).await?;
        let sealed = self.seal_pair(install.id, &pair.access_token, &pair.refresh_token)?;
        let row = NewPair {
            access_sealed: &sealed.access,
            refresh_sealed: &sealed.refresh,
            expires_at: *at + pair.expires_in,
            refreshed_at: *at,
            granted_by: account.current_user_id.or(pair.claims.user_id),
        };
        tokens::put_granted(unit, install.id, &row).await?;
        installs::write_granted_by_admin(unit, install.id, *by_admin).await?;
        let entry = self.audit_entry(install.id, requester, unit.trace());
        token_audit::insert(unit, &[entry]).await?;
        // The time is taken under the lock, as for lost access: a refusal stored while this grant waited is the older fact.
        let now = self.clock().now();
        record_fact_locked(unit, self.clock(), &install, Fact::Granted, now).await?;
        Ok(install.id)
    }

    /// A new install of a widget whose backend decides when it begins to work is switched off before its first grant. The
    /// caller holds the row's lock.
    async fn switch_off_at_start(
        &self,
        unit: &mut UnitOfWork,
        widget: &Widget,
        install: Install,
    ) -> Result<Install, VaultError> {
        if install.facts() != InstallFacts::default()
            || !initial_switch::starts_switched_off(unit, widget.id).await?
        {
            return Ok(install);
        }
        record_fact_locked(unit, self.clock(), &install, Fact::SwitchedOff, self.clock().now()).await?;
        let switched = installs::lock(unit, install.id).await?;
        Ok(switched.ok_or(StoreError::WrongState { what: "install" })?)
    }

    pub(crate) fn seal_pair(
        &self,
        install: InstallId,
        access: &SecretString,
        refresh: &SecretString,
    ) -> Result<SealedPair, VaultError> {
        Ok(SealedPair {
            access: self.keyring.seal(access, &aad::access_token(install))?,
            refresh: self.keyring.seal(refresh, &aad::refresh_token(install))?,
        })
    }
}

/// An encrypted pair.
pub(crate) struct SealedPair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}
