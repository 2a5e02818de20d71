//! Blocks of our IP address by amoCRM for one account.
//!
//! A 403 page may also be the answer to what one widget requests. So the caller that met it pauses, and all callers of the
//! account pause when a second one meets it.

use std::time::Duration;

use flysk_domain::id::{AccountId, InstallId};
use flysk_queue::limits::{RateLimiter, RateLimiterError};

/// Pause of requests to an account whose API has blocked us. Requests would prolong the block, and amoCRM gives no
/// duration. Source: issues 434 and 563 of `amocrm/amocrm-api-php`.
pub const AMOCRM_BLOCK_DURATION: Duration = Duration::from_hours(1);

/// Caller of an account's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmocrmCaller {
    /// A widget, through the gateway, or the renewal of its tokens.
    Install(InstallId),
    /// FlySense, which calls amoCRM itself.
    FlySense,
}

impl AmocrmCaller {
    fn name(self) -> String {
        match self {
            Self::Install(id) => id.to_string(),
            Self::FlySense => "flysense".to_owned(),
        }
    }
}

/// Records a block that `caller` met, for all processes and for `duration`.
pub async fn block_account(
    limits: &RateLimiter,
    account: AccountId,
    caller: AmocrmCaller,
    duration: Duration,
) {
    limits.block_for_witness(&name(account), &caller.name(), duration).await;
}

/// Remaining time of the block for `caller`; `None` if it may call the account.
///
/// # Errors
///
/// Redis is unavailable.
pub async fn blocked_for(
    limits: &RateLimiter,
    account: AccountId,
    caller: AmocrmCaller,
) -> Result<Option<Duration>, RateLimiterError> {
    limits.blocked_for_witness(&name(account), &caller.name()).await
}

fn name(account: AccountId) -> String {
    format!("amocrm:{account}")
}
