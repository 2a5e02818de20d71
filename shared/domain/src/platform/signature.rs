//! Signatures of events, by which a vendor's backend knows that they are ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What a signing secret begins with when people handle it.
pub const SECRET_PREFIX: &str = "whsec_";

/// The secret is not `whsec_` and base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signing secret: want `whsec_` and base64")]
pub struct InvalidSecret;

/// The value of `webhook-signature` for a message.
///
/// Source: Standard Webhooks specification 1.0: HMAC-SHA256 over `<id>.<timestamp>.<body>` under the bytes
/// behind `whsec_`, in base64, marked `v1`.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> Result<String, InvalidSecret> {
    let key = secret.strip_prefix(SECRET_PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let key = key.filter(|key| !key.is_empty()).ok_or(InvalidSecret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| InvalidSecret)?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

/// A signing secret from 24 random bytes.
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
