//! Addresses of documents of invoices for firms.
//!
//! An address is short-lived and ours: the bank's link to its PDF never leaves the server.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::Keyring;
use flysk_domain::id::TransferInvoiceId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::deps::Deps;

/// Lifetime of an address. Each view of a page or an object has a new one.
const TICKET_TTL: TimeDelta = TimeDelta::minutes(15);
const AAD: &str = "transfer_document";
/// Path of the files, without a slash at the beginning.
const PATH: &str = "billing/documents";

/// A document of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DocumentKind {
    Invoice,
    /// The act of what was paid.
    Act,
}

/// Permission that an address carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentTicket {
    pub(crate) invoice: TransferInvoiceId,
    pub(crate) kind: DocumentKind,
    /// End, in Unix seconds.
    until: i64,
}

impl DocumentTicket {
    fn url(&self, public_url: &Url, keyring: &Keyring) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        let sealed = keyring.seal_token(&SecretString::from(text), AAD).ok()?;
        let mut url = public_url.join(PATH).ok()?;
        url.query_pairs_mut().append_pair("ticket", &sealed);
        Some(url.into())
    }

    /// The permission of an address; `None` if it is not one, or has ended.
    pub(crate) fn open(sealed: &str, keyring: &Keyring, now: DateTime<Utc>) -> Option<Self> {
        let text = keyring.open_token(sealed, AAD).ok()?;
        let ticket: Self = serde_json::from_str(text.expose_secret()).ok()?;
        (ticket.until > now.timestamp()).then_some(ticket)
    }
}

/// A new address of a document; `None` if it cannot be encrypted.
pub(crate) fn document_url(deps: &Deps, invoice: TransferInvoiceId, kind: DocumentKind) -> Option<String> {
    let until = (deps.clock().now() + TICKET_TTL).timestamp();
    DocumentTicket { invoice, kind, until }.url(&deps.config.http.public_url, &deps.keyring)
}

#[cfg(test)]
mod tests {
    use flysk_domain::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn an_address_is_good_for_minutes_and_for_its_document_only() {
        let keyring = Keyring::parse("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let now = SystemClock.now();
        let ticket = DocumentTicket {
            invoice: TransferInvoiceId::generate(&SystemClock),
            kind: DocumentKind::Act,
            until: (now + TICKET_TTL).timestamp(),
        };
        let url: Url =
            ticket.url(&"https://api.example.com/".parse().unwrap(), &keyring).unwrap().parse().unwrap();
        assert_eq!(url.path(), "/billing/documents");
        let sealed = url.query_pairs().next().unwrap().1.into_owned();
        assert_eq!(DocumentTicket::open(&sealed, &keyring, now), Some(ticket));
        assert_eq!(DocumentTicket::open(&sealed, &keyring, now + TICKET_TTL), None);
        assert_eq!(DocumentTicket::open(&sealed[1..], &keyring, now), None);
    }
}
