//! Documents of invoices for firms: signed addresses, and the files behind them.
//!
//! An address is short-lived and ours: the bank's link to its PDF never leaves the server.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::Keyring;
use flysk_domain::id::TransferInvoiceId;
use flysk_services::pdf::{act_pdf, find_issued_act, invoice_pdf, load_transfer_invoice};
use flysk_store::platform::transfers::find_transfer_invoice;
use poem::http::{StatusCode, header};
use poem::web::{Data, Query};
use poem::{Response, handler};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::session::HostedPage;
use super::super::{error_page, render_page, view};
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Lifetime of an address. Each view of a page or an object has a new one.
const TICKET_TTL: TimeDelta = TimeDelta::minutes(15);
const AAD: &str = "transfer_document";
/// Path of the files, without a slash at the beginning.
const PATH: &str = "billing/documents";

/// An address that has ended.
const ENDED: view::Message = view::Message {
    title: "Ссылка больше не действует",
    text: "Документ можно скачать на странице счёта в течение 15 минут после того, как она открыта. Откройте её снова.",
};

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
struct Ticket {
    invoice: TransferInvoiceId,
    kind: DocumentKind,
    /// End, in Unix seconds.
    until: i64,
}

impl Ticket {
    fn url(&self, public_url: &Url, keyring: &Keyring) -> Option<String> {
        let text = serde_json::to_string(self).ok()?;
        let sealed = keyring.seal_token(&SecretString::from(text), AAD).ok()?;
        let mut url = public_url.join(PATH).ok()?;
        url.query_pairs_mut().append_pair("ticket", &sealed);
        Some(url.into())
    }

    fn open(sealed: &str, keyring: &Keyring, now: DateTime<Utc>) -> Option<Self> {
        let text = keyring.open_token(sealed, AAD).ok()?;
        let ticket: Self = serde_json::from_str(text.expose_secret()).ok()?;
        (ticket.until > now.timestamp()).then_some(ticket)
    }
}

/// A new address of a document; `None` if it cannot be encrypted.
pub(crate) fn document_url(deps: &Deps, invoice: TransferInvoiceId, kind: DocumentKind) -> Option<String> {
    let until = (deps.clock().now() + TICKET_TTL).timestamp();
    Ticket { invoice, kind, until }.url(&deps.config.http.public_url, &deps.keyring)
}

/// Query of an address.
#[derive(Deserialize)]
pub(in crate::billing_page) struct DocumentQuery {
    #[serde(default)]
    ticket: String,
}

/// `GET /billing/documents?ticket=…`: the PDF.
#[handler]
pub(in crate::billing_page) async fn download(
    deps: Data<&Deps>,
    Query(query): Query<DocumentQuery>,
) -> Response {
    let Some(ticket) = Ticket::open(&query.ticket, &deps.keyring, deps.clock().now()) else {
        let shown = render_page(StatusCode::UNAUTHORIZED, &ENDED);
        return shown.unwrap_or_else(|problem| error_page(HostedPage::Flycoins, &problem));
    };
    let found = Box::pin(file(&deps, ticket)).await;
    found.unwrap_or_else(|problem| error_page(HostedPage::Flycoins, &problem))
}

async fn file(deps: &Deps, ticket: Ticket) -> Result<Response, Problem> {
    let absent = || Problem::new(ProblemCode::NotFound, "there is no such document");
    let mut conn = deps.conn().await?;
    let invoice = find_transfer_invoice(&mut conn, ticket.invoice).await?.ok_or_else(absent)?;
    let (name, content) = match ticket.kind {
        DocumentKind::Invoice => {
            let written = load_transfer_invoice(&mut conn, &invoice).await?;
            (format!("invoice-{}.pdf", invoice.number), invoice_pdf(&written))
        }
        DocumentKind::Act => {
            // As it was issued: never from what the seller is called or taxed by now.
            let act = find_issued_act(&mut conn, invoice.id).await?.ok_or_else(absent)?;
            (format!("act-{}.pdf", act.number), act_pdf(&act))
        }
    };
    Ok(Response::builder()
        .content_type("application/pdf")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
        .body(content))
}

#[cfg(test)]
mod tests {
    use flysk_domain::{Clock as _, SystemClock};

    use super::*;

    #[test]
    fn an_address_is_good_for_minutes_and_for_its_document_only() {
        let keyring = Keyring::parse("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let now = SystemClock.now();
        let ticket = Ticket {
            invoice: TransferInvoiceId::generate(&SystemClock),
            kind: DocumentKind::Act,
            until: (now + TICKET_TTL).timestamp(),
        };
        let url: Url =
            ticket.url(&"https://api.example.com/".parse().unwrap(), &keyring).unwrap().parse().unwrap();
        assert_eq!(url.path(), "/billing/documents");
        let sealed = url.query_pairs().next().unwrap().1.into_owned();
        assert_eq!(Ticket::open(&sealed, &keyring, now), Some(ticket));
        assert_eq!(Ticket::open(&sealed, &keyring, now + TICKET_TTL), None);
        assert_eq!(Ticket::open(&sealed[1..], &keyring, now), None);
    }
}
