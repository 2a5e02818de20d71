//! New links.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use flysk_crypto::Keyring;
use flysk_domain::flysense::activation::code::ShortCode;
use flysk_domain::flysense::activation::link::{CODE_TTL, LINK_TTL};
use flysk_domain::id::{AccountId, InstallId, LinkId, UserId};
use flysk_domain::{Clock, random_bytes};
use flysk_jobs::flysense::activation::ReadUser;
use flysk_queue::UnitOfWork;
use flysk_store::flysense::activation::links::{self, NewLink};
use flysk_store::{StoreError, StoreResult};
use secrecy::SecretString;

/// Number of codes to try. A code of 40 bits is hardly ever taken.
const MAX_CODE_DRAWS: u32 = 5;

/// A link with its secrets, which are shown once and stored as keyed hashes only.
#[derive(Debug)]
pub struct CreatedLink {
    /// Names the link in the API; no secret.
    pub id: LinkId,
    /// Payload of the deep links: 32 random bytes, base64url.
    pub token: SecretString,
    /// Replaces the payload where the messenger has lost it.
    pub code: ShortCode,
    /// Expiry of the link.
    pub expires_at: DateTime<Utc>,
    /// Expiry of the short code.
    pub code_expires_at: DateTime<Utc>,
}

/// Creates a link for a user of an account, and ends the user's former one.
pub async fn create_link(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    keyring: &Keyring,
    account_id: AccountId,
    install_id: InstallId,
    user_id: UserId,
) -> StoreResult<CreatedLink> {
    let now = clock.now();
    links::replace_of_user(unit, account_id, user_id, now).await?;
    let token = URL_SAFE_NO_PAD.encode(random_bytes::<32>(clock));
    let token_hash = keyring.blind_index(&token).to_string();
    for _ in 0..MAX_CODE_DRAWS {
        let (id, code) = (LinkId::generate(clock), ShortCode::generate(clock));
        let new = NewLink {
            id,
            account_id,
            install_id,
            user_id,
            token_hash: &token_hash,
            code_hash: &keyring.blind_index(code.as_str()).to_string(),
            expires_at: now + LINK_TTL,
            code_expires_at: now + CODE_TTL,
            created_at: now,
        };
        if links::insert(unit, &new).await? {
            unit.enqueue(&ReadUser { link_id: id, account_id }).await?;
            let (expires_at, code_expires_at) = (new.expires_at, new.code_expires_at);
            return Ok(CreatedLink { id, token: token.into(), code, expires_at, code_expires_at });
        }
    }
    Err(StoreError::Duplicate { key: "activation_links_code".to_owned() })
}
