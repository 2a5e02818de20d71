//! Signed links to connect a widget again. The handshake issues them to administrators, and operators send them to customers.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::Keyring;
use flysk_domain::id::{AccountId, UserId, WidgetId};
use flysk_store::platform::connect_states::ConnectState;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

/// Lifetime of a link. Each handshake issues a new one.
pub const CONNECT_LINK_TTL: TimeDelta = TimeDelta::hours(12);
const AAD: &str = "connect_ticket";

#[derive(Serialize, Deserialize)]
struct ConnectLink {
    widget: WidgetId,
    account: AccountId,
    /// The user that the link was issued to; absent for a link from an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    until: i64,
}

/// The signed URL where a user of an account connects a widget. `None` if the ticket cannot be encrypted.
pub fn connect_link(
    public_url: &Url,
    keyring: &Keyring,
    widget: WidgetId,
    account: AccountId,
    user: Option<UserId>,
    now: DateTime<Utc>,
) -> Option<String> {
    let ticket = ConnectLink { widget, account, user, until: (now + CONNECT_LINK_TTL).timestamp() };
    let text = serde_json::to_string(&ticket).ok()?;
    let sealed = keyring.seal_token(&SecretString::from(text), AAD).ok()?;
    let mut url = public_url.join("oauth/amocrm/connect").ok()?;
    url.query_pairs_mut().append_pair("ticket", &sealed);
    Some(url.into())
}

/// Decrypts a ticket; `None` if it is invalid or expired.
pub fn open_connect_link(keyring: &Keyring, sealed: &str, now: DateTime<Utc>) -> Option<ConnectState> {
    let text = keyring.open_token(sealed, AAD).ok()?;
    let ticket: ConnectLink = serde_json::from_str(text.expose_secret()).ok()?;
    (ticket.until > now.timestamp()).then_some(ConnectState {
        widget_id: ticket.widget,
        account_id: Some(ticket.account),
        user_id: ticket.user,
    })
}

#[cfg(test)]
mod tests {
    use flysk_domain::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn a_ticket_is_good_for_half_a_day_and_cannot_be_made_up() {
        let keyring = Keyring::parse("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let (now, widget) = (SystemClock.now(), WidgetId::generate(&SystemClock));
        let base = "https://api.example.com/".parse().unwrap();
        for user in [Some(UserId(501)), None] {
            let url = connect_link(&base, &keyring, widget, AccountId(7), user, now).unwrap();
            let url: Url = url.parse().unwrap();
            let ticket = url.query_pairs().next().unwrap().1.into_owned();
            let begun = open_connect_link(&keyring, &ticket, now).unwrap();
            assert_eq!(
                (begun.widget_id, begun.account_id, begun.user_id),
                (widget, Some(AccountId(7)), user)
            );
            assert_eq!(open_connect_link(&keyring, &ticket, now + CONNECT_LINK_TTL), None);
            assert_eq!(open_connect_link(&keyring, &ticket[1..], now), None);
        }
    }
}
