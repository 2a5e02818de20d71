//! Marking an invoice as paid, voiding it, and clearing the lock of a payment that nobody decides.

use flysk_domain::admin::mark_needs_second;
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_domain::{Clock, TextEnum as _};
use flysk_queue::UnitOfWork;
use flysk_services::subscriptions::{self as services, OperatorAct, OperatorError, settings_of};
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::platform::widgets;
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Record, Visit};
use crate::screens::approval_requests;
use crate::screens::subscription_faults::to_fault;
use crate::view::{Form, format};

/// Forms for an open invoice. `is_locked`: a payment keeps it from being paid by another one, and may be ended.
pub(super) fn forms(id: InvoiceId, is_locked: bool) -> Vec<Form> {
    let clear = Form::act(format!("/invoices/{id}/clear-lock"), "Снять блокировку платежа", "Снять")
        .text(
            "После сверки в кабинете банка. Платёж, который банк не решил в срок, станет неоплаченным, и счёт можно будет оплатить \
             снова. Деньги, которые всё же придут, зачтутся или вернутся.",
        )
        .danger();
    let mut forms = vec![
        Form::act(format!("/invoices/{id}/mark-paid"), "Отметить оплаченным", "Отметить").text(
            "Деньги пришли мимо Flysk, например переводом на счёт. Период начнётся как при обычной оплате.",
        ),
        Form::act(format!("/invoices/{id}/void"), "Аннулировать", "Аннулировать")
            .text("Счёт больше нельзя оплатить. Аннулированное продление заканчивает подписку.")
            .danger(),
    ];
    if is_locked {
        forms.push(clear);
    }
    forms
}

fn state_of(invoice: &Invoice) -> Value {
    json!({ "state": invoice.state.as_str(), "total_kopecks": invoice.total })
}

/// `POST /invoices/:id/mark-paid`. Waits for a second operator if the invoice is large.
pub(crate) async fn mark_paid(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (InvoiceId, _) = (visit.request.id()?, visit.reason()?);
    let found = subscriptions::find_invoice(&mut *visit.deps.read().await?, id).await?;
    let found = found.ok_or(Fault::NotFound)?;
    if mark_needs_second(found.total) {
        // Refused now rather than when the second operator approves it.
        if found.state != InvoiceState::Open {
            return Err(to_fault(OperatorError::InvoiceNotOpen(found.state)));
        }
        let (form, subject) = (&visit.request.form, ("invoice", id.to_string()));
        let amount = format::roubles(found.total);
        return approval_requests::request(
            &visit,
            approval_requests::MARK_PAID,
            form,
            subject,
            amount,
            reason,
        )
        .await;
    }
    let run = || async {
        let mut act = visit.begin().await?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let (before, after) = mark_paid_in(act.unit(), visit.deps.clock(), id, by).await?;
        act.commit(Record {
            action: approval_requests::MARK_PAID,
            subject: ("invoice", id.to_string()),
            reason,
            before,
            after,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/invoices/{id}"), "Счёт отмечен оплаченным."))
}

/// Marks an invoice as paid, in the transaction of an act. Returns the fields before and after for the audit log.
pub(in crate::screens) async fn mark_paid_in(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoiceId,
    by: OperatorAct<'_>,
) -> Result<(Value, Value), Fault> {
    let before = subscriptions::find_invoice(unit, id).await?.ok_or(Fault::NotFound)?;
    services::mark_paid(unit, clock, id, by).await.map_err(to_fault)?;
    Ok((state_of(&before), json!({ "state": InvoiceState::Paid.as_str() })))
}

/// `POST /invoices/:id/void`.
pub(crate) async fn void(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (InvoiceId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let found = subscriptions::find_invoice(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let row = subscriptions::lock_subscription(&mut act, found.subscription_id).await?;
        let invoice = subscriptions::lock_invoice(&mut act, id).await?;
        let widget = widgets::find(&mut act, row.widget_id).await?.ok_or(Fault::NotFound)?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let (clock, settings) = (visit.deps.clock(), settings_of(&widget));
        services::void_invoice(act.unit(), clock, &settings, &row, &invoice, by).await.map_err(to_fault)?;
        act.commit(Record {
            action: "invoice.void",
            subject: ("invoice", id.to_string()),
            reason,
            before: state_of(&invoice),
            after: json!({ "state": InvoiceState::Void.as_str() }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/invoices/{id}"), "Счёт аннулирован."))
}

/// `POST /invoices/:id/clear-lock`. A form that was sent twice is refused: nothing is open any more.
pub(crate) async fn clear_lock(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (InvoiceId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let invoice = subscriptions::find_invoice(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let ended = services::clear_payment_lock(act.unit(), visit.deps.clock(), id, by).await;
        let ended = ended.map_err(to_fault)?;
        act.commit(Record {
            action: "invoice.clear_lock",
            subject: ("invoice", id.to_string()),
            reason,
            before: state_of(&invoice),
            after: json!({ "ended_payment": ended }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/invoices/{id}"), "Блокировка снята, счёт можно оплатить снова."))
}
