//! Documents of invoices for firms: the files behind their addresses.

use flysk_services::pdf::{act_pdf, find_issued_act, invoice_pdf, load_transfer_invoice};
use flysk_store::platform::transfers::find_transfer_invoice;
use poem::http::{StatusCode, header};
use poem::web::{Data, Query};
use poem::{Response, handler};
use serde::Deserialize;

use super::super::{error_page, render_page, view};
use crate::billing_links::{DocumentKind, DocumentTicket, HostedPage};
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// An address that has ended.
const ENDED: view::Message = view::Message {
    title: "Ссылка больше не действует",
    text: "Документ можно скачать на странице счёта в течение 15 минут после того, как она открыта. Откройте её снова.",
};

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
    let Some(ticket) = DocumentTicket::open(&query.ticket, &deps.keyring, deps.clock().now()) else {
        let shown = render_page(StatusCode::UNAUTHORIZED, &ENDED);
        return shown.unwrap_or_else(|problem| error_page(HostedPage::Flycoins, &problem));
    };
    let found = Box::pin(file(&deps, ticket)).await;
    found.unwrap_or_else(|problem| error_page(HostedPage::Flycoins, &problem))
}

async fn file(deps: &Deps, ticket: DocumentTicket) -> Result<Response, Problem> {
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
