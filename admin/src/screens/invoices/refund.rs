//! Refunding a paid invoice, wholly or in part. Large refunds wait for a second operator.

use flysk_domain::Clock;
use flysk_domain::admin::refund_needs_second;
use flysk_domain::id::InvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{InvalidRefund, InvoiceState};
use flysk_queue::UnitOfWork;
use flysk_services::invoice_payments::{RefundOrder, RequestRefundError, request_refund};
use flysk_services::subscriptions::{Actor, OperatorAct, suggested_refund};
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::screens::approval_requests;
use crate::view::{Field, Form, format};

/// Ways of paying an invoice without a payment at the terminal: an operator's mark, and a transfer, which a payment order returns.
/// The bank has nothing that could be refunded.
const OUTSIDE: [&str; 2] = ["manual", "transfer"];

fn is_paid_outside(invoice: &Invoice) -> bool {
    invoice.paid_by.as_deref().is_some_and(|means| OUTSIDE.contains(&means))
}

fn left_of(invoice: &Invoice) -> Kopecks {
    Kopecks(invoice.total.0.saturating_sub(invoice.refunded.0))
}

/// The form that refunds an invoice, with the share of its unused days; `None` if nothing can be refunded.
pub(in crate::screens) fn form_of(invoice: &Invoice, clock: &dyn Clock) -> Option<Form> {
    let left = left_of(invoice);
    let is_paid = invoice.state == InvoiceState::Paid && !is_paid_outside(invoice);
    if !is_paid || !left.is_positive() {
        return None;
    }
    let share = suggested_refund(invoice, clock);
    let form = Form::act(format!("/invoices/{}/refund", invoice.id), "Вернуть деньги", "Вернуть")
        .text(format!(
            "За неиспользованные дни с сегодняшнего: {}. Можно вернуть до {}. Деньги вернутся тем же способом. Текущий \
             период продолжится: когда вернули все деньги, подписку можно закончить сразу на её странице. Следующий \
             период, оплаченный заранее, без денег не начнётся; чтобы за него не выставили счёт, отмените подписку.",
            format::roubles(share),
            format::roubles(left)
        ))
        .field(
            Field::text("roubles", "Сумма, рублей")
                .value(if share.is_positive() { share.to_string() } else { String::new() })
                .hint("Пусто: всё, что осталось"),
        )
        .field(Field::hidden("seen", invoice.refunded.0))
        .danger();
    Some(form)
}

/// A form that was sent twice refunds once: it knows what was refunded when it was opened.
fn check_seen(form: &Pairs, invoice: &Invoice) -> Result<(), Fault> {
    let seen: Option<i64> = form.parsed("seen", "seen")?;
    if seen == Some(invoice.refunded.0) {
        return Ok(());
    }
    Err(Fault::conflict("По этому счёту тем временем оформили другой возврат. Откройте счёт заново."))
}

fn kopecks_of(form: &Pairs) -> Result<Option<Kopecks>, Fault> {
    let text = form.get("roubles").map(|text| text.replace(',', "."));
    let wrong = || Fault::refused("Сумма: рубли с копейками через точку, например 499.05.");
    text.map(|text| text.parse()).transpose().map_err(|_| wrong())
}

/// `POST /invoices/:id/refund`. Waits for a second operator if the invoice's refunds are large together.
pub(crate) async fn refund(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (InvoiceId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let found = subscriptions::find_invoice(&mut *visit.deps.read().await?, id).await?;
    let found = found.ok_or(Fault::NotFound)?;
    check_seen(form, &found)?;
    let wanted = kopecks_of(form)?.unwrap_or_else(|| left_of(&found));
    let total = found.refunded.checked_add(wanted).map_err(|_| Fault::refused("Сумма слишком велика."))?;
    if refund_needs_second(total) {
        // Refused now rather than when the second operator approves it.
        if found.paid_at.is_none() {
            return Err(not_paid());
        }
        if is_paid_outside(&found) {
            return Err(to_fault(RequestRefundError::NotPaid));
        }
        if !wanted.is_positive() {
            return Err(to_fault(InvalidRefund::NotPositive.into()));
        }
        if wanted > left_of(&found) {
            return Err(more_than(left_of(&found)));
        }
        // What an empty field stands for may change before the second operator approves it.
        let form = form.with("roubles", &wanted.to_string());
        let (subject, amount) = (("invoice", id.to_string()), format::roubles(wanted));
        return approval_requests::request(
            &visit,
            approval_requests::INVOICE_REFUND,
            &form,
            subject,
            amount,
            reason,
        )
        .await;
    }
    let run = || async {
        let mut act = visit.begin().await?;
        let by = OperatorAct { operator: &visit.who.login, reason };
        let (before, after) = refund_in(act.unit(), visit.deps.clock(), id, form, by).await?;
        let total = subscriptions::find_invoice(&mut act, id).await?.ok_or(Fault::NotFound)?.refunded;
        if refund_needs_second(total) {
            return Err(Fault::conflict("Сумма возвратов этого счёта уже другая. Откройте счёт заново."));
        }
        act.commit(Record {
            action: approval_requests::INVOICE_REFUND,
            subject: ("invoice", id.to_string()),
            reason,
            before,
            after,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/invoices/{id}"), "Возврат принят, деньги вернёт задание."))
}

/// Requests the refund that the form asks for, in the transaction of an act. Returns the fields before and after for the audit
/// log.
pub(in crate::screens) async fn refund_in(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoiceId,
    form: &Pairs,
    by: OperatorAct<'_>,
) -> Result<(Value, Value), Fault> {
    let found = subscriptions::find_invoice(unit, id).await?.ok_or(Fault::NotFound)?;
    subscriptions::lock_subscription(unit, found.subscription_id).await?;
    let before = subscriptions::lock_invoice(unit, id).await?;
    check_seen(form, &before)?;
    if before.paid_at.is_none() {
        return Err(not_paid());
    }
    let actor = Actor::Operator(by.operator).to_string();
    let order = RefundOrder { invoice_id: id, kopecks: kopecks_of(form)?, actor: &actor, reason: by.reason };
    let refund = request_refund(unit, clock, order).await.map_err(to_fault)?;
    let after =
        json!({ "refund": refund.id, "refund_kopecks": refund.amount, "payment": refund.payment_row_id });
    Ok((json!({ "refunded_kopecks": before.refunded }), after))
}

fn not_paid() -> Fault {
    Fault::conflict("Счёт не оплачен: возвращать нечего.")
}

/// Why a refund is refused, in Russian.
fn to_fault(error: RequestRefundError) -> Fault {
    match error {
        RequestRefundError::NotPaid => Fault::conflict(
            "Счёт оплачен переводом или мимо Flysk: у банка нет платежа, который можно вернуть.",
        ),
        RequestRefundError::AlreadyInProgress => {
            Fault::conflict("Предыдущий возврат этого счёта ещё не закончен: дождитесь ответа банка.")
        }
        RequestRefundError::AddressErased => Fault::conflict(
            "Адрес для чека стёрт вместе с данными аккаунта. Верните всю сумму сразу или оформите возврат в кабинете банка.",
        ),
        RequestRefundError::Amount(InvalidRefund::NothingLeft) => {
            Fault::conflict("Возвращать нечего: за этот счёт уже всё вернули.")
        }
        RequestRefundError::Amount(InvalidRefund::MoreThanLeft(left)) => more_than(left),
        RequestRefundError::Amount(InvalidRefund::NotPositive) => {
            Fault::refused("Сумма должна быть больше нуля.")
        }
        RequestRefundError::Amount(InvalidRefund::OutOfRange(_)) => Fault::refused("Сумма слишком велика."),
        RequestRefundError::Store(error) => error.into(),
    }
}

fn more_than(left: Kopecks) -> Fault {
    Fault::refused(format!("Столько вернуть нельзя: осталось {}.", format::roubles(left)))
}
