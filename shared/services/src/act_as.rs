//! Signed links with which an operator sees the hosted pages of an install as its administrator does.

use chrono::TimeDelta;
use flysk_crypto::Keyring;
use flysk_domain::id::ActAsId;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// Lifetime of a view.
pub const ACT_AS_TTL: TimeDelta = TimeDelta::minutes(30);
/// Path of the links, without a slash at the beginning.
const PATH: &str = "billing/act-as";
const AAD: &str = "act_as_link";

/// The signed URL that opens a hosted page, `flycoins` or `subscription`, in a view. `None` if the ticket cannot be encrypted.
/// Whether the view lives is decided when the link is opened.
pub fn act_as_link(public_url: &Url, keyring: &Keyring, view: ActAsId, page: &str) -> Option<String> {
    let sealed = keyring.seal_token(&SecretString::from(view.to_string()), AAD).ok()?;
    let mut url = public_url.join(PATH).ok()?;
    url.query_pairs_mut().append_pair("page", page).append_pair("ticket", &sealed);
    Some(url.into())
}

/// Decrypts a ticket; `None` if it is invalid.
pub fn open_act_as_ticket(keyring: &Keyring, sealed: &str) -> Option<ActAsId> {
    keyring.open_token(sealed, AAD).ok()?.expose_secret().parse().ok()
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    #[test]
    fn a_ticket_names_its_view_and_cannot_be_made_up() {
        let keyring = Keyring::parse("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let view = ActAsId::generate(&SystemClock);
        let base = "https://api.example.com/".parse().unwrap();
        let url: Url = act_as_link(&base, &keyring, view, "flycoins").unwrap().parse().unwrap();
        let ticket = url.query_pairs().last().unwrap().1.into_owned();
        assert_eq!(url.path(), "/billing/act-as");
        assert_eq!(open_act_as_ticket(&keyring, &ticket), Some(view));
        assert_eq!(open_act_as_ticket(&keyring, &ticket[1..]), None);
    }
}
