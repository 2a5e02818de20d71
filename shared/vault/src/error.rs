//! Why there is no token.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::platform::host::InvalidHost;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::token::Refusal;
use flysk_runtime::KeyringError;
use flysk_store::{Contention, StoreError};

/// Why there is no token. Says nothing secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no such install.
    #[error("there is no such install")]
    UnknownInstall,
    /// The install has no access at present: only the account's administrator can help.
    #[error("the install is `{0}`")]
    NoAccess(InstallStatus),
    /// amoCRM refused the grant for good just now.
    #[error("amoCRM refused the grant: {0}")]
    Refused(Refusal),
    /// Somebody else renews the pair.
    #[error("the pair is being renewed")]
    Busy {
        /// Until when nobody else may.
        until: DateTime<Utc>,
    },
    /// The renewal was sent and its answer lost: the pair may be spent.
    #[error("the outcome of the renewal is unknown: {0}")]
    InDoubt(String),
    /// A block, a limit, no connection, an unpaid account: the pair is untouched.
    #[error("not now: {reason}")]
    NotNow {
        /// What amoCRM said.
        reason: String,
        /// When it may be worth another try.
        after: Option<Duration>,
    },
    /// amoCRM knows no account at the host a code came from.
    #[error("there is no account at this host: {0}")]
    UnknownHost(String),
    /// What answers at the host a code came from does not answer as amoCRM's token endpoint does.
    #[error("this host does not answer as amoCRM does: {0}")]
    NotAmocrm(String),
    /// Nobody can be reached at the host a code came from: there is none, or it is away. The code is untouched.
    #[error("nobody can be reached at this host: {0}")]
    Unreachable(String),
    /// Our client id, secret or redirect URI is not accepted.
    #[error("our own configuration is not accepted: {0}")]
    OurConfiguration(String),
    /// The account's host is not one we send secrets to.
    #[error("the account's host is not trusted: {0}")]
    Host(#[source] InvalidHost),
    /// A sealed text cannot be opened.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task that renewed the pair ended without a word.
    #[error("the renewal was cut off")]
    CutOff,
}

impl VaultError {
    /// What the caller may do.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::UnknownInstall | Self::NoAccess(_) | Self::Refused(_) | Self::Host(_) => Outcome::GiveUp,
            // Another release, another key ring, or a repaired configuration may help; a customer cannot.
            Self::OurConfiguration(_) | Self::Keyring(_) => {
                Outcome::Wait { after: Some(Duration::from_mins(5)) }
            }
            Self::Busy { .. } => Outcome::Wait { after: Some(Duration::from_secs(2)) },
            Self::NotNow { after, .. } => Outcome::Wait { after: *after },
            Self::Unreachable(_) => Outcome::WAIT,
            Self::InDoubt(_) | Self::UnknownHost(_) | Self::NotAmocrm(_) | Self::Store(_) | Self::CutOff => {
                Outcome::RETRY
            }
        }
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
