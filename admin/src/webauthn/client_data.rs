//! Data of a browser about the page that requested the answer (Web Authentication, level 3, section 5.8.1).

use serde_json::Value;

use super::Invalid;

/// Checks that the browser answered this challenge, on a page of this origin.
pub(super) fn check(json: &[u8], kind: &str, challenge: &str, origin: &str) -> Result<(), Invalid> {
    let data: Value = serde_json::from_slice(json).map_err(|_| Invalid::Unreadable)?;
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    if text("type") != Some(kind) {
        return Err(Invalid::Kind);
    }
    if text("challenge") != Some(challenge) {
        return Err(Invalid::Challenge);
    }
    // The panel is never framed, least of all by another site.
    if text("origin") != Some(origin) || data.get("crossOrigin").and_then(Value::as_bool) == Some(true) {
        return Err(Invalid::Origin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ORIGIN: &str = "https://admin.flysk.example";

    #[test]
    fn kind_challenge_and_origin_are_compared_as_a_whole() {
        let right =
            json!({ "type": "webauthn.get", "challenge": "abc", "origin": ORIGIN, "crossOrigin": false });
        let checked = |data: &Value| check(data.to_string().as_bytes(), "webauthn.get", "abc", ORIGIN);
        assert_eq!(checked(&right), Ok(()));
        for (name, value, invalid) in [
            ("type", json!("webauthn.create"), Invalid::Kind),
            ("challenge", json!("abcd"), Invalid::Challenge),
            ("challenge", json!(null), Invalid::Challenge),
            ("origin", json!("https://admin.flysk.example.org"), Invalid::Origin),
            ("origin", json!("http://admin.flysk.example"), Invalid::Origin),
            ("origin", json!("https://admin.flysk.example:8443"), Invalid::Origin),
            ("crossOrigin", json!(true), Invalid::Origin),
        ] {
            let mut wrong = right.clone();
            wrong[name] = value;
            assert_eq!(checked(&wrong), Err(invalid), "{wrong}");
        }
        assert_eq!(check(b"abc", "webauthn.get", "abc", ORIGIN), Err(Invalid::Unreadable));
    }
}
