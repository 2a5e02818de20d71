//! The history of payments.

use askama::Template;
use flysk_domain::TextEnum as _;
use flysk_domain::platform::subscriptions::{InvoiceKind, InvoiceState, moscow_day};
use flysk_domain::russian::roubles;
use flysk_store::platform::subscriptions::Invoice;
use poem::http::StatusCode;
use poem::web::{Data, Path, Query};
use poem::{Request, Response, handler};
use serde::Deserialize;

use super::super::render_page;
use super::super::view::STYLE;
use super::answer;
use super::caller::Caller;
use super::frame::Frame;
use super::texts::day;
use crate::deps::Deps;
use crate::platform::subscriptions::list_page;

/// Invoices on a page.
const PAGE_LEN: u32 = 20;

/// An invoice in a list.
#[derive(Debug)]
pub(super) struct InvoiceRow {
    pub(super) id: String,
    pub(super) title: String,
    /// Day on which it was paid, or written.
    pub(super) on: String,
    pub(super) total: String,
    /// State in Russian.
    pub(super) label: String,
    /// State, for styles.
    pub(super) code: &'static str,
}

impl From<&Invoice> for InvoiceRow {
    fn from(invoice: &Invoice) -> Self {
        Self {
            id: invoice.id.to_string(),
            title: invoice.title.clone(),
            on: day(moscow_day(invoice.paid_at.unwrap_or(invoice.created_at))),
            total: roubles(invoice.total),
            label: label_of(invoice),
            code: invoice.state.as_str(),
        }
    }
}

/// State of an invoice, in Russian.
pub(super) fn label_of(invoice: &Invoice) -> String {
    match invoice.state {
        InvoiceState::Open => "Ждёт оплаты".to_owned(),
        InvoiceState::Paid if invoice.refunded >= invoice.total => "Деньги возвращены".to_owned(),
        InvoiceState::Paid if invoice.refunded.is_positive() => {
            format!("Оплачен, возвращено {}", roubles(invoice.refunded))
        }
        InvoiceState::Paid => "Оплачен".to_owned(),
        InvoiceState::Void => match invoice.void_reason.as_deref() {
            Some("superseded") => "Заменён новым счётом",
            Some("not_paid") => "Не оплачен в срок",
            Some("discarded") => "Отозван",
            _ => "Аннулирован",
        }
        .to_owned(),
    }
}

/// Name of the subject that an invoice pays, in Russian.
pub(super) const fn kind_ru(kind: InvoiceKind) -> &'static str {
    match kind {
        InvoiceKind::Start => "Оформление подписки",
        InvoiceKind::Renewal => "Следующий период",
        InvoiceKind::Change => "Изменение подписки",
    }
}

/// Context of the page.
#[derive(Template)]
#[template(path = "billing/subscription/history.html")]
struct History {
    frame: Frame,
    invoices: Vec<InvoiceRow>,
    next: Option<String>,
}

/// Query of the page.
#[derive(Debug, Deserialize)]
pub(super) struct HistoryQuery {
    before: Option<String>,
}

/// `GET /billing/subscription/{install}/invoices`: all invoices, newest first. Only for administrators.
#[handler]
pub(super) async fn show(
    deps: Data<&Deps>,
    request: &Request,
    Path(install): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Response {
    Box::pin(answer(async {
        let caller = Caller::of(&deps, request, &install).await?;
        let (found, next) = list_page(&deps, &caller.user, query.before.as_deref(), PAGE_LEN).await?;
        let invoices = found.iter().map(InvoiceRow::from).collect();
        let frame = Frame::load(&deps, &caller).await?;
        render_page(StatusCode::OK, &History { frame, invoices, next })
    }))
    .await
}
