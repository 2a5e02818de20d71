//! Requests of acts that need a second operator.

use flysk_domain::id::PendingActId;
use flysk_store::admin::pending_acts::{self, PendingAct};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Pairs, Rank, Record, Visit};
use crate::request::form::query_string;

/// Act of a compensation.
pub(super) const CREDIT: &str = "wallet.credit";

/// Act of a refund.
pub(super) const REFUND: &str = "purchase.refund";

/// Act of a refund of an invoice.
pub(super) const INVOICE_REFUND: &str = "invoice.refund";

/// Act of marking an invoice as paid.
pub(super) const MARK_PAID: &str = "invoice.mark_paid";

/// Act of granting bonus days.
pub(super) const BONUS: &str = "subscription.bonus";

/// Stores an act that needs a second operator, with the form to perform it by and a row in the audit log. `subject`: kind and id.
pub(super) async fn store<R: Rank>(
    visit: &Visit<R>,
    action: &'static str,
    form: &Pairs,
    subject: (&str, String),
    amount: &str,
    reason: &str,
) -> Result<(), Fault> {
    let pending = PendingAct {
        id: PendingActId::generate(visit.deps.clock()),
        action: action.to_owned(),
        subject_id: subject.1.clone(),
        form: query_string(&form.written()).trim_start_matches('?').to_owned(),
        amount: amount.to_owned(),
        reason: reason.to_owned(),
        requested_by: visit.who.id,
        requested_login: visit.who.login.clone(),
        requested_at: visit.deps.clock().now(),
        outcome: None,
    };
    let write = || async {
        let mut act = visit.begin().await?;
        pending_acts::insert(&mut act, &pending).await?;
        act.commit(Record {
            action: "approval.request",
            subject: (subject.0, subject.1.clone()),
            reason,
            before: Value::Null,
            after: json!({ "approval": pending.id, "action": action, "amount": amount }),
        })
        .await
    };
    repeat_contended(write).await
}

/// [`store`] of an act on money, and the page that tells of it.
pub(super) async fn request(
    visit: &Visit<Billing>,
    action: &'static str,
    form: &Pairs,
    subject: (&str, String),
    amount: String,
    reason: &str,
) -> Result<Response, Fault> {
    let path = visit.request.path.trim_end_matches(|c| c != '/').trim_end_matches('/').to_owned();
    store(visit, action, form, subject, &amount, reason).await?;
    // Of an invoice, its own amount counts; of the others, what was done before as well.
    let summed = if action == MARK_PAID { "" } else { ", считая уже выполненное" };
    let notice = format!("{amount}{summed}: нужен второй оператор. Заявка ждёт в разделе «Заявки».");
    Ok(visit.done(&path, &notice))
}
