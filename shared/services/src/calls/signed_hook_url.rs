//! URL for amoCRM's webhooks about notes. amoCRM signs no webhooks, so the URL contains a signature of ours.

use flysk_domain::id::InstallId;
use url::Url;

use flysk_crypto::{Keyring, same_secret};

/// Text to sign; its prefix prevents use of the signature for other purposes.
fn signed_subject(install: InstallId) -> String {
    format!("amocrm-note-hook.v1:{install}")
}

/// `…/hooks/amocrm/<install>/<signature>` below the API's public URL, signed by the current key.
pub fn current_url(public_url: &Url, keyring: &Keyring, install: InstallId) -> Result<Url, url::ParseError> {
    public_url.join(&format!("hooks/amocrm/{install}/{}", keyring.blind_index(&signed_subject(install))))
}

/// URLs of the install signed by previous keys, newest first. They are accepted until they are unsubscribed.
pub fn previous_urls(
    public_url: &Url,
    keyring: &Keyring,
    install: InstallId,
) -> Result<Vec<Url>, url::ParseError> {
    let hashes = keyring.blind_indexes(&signed_subject(install));
    hashes.iter().skip(1).map(|hash| public_url.join(&format!("hooks/amocrm/{install}/{hash}"))).collect()
}

/// Whether the signature is valid under any key of the ring.
pub fn is_valid_signature(keyring: &Keyring, install: InstallId, signature: &str) -> bool {
    let ours = keyring.blind_indexes(&signed_subject(install));
    ours.iter().any(|hash| same_secret(hash.to_string().as_bytes(), signature.as_bytes()))
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    #[test]
    fn a_url_is_good_for_its_install_and_survives_a_rotation() {
        let key = |fill: char| format!("{}=", fill.to_string().repeat(43));
        let old = Keyring::parse(&format!("k1:{}", key('A'))).unwrap();
        let new = Keyring::parse(&format!("k2:{},k1:{}", key('E'), key('A'))).unwrap();
        let (install, other) = (InstallId::generate(&SystemClock), InstallId::generate(&SystemClock));
        let url = current_url(&"https://api.example.com/".parse().unwrap(), &old, install).unwrap();
        let signature = url.path_segments().unwrap().next_back().unwrap();
        assert!(is_valid_signature(&old, install, signature) && is_valid_signature(&new, install, signature));
        let public = "https://api.example.com/".parse().unwrap();
        assert_eq!(previous_urls(&public, &new, install).unwrap(), std::slice::from_ref(&url));
        assert_ne!(current_url(&public, &new, install).unwrap(), url);
        assert!(!is_valid_signature(&old, other, signature) && !is_valid_signature(&old, install, ""));
    }
}
