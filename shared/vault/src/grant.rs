//! A new grant: account, install, wallet and pair in one transaction.

use chrono::{DateTime, Utc};
use flysk_clients::amocrm::{Account, TokenPair};
use flysk_domain::id::InstallId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::platform::lifecycle::Fact;
use flysk_jobs::Unit;
use flysk_store::platform::tokens::{self, NewPair};
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{accounts, installs, token_reads};
use secrecy::SecretString;

use crate::{Reader, Vault, VaultError, flycoins, lifecycle, places};

/// What amoCRM gave for a code, and whose it is.
#[derive(Debug)]
pub struct Granted<'a> {
    /// Which widget.
    pub widget: &'a Widget,
    /// The account, as the API described it to the very pair.
    pub account: &'a Account,
    /// Where the account lives.
    pub host: &'a AccountHost,
    /// The pair.
    pub pair: &'a TokenPair,
    /// Whether it has an administrator's rights, if that could be found out.
    pub by_admin: Option<bool>,
    /// When it came.
    pub at: DateTime<Utc>,
    /// Who read the account with its access token.
    pub reader: &'a Reader,
}

impl Vault {
    /// Writes a grant. The newest grant of an install wins: several administrators may grant one after
    /// the other, and each brings a pair of its own.
    pub async fn store_grant(&self, unit: &mut Unit, granted: &Granted<'_>) -> Result<InstallId, VaultError> {
        let Granted { widget, account, host, pair, by_admin, at, reader } = granted;
        let learnt = accounts::Learnt {
            crm: widget.crm,
            id: account.id,
            host: host.as_str(),
            api_domain: pair.claims.api_domain.as_deref(),
            name: &account.name,
            at: *at,
        };
        accounts::upsert(unit, &learnt).await?;
        let fresh = InstallId::generate(self.clock());
        let install = installs::lock_or_insert(unit, fresh, widget.id, widget.crm, account.id, *at).await?;
        flycoins::open_wallet(unit, self.clock(), widget, &install).await?;
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
        let read = self.read_by(install.id, reader, unit.trace());
        token_reads::insert(unit, &[read]).await?;
        // Taken under the lock, as a loss is: a refusal that was written while this grant waited is the older fact.
        let now = self.clock().now();
        lifecycle::learn_locked(unit, self.clock(), &install, Fact::Granted, now).await?;
        Ok(install.id)
    }

    pub(crate) fn seal_pair(
        &self,
        install: InstallId,
        access: &SecretString,
        refresh: &SecretString,
    ) -> Result<SealedPair, VaultError> {
        Ok(SealedPair {
            access: self.keyring.seal(access, &places::access_token(install))?,
            refresh: self.keyring.seal(refresh, &places::refresh_token(install))?,
        })
    }
}

/// A pair as rows keep it.
pub(crate) struct SealedPair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}
