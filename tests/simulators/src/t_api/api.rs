//! Methods of the T-API.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flysk_domain::Clock as _;
use flysk_domain::platform::subscriptions::moscow_day;
use poem::http::{StatusCode, header};
use poem::web::{Data, Path, Query};
use poem::{Request, Response, handler};
use serde::Deserialize;
use serde_json::{Value, json};

use super::TApi;
use super::check::SendBody;
use super::model::{Method, Operation, SentInvoice, fresh_id};
use crate::lock::locked;

/// Most operations of a page.
const MAX_PAGE_SIZE: usize = 5_000;

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errorCode": code, "errorId": fresh_id(), "errorMessage": message });
    answer(status, &body)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    Response::builder().status(status).content_type("application/json").body(body.to_string())
}

/// The refusal of a request by its token, its address or the limit, in this order.
fn refusal(bank: &TApi, request: &Request, method: Method) -> Option<Response> {
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if sent.and_then(|value| value.strip_prefix("Bearer ")) != Some(bank.inner.options.token.as_str()) {
        return Some(refused(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Токен не найден"));
    }
    if bank.behaviour().refuses_address {
        return Some(refused(StatusCode::FORBIDDEN, "FORBIDDEN", "Запрос с этого адреса запрещён"));
    }
    let too_many = bank.behaviour().limits_requests && !locked(&bank.inner.books).admits(method);
    too_many.then(|| refused(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "Слишком много запросов"))
}

/// `POST /api/v1/invoice/send`. A second invoice with one number is another invoice: the bank has no idempotency.
#[handler]
#[expect(clippy::needless_pass_by_value, reason = "poem extracts values")]
pub(super) fn send_invoice(request: &Request, body: Bytes, Data(bank): Data<&TApi>) -> Response {
    if let Some(refusal) = refusal(bank, request, Method::Send) {
        return refusal;
    }
    if !request.content_type().is_some_and(|kind| kind.starts_with("application/json")) {
        return refused(StatusCode::BAD_REQUEST, "INVALID_DATA", "Тело запроса не JSON");
    }
    let sent: SendBody = match serde_json::from_slice(&body) {
        Ok(sent) => sent,
        Err(error) => return refused(StatusCode::BAD_REQUEST, "INVALID_DATA", &error.to_string()),
    };
    let today = moscow_day(bank.control().clock().now());
    if let Some(field) = sent.wrong_field(&bank.inner.options.account, today) {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", field);
    }
    let payer = sent.payer.as_ref();
    let invoice = SentInvoice {
        id: fresh_id(),
        number: sent.invoice_number.clone(),
        payer_inn: payer.and_then(|payer| payer.inn.clone()).unwrap_or_default(),
        payer_name: payer.map(|payer| payer.name.clone()).unwrap_or_default(),
        kopecks: sent.kopecks(),
        vat: sent.items.first().map(|item| item.vat.clone()).unwrap_or_default(),
        purpose: sent.custom_payment_purpose.clone().unwrap_or_default(),
        emails: sent.contacts.iter().map(|contact| contact.email.clone()).collect(),
        paid: false,
        slug: fresh_id(),
    };
    let pdf_url = format!("{}/invoices/api/v1/public/document/{}", bank.inner.url, invoice.slug);
    let told = json!({ "pdfUrl": pdf_url, "invoiceId": invoice.id });
    locked(&bank.inner.books).invoices.push(invoice);
    answer(StatusCode::OK, &told)
}

/// `GET /api/v1/openapi/invoice/{id}/info`. Neither amount nor day are told.
#[handler]
pub(super) fn invoice_info(request: &Request, Path(id): Path<String>, Data(bank): Data<&TApi>) -> Response {
    if let Some(refusal) = refusal(bank, request, Method::Info) {
        return refusal;
    }
    let paid_word = bank.behaviour().paid_word;
    let books = locked(&bank.inner.books);
    match books.invoices.iter().find(|invoice| invoice.id == id) {
        Some(invoice) => {
            let status = if invoice.paid { paid_word.as_str() } else { "SUBMITTED" };
            answer(StatusCode::OK, &json!({ "status": status }))
        }
        None => refused(StatusCode::NOT_FOUND, "NOT_FOUND", "Счёт не найден"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Period {
    account_number: String,
    from: DateTime<Utc>,
    till: Option<DateTime<Utc>>,
    limit: Option<usize>,
    cursor: Option<usize>,
}

/// `GET /api/v1/statement`.
#[handler]
pub(super) fn statement(
    request: &Request,
    period: poem::Result<Query<Period>>,
    Data(bank): Data<&TApi>,
) -> Response {
    if let Some(refusal) = refusal(bank, request, Method::Statement) {
        return refusal;
    }
    let Ok(Query(period)) = period else {
        return refused(StatusCode::BAD_REQUEST, "INVALID_DATA", "Неверные параметры");
    };
    if period.account_number != bank.inner.options.account {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR", "accountNumber");
    }
    let behaviour = bank.behaviour();
    let mut listed: Vec<Operation> = bank.operations();
    listed.retain(|operation| {
        operation.at >= period.from && period.till.is_none_or(|till| operation.at < till)
    });
    if behaviour.newest_first {
        listed.reverse();
    }
    let size = period.limit.unwrap_or(MAX_PAGE_SIZE).clamp(1, MAX_PAGE_SIZE).min(behaviour.page_size.max(1));
    let first = period.cursor.unwrap_or_default();
    let again = usize::from(behaviour.repeats_at_page_ends && first > 0);
    let page: Vec<Value> = listed
        .iter()
        .skip(first - again)
        .take(size + again)
        .map(|one| told(one, &period.account_number))
        .collect();
    let next = Some(first + size).filter(|next| *next < listed.len()).map(|next| next.to_string());
    answer(StatusCode::OK, &json!({ "operations": page, "nextCursor": next }))
}

/// An operation as the statement tells it.
fn told(operation: &Operation, account: &str) -> Value {
    let transfer = &operation.transfer;
    let amount: Value = serde_json::from_str(&flysk_domain::money::Kopecks(transfer.kopecks).to_string())
        .unwrap_or(Value::Null);
    json!({
        "operationId": operation.id,
        "operationStatus": if transfer.authorised_only { "Authorization" } else { "Transaction" },
        "typeOfOperation": if transfer.outgoing { "Debit" } else { "Credit" },
        "accountNumber": account,
        "accountAmount": amount,
        "operationDate": operation.at.to_rfc3339(),
        "trxnPostDate": operation.at.to_rfc3339(),
        "documentNumber": transfer.document_number,
        "payPurpose": transfer.purpose,
        "payer": { "name": transfer.payer_name, "inn": transfer.payer_inn, "acct": transfer.payer_account },
    })
}

/// A document. Whoever knows the link reads it; a token on the way to it would be a leak and is refused.
#[handler]
pub(super) fn document(request: &Request, Path(slug): Path<String>, Data(bank): Data<&TApi>) -> Response {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return StatusCode::FORBIDDEN.into();
    }
    let books = locked(&bank.inner.books);
    match books.invoices.iter().find(|invoice| invoice.slug == slug) {
        Some(invoice) => Response::builder()
            .content_type("application/pdf")
            .body(format!("%PDF-1.4\n% invoice {}\n%%EOF\n", invoice.number)),
        None => StatusCode::NOT_FOUND.into(),
    }
}

/// The bank answers HEAD with 405.
#[handler]
pub(super) fn no_head() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}
