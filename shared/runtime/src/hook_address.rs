//! The address amoCRM calls with new notes. amoCRM signs nothing, so the address itself carries the proof.

use flysk_domain::id::InstallId;
use url::Url;

use crate::keyring::{Keyring, same_secret};

/// What the signature is about, so that it serves no other purpose.
fn subject(install: InstallId) -> String {
    format!("amocrm-note-hook.v1:{install}")
}

/// `…/hooks/amocrm/<install>/<signature>` under the API's public address.
pub fn address(public_url: &Url, keyring: &Keyring, install: InstallId) -> Result<Url, url::ParseError> {
    public_url.join(&format!("hooks/amocrm/{install}/{}", keyring.lookup_hash(&subject(install))))
}

/// The addresses of the same install under the ring's former keys, newest first: still answered, to be given up.
pub fn former(public_url: &Url, keyring: &Keyring, install: InstallId) -> Result<Vec<Url>, url::ParseError> {
    let hashes = keyring.lookup_hashes(&subject(install));
    hashes.iter().skip(1).map(|hash| public_url.join(&format!("hooks/amocrm/{install}/{hash}"))).collect()
}

/// Whether the address was made by us, under any key of the ring.
pub fn is_ours(keyring: &Keyring, install: InstallId, signature: &str) -> bool {
    let ours = keyring.lookup_hashes(&subject(install));
    ours.iter().any(|hash| same_secret(hash.to_string().as_bytes(), signature.as_bytes()))
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    #[test]
    fn an_address_is_good_for_its_install_and_survives_a_rotation() {
        let key = |fill: char| format!("{}=", fill.to_string().repeat(43));
        let old = Keyring::parse(&format!("k1:{}", key('A'))).unwrap();
        let new = Keyring::parse(&format!("k2:{},k1:{}", key('E'), key('A'))).unwrap();
        let (install, other) = (InstallId::generate(&SystemClock), InstallId::generate(&SystemClock));
        let url = address(&"https://api.example.com/".parse().unwrap(), &old, install).unwrap();
        let signature = url.path_segments().unwrap().next_back().unwrap();
        assert!(is_ours(&old, install, signature) && is_ours(&new, install, signature));
        let public = "https://api.example.com/".parse().unwrap();
        assert_eq!(former(&public, &new, install).unwrap(), std::slice::from_ref(&url));
        assert_ne!(address(&public, &new, install).unwrap(), url);
        assert!(!is_ours(&old, other, signature) && !is_ours(&old, install, ""));
    }
}
