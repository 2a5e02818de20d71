//! Deciding about the closing receipt (54-FZ) of an invoice, after a look into the portal of the cash register.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoiceId;
use flysk_services::subscriptions::{self as services, OperatorAct, ReceiptDecision, receipt_needs_decision};
use flysk_store::admin::lists::receipts::{self, ReceiptFilter};
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::{Conn, StoreResult, repeat_contended};
use poem::Response;
use serde_json::json;

use crate::http::{Billing, Fault, Record, Visit};
use crate::lists::Keyset;
use crate::screens::subscription_faults::to_fault;
use crate::view::{Field, Form};

/// Values of the field with the decision.
const REGISTERED: &str = "registered";
const SEND_AGAIN: &str = "again";

/// The form for a closing receipt whose answer was lost, or that was not registered although its period is over; `None` if there is
/// nothing to decide.
pub(super) async fn form_of(
    conn: &mut Conn,
    invoice: &Invoice,
    now: DateTime<Utc>,
) -> StoreResult<Option<Form>> {
    let of_invoice = ReceiptFilter { invoice_id: Some(invoice.id), ..ReceiptFilter::default() };
    let ids = receipts::ids(conn, &of_invoice, &Keyset::newest(1)).await?;
    let newest = receipts::rows(conn, &ids).await?;
    let is_over = invoice.period.ends_at() <= now;
    let is_open = newest.first().is_some_and(|receipt| receipt_needs_decision(receipt.state, is_over));
    let choices = [(REGISTERED, "Чек есть"), (SEND_AGAIN, "Чека нет, отправить снова")];
    let form = Form::act(format!("/invoices/{}/receipt", invoice.id), "Решить о закрывающем чеке", "Решить")
        .text(
            "После сверки в кабинете кассы. Если чек там есть, возвраты будут возвратами полного расчёта, а не \
             предоплаты. Если чека нет, он уйдёт снова: второй чек на те же деньги банк не отличит от первого.",
        )
        .field(Field::choice("decision", "В кассе", choices).required())
        .danger();
    Ok(is_open.then_some(form))
}

/// `POST /invoices/:id/receipt`. A form that was sent twice is refused, unless the receipt is to be sent again and was not yet.
pub(crate) async fn decide_receipt(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (InvoiceId, _) = (visit.request.id()?, visit.reason()?);
    let (decision, code, told) = match visit.request.form.get("decision") {
        Some(REGISTERED) => (ReceiptDecision::Registered, REGISTERED, "Чек считается зарегистрированным."),
        Some(SEND_AGAIN) => (ReceiptDecision::SendAgain, SEND_AGAIN, "Чек отправит задание."),
        _ => return Err(Fault::refused("Выберите, есть ли чек в кассе.")),
    };
    let run = || async {
        let mut act = visit.begin().await?;
        subscriptions::find_invoice(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let receipt = services::decide_receipt(act.unit(), visit.deps.clock(), id, decision, by).await;
        let receipt = receipt.map_err(to_fault)?;
        act.commit(Record {
            action: "invoice.decide_receipt",
            subject: ("invoice", id.to_string()),
            reason,
            before: json!({ "state": receipt.state.as_str() }),
            after: json!({ "receipt": receipt.id, "decision": code }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/invoices/{id}"), told))
}
