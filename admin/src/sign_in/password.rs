//! Passwords: Argon2id with the crate's recommended parameters (OWASP: 19 MiB, two passes).

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use flysk_domain::{Randomness, random_bytes};
use secrecy::{ExposeSecret as _, SecretString};

/// Minimum length of a chosen password, in characters.
pub(crate) const MIN_PASSWORD_LEN: usize = 12;
/// Maximum length of a password, in bytes.
pub(crate) const MAX_PASSWORD_BYTES: usize = 512;
/// Letters of generated passwords, without those that are easily confused.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";
/// Length of a generated password: 100 bits.
const GENERATED_LEN: usize = 20;

/// Hash of no password, so that an unknown login takes as long as a known one.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Zmx5c2stbm9ib2R5LXNhbHQ$3iUo5Z5wVnRzU4FvGZzM4hKcL5mAPR0xwzGQ1gYzq3o";

/// The password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("cannot hash a password: {0}")]
pub(crate) struct HashError(String);

/// Hashes a password; takes some 30 ms.
///
/// # Errors
///
/// The system has no randomness, or the password is longer than Argon2 takes.
pub(crate) fn hash(password: &SecretString) -> Result<String, HashError> {
    let hashed: Result<PasswordHash, _> =
        Argon2::default().hash_password(password.expose_secret().as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| HashError(error.to_string()))
}

/// Whether the password belongs to the hash; `None` is an unknown login and takes as long. Runs on a thread for blocking work.
pub(crate) async fn verify(hash: Option<String>, password: SecretString) -> bool {
    let is_known = hash.is_some();
    let checked = tokio::task::spawn_blocking(move || {
        let hash = hash.as_deref().unwrap_or(NOBODY);
        let parsed = PasswordHash::new(hash).ok()?;
        Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).ok()
    });
    checked.await.ok().flatten().is_some() && is_known
}

/// A random password.
pub(crate) fn generate(randomness: &(impl Randomness + ?Sized)) -> SecretString {
    let bytes = random_bytes::<GENERATED_LEN>(randomness);
    let letters = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    SecretString::from(letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemRandomness;

    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_operator_is_accepted() {
        let password = generate(&SystemRandomness);
        assert_eq!(password.expose_secret().len(), GENERATED_LEN);
        let hashed = hash(&password).unwrap();
        assert!(verify(Some(hashed.clone()), password.clone()).await);
        assert!(!verify(Some(hashed), "another password".into()).await);
        assert!(!verify(None, password).await);
        assert!(PasswordHash::new(NOBODY).is_ok(), "an unknown login costs as much");
    }
}
