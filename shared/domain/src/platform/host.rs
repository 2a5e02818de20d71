//! Host of an amoCRM account.
//!
//! Callers of the redirect URI name the account's host, and the client secret is sent to it. A host is therefore a
//! type of its own that can only be created by this validation.

use std::fmt;

use super::crm::Crm;

/// Host of an account, such as `demo.amocrm.ru`: one label under a trusted suffix, in lower case.
///
/// An account may be renamed: never use the host as a key, only as an attribute of the account's id.
/// Source: amoCRM docs, oauth/step-by-step and oauth/account-subdomain-info.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountHost {
    text: String,
    label_len: usize,
}

/// The text is not the host of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// Not `<label>.<trusted suffix>`.
    #[error("the host is not directly under a trusted suffix")]
    ForeignSuffix,
    /// The label is empty, too long, or contains an invalid character.
    #[error("the account's part of the host is not a DNS label")]
    BadLabel,
    /// The host belongs to amoCRM and the widget to Kommo, or vice versa.
    #[error("the host belongs to an account of another service than the widget")]
    OtherService,
    /// `www` is the service's own site.
    #[error("the host belongs to the service, not to an account")]
    Reserved,
    /// An issuer must be `https://<host>` and nothing else.
    #[error("the issuer is not an https origin")]
    NotHttps,
}

/// The longest DNS label (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

impl AccountHost {
    /// Parses a bare host, as amoCRM sends it in `referer`: one label under one of `suffixes` (without a leading
    /// dot: `amocrm.ru`).
    ///
    /// Ports, user info, paths, spaces, trailing dots, nested subdomains and non-ASCII letters are refused rather than
    /// normalized: amoCRM does not send them.
    pub fn parse<S: AsRef<str>>(text: &str, suffixes: &[S]) -> Result<Self, InvalidHost> {
        let text = text.to_ascii_lowercase();
        let label = suffixes
            .iter()
            .filter_map(|suffix| text.strip_suffix(suffix.as_ref())?.strip_suffix('.'))
            .min_by_key(|label| label.len())
            .ok_or(InvalidHost::ForeignSuffix)?;
        if label.contains('.') {
            return Err(InvalidHost::ForeignSuffix);
        }
        if !is_label(label) {
            return Err(InvalidHost::BadLabel);
        }
        if label == "www" {
            return Err(InvalidHost::Reserved);
        }
        let label_len = label.len();
        Ok(Self { text, label_len })
    }

    /// Parses the `iss` claim of a one-time token: exactly `https://demo.amocrm.ru`.
    pub fn parse_issuer<S: AsRef<str>>(issuer: &str, suffixes: &[S]) -> Result<Self, InvalidHost> {
        let host = issuer.strip_prefix("https://").ok_or(InvalidHost::NotHttps)?;
        Self::parse(host, suffixes)
    }

    /// Returns the host if it belongs to an account of `crm`: a widget of one service must not send its secret to the
    /// other.
    pub fn of(self, crm: Crm) -> Result<Self, InvalidHost> {
        if crm.domains().contains(&self.suffix()) { Ok(self) } else { Err(InvalidHost::OtherService) }
    }

    /// Lower-case, without scheme and port: `demo.amocrm.ru`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account's label: `demo`.
    pub fn subdomain(&self) -> &str {
        &self.text[..self.label_len]
    }

    /// The service's domain: `amocrm.ru`.
    pub fn suffix(&self) -> &str {
        &self.text[self.label_len + 1..]
    }
}

impl fmt::Display for AccountHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUFFIXES: [&str; 2] = ["amocrm.ru", "kommo.com"];

    fn parse(text: &str) -> Result<AccountHost, InvalidHost> {
        AccountHost::parse(text, &SUFFIXES)
    }

    #[test]
    fn an_account_is_one_label_under_a_trusted_suffix() {
        let host = parse("Demo.AmoCRM.ru").unwrap();
        assert_eq!((host.as_str(), host.subdomain(), host.suffix()), ("demo.amocrm.ru", "demo", "amocrm.ru"));
        assert_eq!(parse("new-name2.kommo.com").unwrap().to_string(), "new-name2.kommo.com");
        assert_eq!(parse("xn--e1afmkfd.amocrm.ru").unwrap().subdomain(), "xn--e1afmkfd");
    }

    #[test]
    fn whatever_would_carry_our_secret_elsewhere_is_refused() {
        for text in [
            "",
            "amocrm.ru",
            ".amocrm.ru",
            "evil.example",
            "demo.amocrm.ru.evil.example",
            "demoamocrm.ru",
            "evil-amocrm.ru",
            "a.b.amocrm.ru",
            "demo..amocrm.ru",
            "demo.amocrm.ru.",
            "demo.amocrm.ru:443",
            "demo.amocrm.ru/path",
            "demo.amocrm.ru#",
            "demo.amocrm.ru?x",
            "demo.amocrm.ru\r\nX-Evil: 1",
            "demo.amocrm.ru\0",
            " demo.amocrm.ru",
            "demo.amocrm.ru ",
            "https://demo.amocrm.ru",
            "evil.example/demo.amocrm.ru",
            "evil.example#demo.amocrm.ru",
            "evil.example\\demo.amocrm.ru",
            "user@demo.amocrm.ru",
            "evil@amocrm.ru",
            "-demo.amocrm.ru",
            "demo-.amocrm.ru",
            "de_mo.amocrm.ru",
            "de%6do.amocrm.ru",
            "dеmo.amocrm.ru", // a Cyrillic е
            "demo。amocrm.ru",
            "127.0.0.1",
            "[::1]",
            "www.amocrm.ru",
        ] {
            assert!(parse(text).is_err(), "{text:?} was taken for an account");
        }
        assert!(parse(&format!("{}.amocrm.ru", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_widget_of_one_service_has_no_account_of_the_other() {
        for (host, crm, other) in
            [("demo.amocrm.ru", Crm::Amocrm, Crm::Kommo), ("demo.kommo.com", Crm::Kommo, Crm::Amocrm)]
        {
            let host = parse(host).unwrap();
            assert_eq!(host.clone().of(crm), Ok(host.clone()));
            assert_eq!(host.of(other), Err(InvalidHost::OtherService));
        }
        let former = AccountHost::parse("demo.amocrm.com", &["amocrm.com"]).unwrap();
        assert!(former.of(Crm::Kommo).is_ok());
    }

    #[test]
    fn without_suffixes_nobody_is_trusted() {
        assert_eq!(AccountHost::parse::<&str>("demo.amocrm.ru", &[]), Err(InvalidHost::ForeignSuffix));
    }

    #[test]
    fn an_issuer_is_an_https_origin() {
        assert_eq!(
            AccountHost::parse_issuer("https://demo.amocrm.ru", &SUFFIXES).unwrap().as_str(),
            "demo.amocrm.ru"
        );
        for issuer in
            ["http://demo.amocrm.ru", "https://demo.amocrm.ru/", "demo.amocrm.ru", "https://u@demo.amocrm.ru"]
        {
            assert!(AccountHost::parse_issuer(issuer, &SUFFIXES).is_err(), "{issuer}");
        }
    }
}
