//! The second factor of vendors' users: the same codes as those of operators, sealed and counted for a user.

use flysk_crypto::{Keyring, aad};
use flysk_domain::Clock;
use flysk_domain::id::VendorUserId;
use flysk_store::Conn;
use flysk_store::portal::recovery_codes;
use flysk_store::portal::users::{self, VendorUser};
use secrecy::SecretString;

use crate::http::Fault;
use crate::sign_in::second_factor::{hash_recovery_code, matched_step};

/// Seals a secret for storage.
pub(super) fn seal(keyring: &Keyring, id: VendorUserId, secret: &SecretString) -> Result<String, Fault> {
    keyring.seal(secret, &aad::vendor_user_totp(id)).map_err(Fault::internal)
}

/// The user's secret in base32; `None` if there is none.
pub(super) fn open(keyring: &Keyring, user: &VendorUser) -> Result<Option<SecretString>, Fault> {
    let sealed = user.totp_sealed.as_deref();
    let opened = sealed.map(|sealed| keyring.open(sealed, &aad::vendor_user_totp(user.id)));
    opened.transpose().map_err(Fault::internal)
}

/// Checks a code and uses it up: each step is accepted once, and none before an accepted one.
pub(super) async fn use_code(
    conn: &mut Conn,
    keyring: &Keyring,
    user: &VendorUser,
    code: &str,
    clock: &dyn Clock,
) -> Result<bool, Fault> {
    let Some(secret) = open(keyring, user)? else { return Ok(false) };
    let Some(step) = matched_step(&secret, code, clock)? else { return Ok(false) };
    Ok(users::use_totp_step(conn, user.id, step).await?)
}

/// Uses up a recovery code.
pub(super) async fn use_recovery_code(
    conn: &mut Conn,
    user: VendorUserId,
    code: &str,
    clock: &dyn Clock,
) -> Result<bool, Fault> {
    Ok(recovery_codes::use_once(conn, user, &hash_recovery_code(user, code), clock.now()).await?)
}
