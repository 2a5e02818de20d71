//! Signatures of events: they let a vendor's backend verify that an event comes from Flysk.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Prefix of a signing secret in text form.
pub const SECRET_PREFIX: &str = "whsec_";

/// The secret is not `whsec_` followed by base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: expected `whsec_` and base64")]
pub struct InvalidSecret;

/// Computes the value of the `webhook-signature` header of a message.
///
/// Source: Standard Webhooks specification 1.0: HMAC-SHA256 over `<id>.<timestamp>.<body>`, keyed with the bytes
/// encoded after `whsec_`, in base64, prefixed with `v1,`.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> Result<String, InvalidSecret> {
    let key = secret.strip_prefix(SECRET_PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let key = key.filter(|key| !key.is_empty()).ok_or(InvalidSecret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| InvalidSecret)?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// Formats 24 random bytes as a signing secret.
pub fn secret_from(random: [u8; 24]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_verifies() {
        // The example of the reference implementations' README.
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_fresh_secret_signs_and_nonsense_does_not() {
        assert!(sign(&secret_from([7; 24]), "evt_1", 0, "{}").is_ok());
        for secret in ["", "whsec_", "whsec_%%", "c2VjcmV0"] {
            assert_eq!(sign(secret, "evt_1", 0, "{}"), Err(InvalidSecret), "{secret}");
        }
    }
}
