//! Reasons for a missing token.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_crypto::KeyringError;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::host::InvalidHost;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::token::GrantRefusal;
use flysk_store::{Contention, StoreError};

/// Reason for a missing token. Contains no secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The install does not exist.
    #[error("install not found")]
    UnknownInstall,
    /// The install has no access now; only the account's administrator can restore it.
    #[error("the install is `{0}`")]
    NoAccess(InstallStatus),
    /// amoCRM has just refused the grant finally.
    #[error("amoCRM refused the grant: {0}")]
    Refused(GrantRefusal),
    /// Another caller is renewing the pair.
    #[error("the pair is being renewed")]
    Busy {
        /// End of its lease.
        until: DateTime<Utc>,
    },
    /// The answer to the renewal was lost, so the refresh token may be used up.
    #[error("the outcome of the renewal is unknown: {0}")]
    InDoubt(String),
    /// A block, a rate limit, no connection or an unpaid account. The pair is unchanged.
    #[error("not now: {reason}")]
    NotNow {
        /// amoCRM's error.
        reason: String,
        /// Delay before another try, if known.
        after: Option<Duration>,
    },
    /// amoCRM has no account at the host of a code.
    #[error("there is no account at this host: {0}")]
    UnknownHost(String),
    /// The host of a code does not answer like amoCRM's token endpoint.
    #[error("this host does not answer like amoCRM: {0}")]
    NotAmocrm(String),
    /// The host of a code does not exist or is unavailable. The code is unchanged.
    #[error("this host is unreachable: {0}")]
    Unreachable(String),
    /// amoCRM rejects the client id, secret or redirect URI of the integration.
    #[error("amoCRM rejects the integration's configuration: {0}")]
    OurConfiguration(String),
    /// The account's host is not allowed, so no secret is sent to it.
    #[error("the account's host is not trusted: {0}")]
    Host(#[source] InvalidHost),
    /// A secret cannot be decrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// Database error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task that renewed the pair was dropped or panicked.
    #[error("the renewal was interrupted")]
    CutOff,
}

impl VaultError {
    /// Action that the caller may take.
    pub fn outcome(&self) -> FailureAction {
        match self {
            Self::UnknownInstall | Self::NoAccess(_) | Self::Refused(_) | Self::Host(_) => {
                FailureAction::GiveUp
            }
            // Another release, key ring or configuration may help; the customer cannot.
            Self::OurConfiguration(_) | Self::Keyring(_) => {
                FailureAction::Wait { after: Some(Duration::from_mins(5)) }
            }
            Self::Busy { .. } => FailureAction::Wait { after: Some(Duration::from_secs(2)) },
            Self::NotNow { after, .. } => FailureAction::Wait { after: *after },
            Self::Unreachable(_) => FailureAction::WAIT,
            Self::InDoubt(_) | Self::UnknownHost(_) | Self::NotAmocrm(_) | Self::Store(_) | Self::CutOff => {
                FailureAction::RETRY
            }
        }
    }

    /// Whether a renewal of the same pair fails again until an operator changes configuration or key ring.
    pub(crate) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Keyring(_) | Self::Host(_))
    }
}

impl Contention for VaultError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(StoreError::from(error))
    }
}
