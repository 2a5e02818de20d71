//! `Token`: SHA-256 of the sorted root scalars and the password (T-Bank docs, eacq/token).

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Token of a JSON body, ignoring one that it contains; `None` if the body is not an object.
pub fn sign(body: &str, password: &str) -> Option<String> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body).ok()?;
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    for (name, raw) in fields {
        let raw = raw.get();
        if name == "Token" || raw == "null" || raw.starts_with(['{', '[']) {
            continue;
        }
        let text = if raw.starts_with('"') { serde_json::from_str(raw).ok()? } else { raw.to_owned() };
        parts.insert(name, text);
    }
    parts.insert("Password".to_owned(), password.to_owned());
    let text: String = parts.into_values().collect();
    Some(hex::encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::sign;

    /// Examples published by the bank, including nested objects.
    #[test]
    fn tokens_match_the_banks_published_examples() {
        let init = r#"{"TerminalKey":"MerchantTerminalKey","Amount":19200,"OrderId":"00000",
            "Description":"Подарочная карта на 1000 рублей","DATA":{"Phone":"none"},"Receipt":{"Items":[]}}"#;
        assert_eq!(
            sign(init, "11111111111111").unwrap(),
            "72dd466f8ace0a37a1f740ce5fb78101712bc0665d91a8108c7c8a0ccd426db2"
        );
        let notification = r#"{"TerminalKey":"1321054611234DEMO","OrderId":"201709","Success":true,
            "Status":"AUTHORIZED","PaymentId":8742591,"ErrorCode":"0","Amount":9855,"CardId":322264,
            "Pan":"430000******0777","ExpDate":"1122","RebillId":101709,"Token":"…"}"#;
        assert_eq!(
            sign(notification, "Dfsfh56dgKl").unwrap(),
            "b906d28e76c6428e37b25fcf86c0adc52c63d503013fdd632e300593d165766b"
        );
    }
}
