//! Query to the bank, and the end of a review.

use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoicePaymentId;
use flysk_jobs::platform::subscriptions::QueryInvoicePayment;
use flysk_services::invoice_payments::{ResolveReviewError, resolve_review};
use flysk_store::platform::invoice_payments::{self, Attempt};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Record, Support, Visit};
use crate::view::{Form, Labeled as _};

/// Forms for a payment.
pub(super) fn forms(attempt: &Attempt, may_resolve: bool) -> Vec<Form> {
    let id = attempt.id;
    let refresh = Form::act(format!("/payments/{id}/refresh"), "Спросить банк", "Спросить")
        .text("Задание узнает состояние платежа у банка и применит ответ.");
    let resolve = Form::act(format!("/payments/{id}/resolve"), "Закончить проверку", "Закончить")
        .text(
            "После сверки в кабинете банка. Платёж на проверке станет неоплаченным, и счёт можно будет оплатить снова. В банк \
             ничего не отправляется: если деньги там взяты, верните их в кабинете.",
        )
        .danger();
    let is_disputed = may_resolve && attempt.discrepancy.is_some();
    if is_disputed { vec![refresh, resolve] } else { vec![refresh] }
}

/// `POST /payments/:id/refresh`.
pub(crate) async fn refresh(visit: Visit<Support>) -> Result<Response, Fault> {
    let (id, reason): (InvoicePaymentId, _) = (visit.request.id()?, visit.reason()?);
    let ask = || async {
        let mut act = visit.begin().await?;
        let attempt = invoice_payments::find_attempt(&mut act, id).await?.ok_or(Fault::NotFound)?;
        act.unit().enqueue(&QueryInvoicePayment { attempt_id: id }).await?;
        act.commit(Record {
            action: "payment.refresh",
            subject: ("payment", id.to_string()),
            reason,
            before: json!({ "state": attempt.state.as_str() }),
            after: Value::Null,
        })
        .await
    };
    repeat_contended(ask).await?;
    Ok(visit
        .done(&format!("/payments/{id}"), "Банк будет опрошен. Обновите страницу через несколько секунд."))
}

/// `POST /payments/:id/resolve`.
pub(crate) async fn resolve(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (InvoicePaymentId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        invoice_payments::find_attempt(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let clock = visit.deps.clock();
        let resolved = resolve_review(act.unit(), clock, id).await.map_err(|error| match error {
            ResolveReviewError::NoDiscrepancy(_) => Fault::conflict("У платежа больше нет расхождения."),
            ResolveReviewError::Store(error) => error.into(),
        })?;
        act.commit(Record {
            action: "payment.resolve_review",
            subject: ("payment", id.to_string()),
            reason,
            before: json!({ "state": resolved.before.state.as_str(), "discrepancy": resolved.discrepancy.as_str() }),
            after: json!({ "state": resolved.state.as_str(), "discrepancy": null }),
        })
        .await?;
        Ok::<_, Fault>(resolved.state)
    };
    let state = repeat_contended(run).await?;
    Ok(visit.done(&format!("/payments/{id}"), &format!("Проверка закончена, платёж: {}.", state.label())))
}
