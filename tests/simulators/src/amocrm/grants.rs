//! Authorization codes and token pairs.

use chrono::{DateTime, Utc};

/// Access that an authorization code or token pair grants.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) account_id: u64,
    pub(crate) user_id: u64,
    /// Whether an administrator granted it; such a grant outlives the administrator.
    pub(crate) by_admin: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) used: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct AccessToken {
    pub(crate) grant: Grant,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) revoked: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct RefreshToken {
    pub(crate) grant: Grant,
    pub(crate) access: String,
    pub(crate) issued_at: DateTime<Utc>,
    /// Time of its use.
    pub(crate) spent_at: Option<DateTime<Utc>>,
    pub(crate) revoked: bool,
}
