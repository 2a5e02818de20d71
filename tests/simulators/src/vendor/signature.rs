//! Signature verification of events. Source: Standard Webhooks specification 1.0, "Verifying webhook
//! authenticity".

use chrono::{DateTime, Utc};
use flysk_domain::platform::signature::sign;
use poem::Request;
use subtle::ConstantTimeEq as _;

/// Maximum clock difference in seconds; outside of it, a message may be a replay.
const TOLERANCE_S: i64 = 300;

/// Whether the headers contain a valid signature of this body at time `now`.
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
    // During a key rotation there may be several signatures.
    signatures.split(' ').any(|theirs| bool::from(theirs.as_bytes().ct_eq(ours.as_bytes())))
}
