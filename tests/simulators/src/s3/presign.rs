//! Presigned GET requests, implemented independently of the SDK that the product uses, so that the two verify
//! each other (AWS, "Authenticating requests: using query parameters").

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{Key, REGION};

/// A URL that reads `object` (path style, percent-encoded, no query) for `lifetime_s` seconds from `now`.
pub(crate) fn presigned_get(object: &Url, key: &Key, now: DateTime<Utc>, lifetime_s: u32) -> Url {
    let moment = now.format("%Y%m%dT%H%M%SZ").to_string();
    let date = &moment[..8];
    let scope = format!("{date}/{REGION}/s3/aws4_request");
    // Sorted by name, as the canonical request requires.
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={moment}&X-Amz-Expires={lifetime_s}\
         &X-Amz-SignedHeaders=host",
        encoded(&format!("{}/{scope}", key.id)),
    );
    let host = match object.port() {
        Some(port) => format!("{}:{port}", object.host_str().unwrap_or_default()),
        None => object.host_str().unwrap_or_default().to_owned(),
    };
    let canonical = format!("GET\n{}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", object.path());
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let signing_key = [date, REGION, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{}", key.secret).into_bytes(), |secret, part| keyed(&secret, part.as_bytes()));
    let signature = hex::encode(keyed(&signing_key, to_sign.as_bytes()));

    let mut signed = object.clone();
    signed.set_query(Some(&format!("{query}&X-Amz-Signature={signature}")));
    signed
}

fn keyed(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC accepts keys of any length, so there is no error.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// Percent-encodes all but the unreserved characters.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        out
    })
}

fn hex_digit(half: u8) -> char {
    char::from_digit(u32::from(half), 16).unwrap_or_default().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;
    use chrono::TimeZone as _;

    #[test]
    fn the_signature_covers_time_path_and_key() {
        let key = Key { id: "reader".into(), secret: "secret".into(), role: Role::Viewer };
        let object = Url::parse("http://127.0.0.1:9000/calls/a%20b.mp3").unwrap();
        let now = Utc.with_ymd_and_hms(2026, 11, 1, 10, 0, 0).unwrap();
        let signed = presigned_get(&object, &key, now, 60);
        assert_eq!(signed.path(), "/calls/a%20b.mp3");
        let query = signed.query().unwrap();
        assert!(query.contains("X-Amz-Credential=reader%2F20261101%2Fru-central1%2Fs3%2Faws4_request"));
        let other = presigned_get(&object, &key, now + chrono::Duration::seconds(1), 60);
        assert_ne!(signed, other);
    }
}
