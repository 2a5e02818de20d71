//! Proof that a contact is the sender's own.
//!
//! When a person presses the button that requests the contact, MAX signs the vCard: `hash` is the lower-case hex of
//! HMAC-SHA256 of the exact vCard text under the bot's token. A card that was shared by hand or forwarded has no hash. The
//! signature contains no time and no recipient, so the card's owner must also be the sender. MAX names the owner in `max_info`,
//! formerly in `tam_info`, and while it is renaming perhaps in both. Source: three independent clients agree (`maxoxide`,
//! `maxbot`, `max-bot-api-php`); the official page was not available.

use flysk_domain::flysense::activation::message::{Contact, ContactFault};
use flysk_domain::flysense::activation::phone::Phone;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

#[derive(Deserialize)]
pub(super) struct ContactPayload {
    #[serde(default)]
    vcf_info: Option<String>,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    max_info: Option<Owner>,
    /// Former name of `max_info`.
    #[serde(default)]
    tam_info: Option<Owner>,
}

impl ContactPayload {
    /// Whether the card has an owner, and names nobody else.
    fn belongs_to(&self, user_id: i64) -> bool {
        let mut owners = self.max_info.iter().chain(&self.tam_info).peekable();
        owners.peek().is_some() && owners.all(|owner| owner.user_id == user_id)
    }
}

#[derive(Deserialize)]
struct Owner {
    user_id: i64,
}

/// Checks a contact that `sender` sent in a private dialogue.
pub(super) fn check(
    payload: &ContactPayload,
    sender: i64,
    is_forwarded: bool,
    token: &SecretString,
) -> Contact {
    let fault = |fault| Contact::Unproven(fault);
    if is_forwarded {
        return fault(ContactFault::Forwarded);
    }
    let (Some(card), Some(hash)) = (&payload.vcf_info, &payload.hash) else {
        return fault(ContactFault::NoProof);
    };
    if !is_signed(card, hash, token) {
        return fault(ContactFault::NoProof);
    }
    if !payload.belongs_to(sender) {
        return fault(ContactFault::OtherPerson);
    }
    phone_of(card).map_or(fault(ContactFault::NoPhone), Contact::Own)
}

/// Compares in constant time.
fn is_signed(card: &str, hash: &str, token: &SecretString) -> bool {
    let Ok(mac) = <Hmac<Sha256> as Mac>::new_from_slice(token.expose_secret().as_bytes()) else {
        return false;
    };
    let is_lower = !hash.bytes().any(|byte| byte.is_ascii_uppercase());
    let expected = hex::decode(hash).unwrap_or_default();
    is_lower && mac.chain_update(card.as_bytes()).verify_slice(&expected).is_ok()
}

/// The first number of a vCard: `TEL;TYPE=cell:79161234567`. Line ends, order and parameters vary.
fn phone_of(card: &str) -> Option<Phone> {
    card.lines()
        .filter(|line| line.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("tel")))
        .filter_map(|line| line.rsplit_once(':'))
        .find_map(|(_, number)| Phone::parse(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "BEGIN:VCARD\nTEL;TYPE=CELL:+1 (234) 567-890\nEND:VCARD";
    const HASH: &str = "ee3d82750cc421d596d2bac3350e80c763406417768bbba9292ed95463139807";

    fn judge(card: &str, hash: Option<&str>, owner: Option<i64>, is_forwarded: bool) -> Contact {
        let payload = ContactPayload {
            vcf_info: Some(card.to_owned()),
            hash: hash.map(str::to_owned),
            max_info: owner.map(|user_id| Owner { user_id }),
            tam_info: None,
        };
        check(&payload, 777, is_forwarded, &SecretString::from("secret"))
    }

    #[test]
    fn a_signed_contact_of_the_sender_is_own() {
        assert_eq!(
            judge(CARD, Some(HASH), Some(777), false),
            Contact::Own(Phone::parse("1234567890").unwrap())
        );
    }

    #[test]
    fn every_forgery_is_refused_for_its_reason() {
        let upper = HASH.to_ascii_uppercase();
        for (card, hash, owner, forwarded, fault) in [
            (CARD, None, Some(777), false, ContactFault::NoProof),
            (CARD, Some(""), Some(777), false, ContactFault::NoProof),
            (CARD, Some(&HASH[..62]), Some(777), false, ContactFault::NoProof),
            (CARD, Some(upper.as_str()), Some(777), false, ContactFault::NoProof),
            (
                "BEGIN:VCARD\r\nTEL;TYPE=CELL:+1 (234) 567-890\r\nEND:VCARD",
                Some(HASH),
                Some(777),
                false,
                ContactFault::NoProof,
            ),
            (CARD, Some(HASH), Some(778), false, ContactFault::OtherPerson),
            (CARD, Some(HASH), None, false, ContactFault::OtherPerson),
            (CARD, Some(HASH), Some(777), true, ContactFault::Forwarded),
        ] {
            assert_eq!(
                judge(card, hash, owner, forwarded),
                Contact::Unproven(fault),
                "{card:?} {hash:?} {owner:?}"
            );
        }
    }

    #[test]
    fn a_number_is_found_whatever_the_order_and_the_line_ends() {
        for card in [
            "VERSION:3.0\r\nFN:Анна\r\nTEL;TYPE=cell:79990001122\r\n",
            "tel:+7 999 000-11-22",
            "TEL:\nTEL:79990001122",
        ] {
            assert_eq!(phone_of(card), Phone::parse("79990001122").ok(), "{card:?}");
        }
        assert_eq!(phone_of("FN:Анна\nTELEPATHY"), None);
    }

    #[test]
    fn the_owner_has_either_name_or_both_and_they_agree() {
        let owner = |user_id: i64| serde_json::json!({ "user_id": user_id, "is_bot": false });
        for (payload, belongs) in [
            (serde_json::json!({ "max_info": owner(5) }), true),
            (serde_json::json!({ "tam_info": owner(5) }), true),
            (serde_json::json!({ "max_info": owner(5), "tam_info": owner(5) }), true),
            (serde_json::json!({ "max_info": null, "tam_info": owner(5) }), true),
            (serde_json::json!({ "max_info": owner(5), "tam_info": owner(6) }), false),
            (serde_json::json!({ "max_info": owner(6), "tam_info": owner(5) }), false),
            (serde_json::json!({}), false),
        ] {
            let read: ContactPayload = serde_json::from_value(payload.clone()).unwrap();
            assert_eq!(read.belongs_to(5), belongs, "{payload}");
        }
    }
}
