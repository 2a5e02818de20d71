//! Who may begin a reconnect: a sealed note in the address the handshake gives to administrators.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{AccountId, UserId, WidgetId};
use flysk_runtime::Keyring;
use flysk_store::platform::connect_states::ConnectState;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

/// How long the address is good for: a widget asks for a new one with each handshake.
const LIVES: TimeDelta = TimeDelta::hours(12);
const PLACE: &str = "connect_ticket";

#[derive(Serialize, Deserialize)]
struct Ticket {
    widget: WidgetId,
    account: AccountId,
    user: UserId,
    until: i64,
}

/// The address where a user of an account begins to (re)connect a widget.
pub(in crate::platform) fn connect_url(
    public_url: &Url,
    keyring: &Keyring,
    begun: (WidgetId, AccountId, UserId),
    now: DateTime<Utc>,
) -> Option<String> {
    let (widget, account, user) = begun;
    let ticket = Ticket { widget, account, user, until: (now + LIVES).timestamp() };
    let text = serde_json::to_string(&ticket).ok()?;
    let sealed = keyring.seal_statement(&SecretString::from(text), PLACE).ok()?;
    let mut url = public_url.join("oauth/amocrm/connect").ok()?;
    url.query_pairs_mut().append_pair("ticket", &sealed);
    Some(url.into())
}

/// What a ticket says, if it is ours and still good.
pub(super) fn read(keyring: &Keyring, sealed: &str, now: DateTime<Utc>) -> Option<ConnectState> {
    let text = keyring.open_statement(sealed, PLACE).ok()?;
    let ticket: Ticket = serde_json::from_str(text.expose_secret()).ok()?;
    (ticket.until > now.timestamp()).then_some(ConnectState {
        widget_id: ticket.widget,
        account_id: Some(ticket.account),
        user_id: Some(ticket.user),
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
        let url = connect_url(&base, &keyring, (widget, AccountId(7), UserId(501)), now).unwrap();
        let url: Url = url.parse().unwrap();
        let ticket = url.query_pairs().next().unwrap().1.into_owned();
        let begun = read(&keyring, &ticket, now).unwrap();
        assert_eq!(
            (begun.widget_id, begun.account_id, begun.user_id),
            (widget, Some(AccountId(7)), Some(UserId(501)))
        );
        assert_eq!(read(&keyring, &ticket, now + LIVES), None);
        assert_eq!(read(&keyring, &ticket[1..], now), None);
    }
}
