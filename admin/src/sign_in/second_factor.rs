//! The second factor: time-based codes (RFC 6238) and recovery codes.

use chrono::{DateTime, Utc};
use flysk_crypto::Keyring;
use flysk_domain::{Clock, Randomness, random_bytes};
use flysk_store::Conn;
use flysk_store::sign_in::{credentials, recovery_codes};
use qrcode::{Color, QrCode};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use totp_rs::{Builder, Secret, Totp};

use super::person::{Person, SignsIn};
use crate::fault::Fault;

/// Length of a secret, in bytes (RFC 4226: 160 bits are recommended).
const SECRET_BYTES: usize = 20;
/// Number of recovery codes.
const RECOVERY_CODES: usize = 10;
/// Random bytes of a recovery code; 80 bits cannot be guessed.
const RECOVERY_BYTES: usize = 10;
/// Name of the panel in the authenticator.
const ISSUER: &str = "Flysk";

/// A fresh secret in base32, as authenticators take it.
pub(crate) fn fresh_secret(randomness: &(impl Randomness + ?Sized)) -> SecretString {
    let secret = Secret::from(random_bytes::<SECRET_BYTES>(randomness));
    SecretString::from(secret.to_base32())
}

/// Seals a secret for storage.
pub(crate) fn seal(keyring: &Keyring, id: impl SignsIn, secret: &SecretString) -> Result<String, Fault> {
    keyring.seal(secret, &id.totp_aad()).map_err(Fault::internal)
}

/// The person's secret in base32; `None` if there is none.
pub(crate) fn open(keyring: &Keyring, person: &impl Person) -> Result<Option<SecretString>, Fault> {
    let opened = person.totp_sealed().map(|sealed| keyring.open(sealed, &person.id().totp_aad()));
    opened.transpose().map_err(Fault::internal)
}

/// The step of a code, if it is valid now, one step before or one after.
fn matched_step(secret: &SecretString, code: &str, clock: &dyn Clock) -> Result<Option<u64>, Fault> {
    let time = u64::try_from(clock.now().timestamp()).unwrap_or_default();
    Ok(totp(secret)?.check(code, time))
}

fn totp(secret: &SecretString) -> Result<Totp, Fault> {
    let secret = Secret::try_from_base32(secret.expose_secret()).map_err(Fault::internal)?;
    Builder::new().with_secret(secret).build().map_err(Fault::internal)
}

/// Checks a code and uses it up: each step is accepted once, and none before an accepted one.
pub(crate) async fn use_code(
    conn: &mut Conn,
    keyring: &Keyring,
    person: &impl Person,
    code: &str,
    clock: &dyn Clock,
) -> Result<bool, Fault> {
    let Some(secret) = open(keyring, person)? else { return Ok(false) };
    let Some(step) = matched_step(&secret, code, clock)? else { return Ok(false) };
    Ok(credentials::use_totp_step(conn, person.id(), step).await?)
}

/// Fresh recovery codes in groups of four letters.
pub(crate) fn fresh_recovery_codes(randomness: &(impl Randomness + ?Sized)) -> Vec<String> {
    let code = || {
        let bytes = random_bytes::<RECOVERY_BYTES>(randomness);
        let letters = Secret::from(bytes.to_vec()).to_base32().to_ascii_lowercase();
        let groups: Vec<&str> =
            [0..4, 4..8, 8..12, 12..16].into_iter().filter_map(|range| letters.get(range)).collect();
        groups.join("-")
    };
    std::iter::repeat_with(code).take(RECOVERY_CODES).collect()
}

/// Hash of a recovery code of an operator or a vendor's user, however it is grouped and capitalised.
pub(crate) fn hash_recovery_code(owner: impl std::fmt::Display + Copy, code: &str) -> String {
    let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hex::encode(Sha256::digest(format!("{owner}\n{}", letters.to_ascii_lowercase())))
}

/// Uses up a code of the authenticator, or a recovery code once the second factor is set up.
pub(crate) async fn use_any_code(
    conn: &mut Conn,
    keyring: &Keyring,
    person: &impl Person,
    code: &str,
    clock: &dyn Clock,
) -> Result<bool, Fault> {
    if use_code(conn, keyring, person, code, clock).await? {
        return Ok(true);
    }
    if !person.has_second_factor() {
        return Ok(false);
    }
    let hash = hash_recovery_code(person.id(), code);
    Ok(recovery_codes::use_once(conn, person.id(), &hash, clock.now()).await?)
}

/// Confirms a second factor that was just proved for the first time, with its recovery codes; it takes the place of all others.
pub(crate) async fn confirm<I: SignsIn>(
    conn: &mut Conn,
    id: I,
    codes: &[String],
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    credentials::confirm_totp(conn, id, now).await?;
    let hashes: Vec<String> = codes.iter().map(|code| hash_recovery_code(id, code)).collect();
    recovery_codes::replace_all(conn, id, &hashes).await?;
    Ok(id.remove_other_factors(conn).await?)
}

/// Address that authenticators read from the QR code (Google Authenticator's key URI format).
pub(crate) fn key_uri(login: &str, secret: &SecretString) -> String {
    let label: String = url::form_urlencoded::byte_serialize(login.as_bytes()).collect();
    format!("otpauth://totp/{ISSUER}:{label}?secret={}&issuer={ISSUER}", secret.expose_secret())
}

/// The dark modules of a QR code as the path of an SVG image, and the image's size in modules.
pub(crate) fn qr_path(text: &str) -> Result<(String, usize), Fault> {
    let code = QrCode::new(text).map_err(Fault::internal)?;
    let size = code.width();
    let modules = code.to_colors();
    let dark = modules.iter().enumerate().filter(|(_, module)| **module == Color::Dark);
    let squares: Vec<String> = dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % size, at / size)).collect();
    Ok((squares.concat(), size))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use flysk_domain::id::OperatorId;
    use flysk_domain::{ManualClock, SystemRandomness};

    use super::*;

    /// The secret of RFC 6238's test vectors, in base32.
    const RFC_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: at 59 s the code is 94287082, of which authenticators show six digits.
        let clock = ManualClock::at(DateTime::from_timestamp(59, 0).unwrap());
        let step = |code| matched_step(&RFC_SECRET.into(), code, &clock).unwrap();
        assert_eq!(step("287082"), Some(1));
        assert_eq!(step("287083"), None);
        clock.advance(TimeDelta::seconds(30));
        assert_eq!(step("287082"), Some(1), "one step late");
        clock.advance(TimeDelta::seconds(31));
        assert_eq!(step("287082"), None);
    }

    #[test]
    fn nonsense_is_no_code() {
        let clock = ManualClock::at(DateTime::from_timestamp(59, 0).unwrap());
        for code in ["", "28708", "2870822", "abcdef", "２８７０８２", " 287082"] {
            assert_eq!(matched_step(&RFC_SECRET.into(), code, &clock).unwrap(), None, "{code}");
        }
    }

    #[test]
    fn recovery_codes_differ_and_their_grouping_does_not_matter() {
        let codes = fresh_recovery_codes(&SystemRandomness);
        let distinct: std::collections::BTreeSet<&String> = codes.iter().collect();
        assert_eq!((distinct.len(), codes[0].len()), (RECOVERY_CODES, 19));
        let operator = OperatorId::generate(&flysk_domain::SystemClock);
        let plain = codes[0].replace('-', "").to_uppercase();
        assert_eq!(hash_recovery_code(operator, &codes[0]), hash_recovery_code(operator, &plain));
    }

    #[test]
    fn the_qr_code_holds_the_secret() {
        let (path, size) = qr_path(&key_uri("anna", &RFC_SECRET.into())).unwrap();
        assert!(path.starts_with("M0 0h1v1h-1z") && size > 20);
    }
}
