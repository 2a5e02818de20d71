//! Links in letters. They carry their own permission, because the reader of a letter has no session.

use flysk_crypto::{Keyring, KeyringError, same_secret};
use flysk_domain::flysense::activation::notices::NoticeKind;
use flysk_domain::id::{AccountId, BindingId, CardId, InstallId, InvoiceId};
use flysk_domain::platform::mail::MailKind;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

const AAD: &str = "mail_switch";

/// Switch of a link: notices of a kind about an install.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSwitch {
    /// Row of `installs`.
    pub install: InstallId,
    /// Notices to be switched off or on.
    pub kind: MailKind,
}

/// Switch of a link in a letter to a bound person: FlySense's notices of a kind, in the bot and by e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSwitch {
    /// amoCRM's number of the account.
    pub account: AccountId,
    /// Row of `activation_bindings`.
    pub binding: BindingId,
    /// Notices to be switched off or on.
    pub kind: NoticeKind,
}

/// Switch that the ticket of a link stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Switch {
    /// Letters to the payer of an install.
    Install(MailSwitch),
    /// Notices to a bound person.
    Person(PersonSwitch),
}

impl From<MailSwitch> for Switch {
    fn from(switch: MailSwitch) -> Self {
        Self::Install(switch)
    }
}

impl From<PersonSwitch> for Switch {
    fn from(switch: PersonSwitch) -> Self {
        Self::Person(switch)
    }
}

/// The page where notices of a kind are switched off. It never expires, because letters are read late.
///
/// # Errors
///
/// The link cannot be encrypted.
pub fn switch_link(
    public_url: &Url,
    keyring: &Keyring,
    switch: impl Into<Switch>,
) -> Result<Url, KeyringError> {
    let switch: Switch = switch.into();
    // Ids and kinds are always JSON.
    let text = serde_json::to_string(&switch).unwrap_or_default();
    let ticket = keyring.seal_token(&SecretString::from(text), AAD)?;
    let mut url = public_url.clone();
    url.set_path(&format!("{}mail", public_url.path()));
    url.query_pairs_mut().clear().append_pair("ticket", &ticket);
    Ok(url)
}

/// Opens the ticket of a link; `None` if it is invalid.
pub fn open_switch_link(keyring: &Keyring, ticket: &str) -> Option<Switch> {
    let text = keyring.open_token(ticket, AAD).ok()?;
    serde_json::from_str(text.expose_secret()).ok()
}

/// Text to sign; its prefix prevents use of the signature for other purposes.
fn pay_subject(invoice: InvoiceId) -> String {
    format!("invoice-pay-link.v1:{invoice}")
}

/// The same for the page where a card is unlinked.
fn unlink_subject(card: CardId) -> String {
    format!("card-unlink-link.v1:{card}")
}

/// The page where an invoice is paid, signed by the current key. Whoever has it can pay the invoice and sees what it costs.
pub fn invoice_pay_link(public_url: &Url, keyring: &Keyring, invoice: InvoiceId) -> Url {
    signed_link(public_url, keyring, &format!("pay/{invoice}"), &pay_subject(invoice))
}

/// Whether the signature of a pay link is valid under any key of the ring.
pub fn is_pay_link(keyring: &Keyring, invoice: InvoiceId, signature: &str) -> bool {
    is_signature(keyring, &pay_subject(invoice), signature)
}

/// The page where a card is unlinked, signed by the current key. Whoever has it can only stop the charges of this card.
pub fn card_unlink_link(public_url: &Url, keyring: &Keyring, card: CardId) -> Url {
    signed_link(public_url, keyring, &format!("unlink/{card}"), &unlink_subject(card))
}

/// Whether the signature of a link that unlinks a card is valid under any key of the ring.
pub fn is_card_unlink_link(keyring: &Keyring, card: CardId, signature: &str) -> bool {
    is_signature(keyring, &unlink_subject(card), signature)
}

/// The address of a page, with the signature of its subject as the last part of the path.
fn signed_link(public_url: &Url, keyring: &Keyring, page: &str, subject: &str) -> Url {
    let mut url = public_url.clone();
    let signature = keyring.blind_index(subject);
    url.set_path(&format!("{}{page}/{signature}", public_url.path()));
    url
}

fn is_signature(keyring: &Keyring, subject: &str, signature: &str) -> bool {
    let ours = keyring.blind_indexes(subject);
    ours.iter().any(|hash| same_secret(hash.to_string().as_bytes(), signature.as_bytes()))
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    fn keyring() -> Keyring {
        Keyring::parse("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap()
    }

    #[test]
    fn a_switch_is_that_of_its_letter_and_cannot_be_made_up() {
        let switch = MailSwitch { install: InstallId::generate(&SystemClock), kind: MailKind::PastDue };
        let base = "https://api.example.com/".parse().unwrap();
        let url = switch_link(&base, &keyring(), switch).unwrap();
        assert_eq!(url.path(), "/mail");
        let ticket = url.query_pairs().next().unwrap().1.into_owned();
        assert_eq!(open_switch_link(&keyring(), &ticket), Some(switch.into()));
        assert_eq!(open_switch_link(&keyring(), &ticket[1..]), None);
    }

    #[test]
    fn a_persons_switch_is_told_from_a_payers() {
        let (account, binding) = (AccountId(31_234_567), BindingId::generate(&SystemClock));
        let switch = PersonSwitch { account, binding, kind: NoticeKind::Digest };
        let url = switch_link(&"https://api.example.com/".parse().unwrap(), &keyring(), switch).unwrap();
        let ticket = url.query_pairs().next().unwrap().1.into_owned();
        assert_eq!(open_switch_link(&keyring(), &ticket), Some(Switch::Person(switch)));
    }

    #[test]
    fn a_pay_link_pays_its_own_invoice() {
        let (invoice, other) = (InvoiceId::generate(&SystemClock), InvoiceId::generate(&SystemClock));
        let url = invoice_pay_link(&"https://api.example.com/".parse().unwrap(), &keyring(), invoice);
        let signature = url.path_segments().unwrap().next_back().unwrap().to_owned();
        assert!(is_pay_link(&keyring(), invoice, &signature));
        assert!(!is_pay_link(&keyring(), other, &signature) && !is_pay_link(&keyring(), invoice, ""));
    }

    #[test]
    fn an_unlink_link_unlinks_its_own_card_and_pays_nothing() {
        let (card, other) = (CardId::generate(&SystemClock), CardId::generate(&SystemClock));
        let url = card_unlink_link(&"https://api.example.com/".parse().unwrap(), &keyring(), card);
        let signature = url.path_segments().unwrap().next_back().unwrap().to_owned();
        assert_eq!(url.path(), format!("/unlink/{card}/{signature}"));
        assert!(is_card_unlink_link(&keyring(), card, &signature));
        assert!(!is_card_unlink_link(&keyring(), other, &signature));
        assert!(!is_card_unlink_link(&keyring(), card, &signature[1..]));
        assert!(!is_pay_link(&keyring(), InvoiceId::generate(&SystemClock), &signature));
    }
}
