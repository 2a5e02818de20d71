//! Signed addresses of recordings.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::Keyring;
use flysk_domain::id::{AccountId, TranscriptionId, UserId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

/// Lifetime of an address: longer than the longest recording.
pub(super) const TICKET_TTL: TimeDelta = TimeDelta::hours(6);
const AAD: &str = "audio_ticket";

/// Permission that an address carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ticket {
    /// The transcription whose recording may be heard.
    pub(super) transcription: TranscriptionId,
    /// Account of the call.
    pub(super) account: AccountId,
    /// The listener.
    pub(super) user: UserId,
    /// End, in Unix seconds.
    pub(super) until: i64,
}

impl Ticket {
    /// The address; `None` if the ticket cannot be encrypted.
    pub(super) fn url(&self, public_url: &Url, keyring: &Keyring) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        let sealed = keyring.seal_token(&SecretString::from(text), AAD).ok()?;
        let mut url = public_url.join("v1/flysense/audio").ok()?;
        url.query_pairs_mut().append_pair("ticket", &sealed);
        Some(url.into())
    }

    /// Decrypts the ticket of an address; `None` if it is invalid or expired.
    pub(super) fn open(sealed: &str, keyring: &Keyring, now: DateTime<Utc>) -> Option<Self> {
        let text = keyring.open_token(sealed, AAD).ok()?;
        let ticket: Self = serde_json::from_str(text.expose_secret()).ok()?;
        (ticket.until > now.timestamp()).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use flysk_domain::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn an_address_is_good_for_some_hours_and_cannot_be_made_up() {
        let keyring = Keyring::parse("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let now = SystemClock.now();
        let ticket = Ticket {
            transcription: TranscriptionId::generate(&SystemClock),
            account: AccountId(7),
            user: UserId(501),
            until: (now + TICKET_TTL).timestamp(),
        };
        let url: Url =
            ticket.url(&"https://api.example.com/".parse().unwrap(), &keyring).unwrap().parse().unwrap();
        let sealed = url.query_pairs().next().unwrap().1.into_owned();
        assert_eq!(Ticket::open(&sealed, &keyring, now), Some(ticket));
        assert_eq!(Ticket::open(&sealed, &keyring, now + TICKET_TTL), None);
        assert_eq!(Ticket::open(&sealed[1..], &keyring, now), None);
    }
}
