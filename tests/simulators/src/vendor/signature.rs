//! Verifying that an event is Flysk's. Source: Standard Webhooks specification 1.0, "Verifying webhook authenticity".

use chrono::{DateTime, Utc};
use flysk_domain::platform::signature::sign;
use poem::Request;
use subtle::ConstantTimeEq as _;

/// A message older or younger than this may be one that somebody recorded.
const TOLERANCE_S: i64 = 300;

/// Whether the request's headers sign this body under the secret, now.
pub(super) fn is_good(secret: &str, request: &Request, body: &str, now: DateTime<Utc>) -> bool {
    let (Some(id), Some(timestamp), Some(signatures)) = (
        request.header("webhook-id"),
        request.header("webhook-timestamp").and_then(|text| text.parse::<i64>().ok()),
        request.header("webhook-signature"),
    ) else {
        return false;
    };
    if (now.timestamp() - timestamp).abs() > TOLERANCE_S {
        return false;
    }
    let Ok(ours) = sign(secret, id, timestamp, body) else { return false };
    // While a key is replaced there may be several.
    signatures.split(' ').any(|theirs| bool::from(theirs.as_bytes().ct_eq(ours.as_bytes())))
}
