//! Properties of a key ring.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flysk_crypto::{Keyring, KeyringError, same_secret};
use flysk_domain::ContactTerm;
use secrecy::{ExposeSecret, SecretString};

fn key(id: &str, byte: u8) -> String {
    format!("{id}:{}", STANDARD.encode([byte; 32]))
}

fn ring(keys: &[String]) -> Keyring {
    Keyring::parse(&keys.join(",")).unwrap()
}

fn token() -> SecretString {
    SecretString::from("def50200-refresh-token")
}

#[test]
fn a_sealed_token_opens_for_its_row() {
    let ring = ring(&[key("k1", 1)]);
    let sealed = ring.seal(&token(), "tokens.refresh:7").unwrap();
    assert!(sealed.starts_with("v1.k1."), "{sealed}");
    assert!(!sealed.contains("refresh-token"));
    assert_eq!(ring.open(&sealed, "tokens.refresh:7").unwrap().expose_secret(), "def50200-refresh-token");
}

#[test]
fn a_ciphertext_moved_to_another_row_is_refused() {
    let ring = ring(&[key("k1", 1)]);
    let sealed = ring.seal(&token(), "tokens.refresh:7").unwrap();
    for other in ["tokens.refresh:8", "tokens.access:7", "", "tokens.refresh:7 "] {
        assert_eq!(ring.open(&sealed, other).unwrap_err(), KeyringError::Refused, "{other}");
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    let ring = ring(&[key("k1", 1)]);
    let sealed = ring.seal(&SecretString::from("t"), "row").unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(sealed.strip_prefix("v1.k1.").unwrap()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = format!("v1.k1.{}", URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(ring.open(&changed, "row").unwrap_err(), KeyringError::Refused, "bit {bit}");
    }
}

#[test]
fn the_same_secret_is_never_sealed_the_same_twice() {
    let ring = ring(&[key("k1", 1)]);
    assert_ne!(ring.seal(&token(), "row").unwrap(), ring.seal(&token(), "row").unwrap());
}

#[test]
fn keys_rotate_while_everything_stays_readable() {
    let old = ring(&[key("k1", 1)]);
    let sealed = old.seal(&token(), "row").unwrap();

    let both = ring(&[key("k2", 2), key("k1", 1)]);
    assert!(!both.is_current(&sealed));
    let again = both.seal(&both.open(&sealed, "row").unwrap(), "row").unwrap();
    assert!(both.is_current(&again));

    let new = ring(&[key("k2", 2)]);
    assert_eq!(new.open(&again, "row").unwrap().expose_secret(), token().expose_secret());
    assert_eq!(new.open(&sealed, "row").unwrap_err(), KeyringError::UnknownKey { id: "k1".into() });
}

#[test]
fn a_key_with_another_keys_id_decrypts_nothing() {
    let sealed = ring(&[key("k1", 1)]).seal(&token(), "row").unwrap();
    let relabelled = sealed.replacen("v1.k1.", "v1.k2.", 1);
    assert_eq!(ring(&[key("k2", 1)]).open(&relabelled, "row").unwrap_err(), KeyringError::Refused);
}

#[test]
fn texts_that_were_never_sealed_are_rejected() {
    let ring = ring(&[key("k1", 1)]);
    for text in ["", "v1", "v1.k1", "v2.k1.AAAA", "v1.k1.AAAA", "v1.k1.!!", "plain token"] {
        assert_eq!(ring.open(text, "row").unwrap_err(), KeyringError::Malformed, "{text}");
        assert!(!ring.is_current("plain token"));
    }
}

#[test]
fn invalid_rings_are_rejected_without_exposing_keys() {
    let parse = |text: &str| Keyring::parse(text).unwrap_err();
    assert_eq!(parse(" , "), KeyringError::NoKey);
    assert_eq!(parse("hunter2"), KeyringError::NotAnEntry { position: 1 });
    assert_eq!(parse(&format!("{},K2:AAAA", key("k1", 1))), KeyringError::NotAnEntry { position: 2 });
    assert_eq!(parse("k1:aHVudGVyMg=="), KeyringError::NotAKey { id: "k1".into() });
    assert_eq!(parse("k1:%%%"), KeyringError::NotAKey { id: "k1".into() });
    assert_eq!(parse(&[key("k1", 1), key("k1", 2)].join(",")), KeyringError::Twice { id: "k1".into() });
    assert_eq!(format!("{:?}", ring(&[key("k2", 2), key("k1", 1)])), r#"["k2", "k1"]"#);
}

#[test]
fn a_blind_index_matches_under_any_key_of_the_ring() {
    let old = ring(&[key("k1", 1)]);
    let both = ring(&[key("k2", 2), key("k1", 1)]);
    let stored = old.blind_index("project-token");
    assert_eq!(both.blind_indexes("project-token"), [both.blind_index("project-token"), stored]);
    assert_ne!(both.blind_index("project-token"), stored);
    assert_ne!(old.blind_index("project-tokem"), stored);
    assert_eq!(stored.to_string().len(), 64);
}

/// The expected value can be computed with any HMAC-SHA256: key = HMAC(32 bytes of 1, label), message = token.
#[test]
fn a_blind_index_is_stable() {
    assert_eq!(
        ring(&[key("k1", 1)]).blind_index("project-token").to_string(),
        "0709d0c0df8a4a70d0b87d83bb4b1c711ee01351d3fba1612e0ea103453a1b85"
    );
}

/// The expected value can be computed with any HMAC-SHA256: key = HMAC(32 bytes of 1, label), message = term.
#[test]
fn the_hash_of_a_contact_is_stable_and_has_a_key_of_its_own() {
    let ring = ring(&[key("k1", 1)]);
    let stored = ring.seal_email("Anna@Example.ru", "row").unwrap();
    assert_eq!(
        ring.open(&stored.sealed, "row").unwrap().expose_secret(),
        "Anna@Example.ru",
        "as it was given"
    );
    assert_eq!(stored.index.to_string(), "1f7f32c9962acb05446fd07074accbe094f699c1c8be68ec147102a734fa10dc");
    let term = ContactTerm::of_email("anna@example.ru");
    assert_eq!(ring.contact_indexes(&term), [stored.index]);
    assert_ne!(ring.blind_index(term.as_str()), stored.index, "hashes of tokens have another key");
    let phone = ring.seal_phone("+79161234567", "row").unwrap();
    assert_eq!(ring.contact_indexes(&ContactTerm::of_phone("8 916 123-45-67")), [phone.index]);
}

#[test]
fn the_hash_of_a_contact_is_under_the_key_that_sealed_it() {
    let stored = ring(&[key("k1", 1)]).seal_email("anna@example.ru", "row").unwrap();
    let term = ContactTerm::of_email("anna@example.ru");
    let both = ring(&[key("k2", 2), key("k1", 1)]);
    assert_eq!(both.contact_index(&stored.sealed, &term).unwrap(), stored.index, "not under the current key");
    assert!(
        both.contact_indexes(&term).contains(&stored.index),
        "it is found while both keys are in the ring"
    );
    let new = ring(&[key("k2", 2)]);
    let unknown = new.contact_index(&stored.sealed, &term).unwrap_err();
    assert_eq!(unknown, KeyringError::UnknownKey { id: "k1".into() });
    assert_eq!(new.contact_index("plain", &term).unwrap_err(), KeyringError::Malformed);
}

#[test]
fn secrets_compare_by_value() {
    assert!(same_secret(b"abc", b"abc"));
    assert!(!same_secret(b"abc", b"abd"));
    assert!(!same_secret(b"abc", b"abcd"));
}

#[test]
fn a_sealed_token_has_its_own_key_and_one_purpose() {
    let ring = ring(&[key("k1", 1)]);
    let session = SecretString::from("user 501 until noon");
    let sealed = ring.seal_token(&session, "session").unwrap();
    assert!(sealed.starts_with("s1.k1."), "{sealed}");
    assert_eq!(ring.open_token(&sealed, "session").unwrap().expose_secret(), "user 501 until noon");
    assert_eq!(ring.open_token(&sealed, "ticket").unwrap_err(), KeyringError::Refused);
    assert_ne!(ring.seal_token(&session, "session").unwrap(), sealed);
    // Neither kind of sealed text decrypts as the other.
    let at_rest = ring.seal(&session, "session").unwrap();
    assert_eq!(ring.open_token(&at_rest, "session").unwrap_err(), KeyringError::Malformed);
    assert_eq!(ring.open(&sealed, "session").unwrap_err(), KeyringError::Malformed);
    let body = sealed.strip_prefix("s1.").unwrap();
    assert!(ring.open(&format!("v1.{body}"), "session").is_err());
}

#[test]
fn every_byte_of_a_sealed_token_counts_and_previous_keys_open_it() {
    let old = ring(&[key("k1", 1)]);
    let sealed = old.seal_token(&token(), "session").unwrap();
    assert!(ring(&[key("k2", 2), key("k1", 1)]).open_token(&sealed, "session").is_ok());
    assert!(ring(&[key("k2", 2)]).open_token(&sealed, "session").is_err());
    let (head, body) = sealed.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(old.open_token(&changed, "session").unwrap_err(), KeyringError::Refused, "byte {at}");
    }
    assert_eq!(old.open_token("s1.k1.AAAA", "session").unwrap_err(), KeyringError::Malformed);
}
