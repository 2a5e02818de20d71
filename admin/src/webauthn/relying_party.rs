//! Questions to browsers, and the checks of their answers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flysk_domain::admin::PASSKEY_CHALLENGE_TTL;
use flysk_domain::id::OperatorId;
use flysk_store::admin::passkeys::Passkey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::Invalid;
use super::authenticator_data::AuthenticatorData;
use super::cbor::Item;
use super::client_data;
use super::public_key::{ALGORITHMS, PublicKey};

/// Name of the panel in the dialogs of browsers.
const NAME: &str = "Flysk";
/// Largest id of a credential, in bytes.
const MAX_CREDENTIAL_ID_BYTES: usize = 1_023;
/// Largest public key, in bytes: RSA with 8,192 bits.
const MAX_PUBLIC_KEY_BYTES: usize = 1_100;

/// Checks passkeys for one host and one origin.
#[derive(Debug, Clone)]
pub(crate) struct RelyingParty {
    /// Host name of the panel. Passkeys belong to it.
    id: String,
    /// Origin of the panel's pages.
    origin: String,
}

/// User that a new passkey is created for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User<'a> {
    pub(crate) id: OperatorId,
    /// Name to sign in with.
    pub(crate) login: &'a str,
    /// Name to show.
    pub(crate) name: &'a str,
}

/// A passkey that was just made.
#[derive(Debug)]
pub(crate) struct NewCredential {
    /// Id of the credential, in base64url.
    pub(crate) id: String,
    /// SHA-256 of the credential's id, in hexadecimal digits.
    pub(crate) hash: String,
    /// Public key (`COSE_Key`), in base64url.
    pub(crate) public_key: String,
    /// Signature counter.
    pub(crate) sign_count: u32,
}

/// The answer of a browser that has used a passkey.
#[derive(Debug)]
pub(crate) struct Assertion {
    credential_id: Vec<u8>,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
    /// User handle stored with the passkey, if the authenticator returns it.
    user_handle: Option<Vec<u8>>,
}

impl RelyingParty {
    /// The relying party of the panel at this URL; `None` if its host is an IP address, for which browsers have no passkeys.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        Some(Self { id: url.domain()?.to_owned(), origin: url.origin().ascii_serialization() })
    }

    /// Options for a new passkey, on an authenticator that has none of the `known` ones.
    pub(crate) fn registration_options(&self, challenge: &str, user: User<'_>, known: &[Passkey]) -> Value {
        let algorithms = ALGORITHMS.map(|algorithm| json!({ "type": "public-key", "alg": algorithm }));
        json!({ "publicKey": {
            "rp": { "id": self.id, "name": NAME },
            "user": {
                "id": URL_SAFE_NO_PAD.encode(user_handle(user.id)),
                "name": user.login,
                "displayName": user.name,
            },
            "challenge": challenge,
            "pubKeyCredParams": algorithms,
            "timeout": PASSKEY_CHALLENGE_TTL.num_milliseconds(),
            "excludeCredentials": descriptors(known),
            "authenticatorSelection": { "residentKey": "discouraged", "userVerification": "required" },
            "attestation": "none",
        } })
    }

    /// Options for a proof by one of the `known` passkeys.
    pub(crate) fn proof_options(&self, challenge: &str, known: &[Passkey]) -> Value {
        json!({ "publicKey": {
            "rpId": self.id,
            "challenge": challenge,
            "timeout": PASSKEY_CHALLENGE_TTL.num_milliseconds(),
            "allowCredentials": descriptors(known),
            "userVerification": "required",
        } })
    }

    /// Checks the answer of a browser that has made a passkey for this challenge (section 7.1).
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(crate) fn check_registration(&self, answer: &str, challenge: &str) -> Result<NewCredential, Invalid> {
        let answer: Value = serde_json::from_str(answer).map_err(|_| Invalid::Unreadable)?;
        let response = answer.get("response").ok_or(Invalid::Unreadable)?;
        let read = |name: &str| decoded(response, name).ok_or(Invalid::Unreadable);
        let (client_data, object) = (read("clientDataJSON")?, read("attestationObject")?);
        client_data::check(&client_data, "webauthn.create", challenge, &self.origin)?;
        let (object, _) = Item::read(&object).ok_or(Invalid::Unreadable)?;
        let data = object.bytes(&Item::Text("authData")).ok_or(Invalid::Unreadable)?;
        let data = AuthenticatorData::read(data).ok_or(Invalid::Unreadable)?;
        data.check(&self.id)?;
        let credential = data.credential.ok_or(Invalid::Unreadable)?;
        if credential.id.is_empty() || credential.id.len() > MAX_CREDENTIAL_ID_BYTES {
            return Err(Invalid::Unreadable);
        }
        let is_known = PublicKey::read(credential.public_key).is_some();
        if !is_known || credential.public_key.len() > MAX_PUBLIC_KEY_BYTES {
            return Err(Invalid::PublicKey);
        }
        Ok(NewCredential {
            id: URL_SAFE_NO_PAD.encode(credential.id),
            hash: hash_of(credential.id),
            public_key: URL_SAFE_NO_PAD.encode(credential.public_key),
            sign_count: data.sign_count,
        })
    }

    /// Checks the answer of a browser that has used an operator's passkey for this challenge (section 7.2); returns the
    /// signature counter.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(crate) fn check_proof(
        &self,
        answer: &Assertion,
        challenge: &str,
        operator: OperatorId,
        public_key: &str,
    ) -> Result<u32, Invalid> {
        if answer.user_handle.as_ref().is_some_and(|handle| *handle != user_handle(operator)) {
            return Err(Invalid::User);
        }
        client_data::check(&answer.client_data, "webauthn.get", challenge, &self.origin)?;
        let data = AuthenticatorData::read(&answer.authenticator_data).ok_or(Invalid::Unreadable)?;
        data.check(&self.id)?;
        let cose = URL_SAFE_NO_PAD.decode(public_key).map_err(|_| Invalid::PublicKey)?;
        let key = PublicKey::read(&cose).ok_or(Invalid::PublicKey)?;
        let mut message = answer.authenticator_data.clone();
        message.extend(Sha256::digest(&answer.client_data));
        if key.verifies(&message, &answer.signature) { Ok(data.sign_count) } else { Err(Invalid::Signature) }
    }
}

impl Assertion {
    /// Reads an answer; `None` if it is none.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let answer: Value = serde_json::from_str(json).ok()?;
        let response = answer.get("response")?;
        let user_handle = match response.get("userHandle") {
            None | Some(Value::Null) => None,
            Some(_) => Some(decoded(response, "userHandle")?),
        };
        Some(Self {
            credential_id: decoded(&answer, "rawId")?,
            client_data: decoded(response, "clientDataJSON")?,
            authenticator_data: decoded(response, "authenticatorData")?,
            signature: decoded(response, "signature")?,
            user_handle,
        })
    }

    /// SHA-256 of the credential's id, in hexadecimal digits.
    pub(crate) fn credential_hash(&self) -> String {
        hash_of(&self.credential_id)
    }
}

fn decoded(object: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(object.get(name)?.as_str()?).ok()
}

fn descriptors(known: &[Passkey]) -> Vec<Value> {
    known.iter().map(|passkey| json!({ "type": "public-key", "id": passkey.credential_id })).collect()
}

fn hash_of(credential_id: &[u8]) -> String {
    hex::encode(Sha256::digest(credential_id))
}

/// User handle of an operator for authenticators: nothing that names a person.
fn user_handle(operator: OperatorId) -> Vec<u8> {
    Sha256::digest(operator.to_string().as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    fn party(url: &str) -> Option<RelyingParty> {
        RelyingParty::of(&url.parse().unwrap())
    }

    #[test]
    fn a_panel_on_a_host_name_has_passkeys_and_one_on_an_address_has_none() {
        let named = party("https://admin.flysk.example/").unwrap();
        assert_eq!(
            (named.id.as_str(), named.origin.as_str()),
            ("admin.flysk.example", "https://admin.flysk.example")
        );
        assert_eq!(party("http://localhost:8081/").unwrap().origin, "http://localhost:8081");
        assert!(party("http://127.0.0.1:8081/").is_none());
        assert!(party("https://[::1]/").is_none());
    }

    #[test]
    fn a_browser_is_told_the_host_and_that_the_user_must_be_verified() {
        let party = party("https://admin.flysk.example/").unwrap();
        let user = User { id: OperatorId::generate(&SystemClock), login: "anna", name: "Анна" };
        let options = party.registration_options("abc", user, &[]);
        let options = &options["publicKey"];
        assert_eq!(
            (&options["rp"]["id"], &options["challenge"]),
            (&json!("admin.flysk.example"), &json!("abc"))
        );
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["user"]["name"], "anna");
        assert_eq!(party.proof_options("abc", &[])["publicKey"]["userVerification"], "required");
    }

    #[test]
    fn nonsense_is_no_answer() {
        let party = party("https://admin.flysk.example/").unwrap();
        for answer in ["", "{}", "null", "[]", r#"{"response":{"clientDataJSON":"e30"}}"#] {
            assert_eq!(party.check_registration(answer, "abc").unwrap_err(), Invalid::Unreadable, "{answer}");
            assert!(Assertion::read(answer).is_none(), "{answer}");
        }
        let empty = r#"{"response":{"clientDataJSON":"e30","attestationObject":"oA"}}"#;
        assert_eq!(party.check_registration(empty, "abc").unwrap_err(), Invalid::Kind);
    }
}
