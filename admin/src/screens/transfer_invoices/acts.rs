//! Withdrawing an invoice that waits for money.

use flysk_domain::id::TransferInvoiceId;
use flysk_services::transfers::{TransferContext, TransferError, withdraw_transfer_invoice};
use flysk_store::platform::transfers;
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::json;

use crate::http::{Billing, Fault, Record, Visit};
use crate::view::Form;

/// The form that withdraws an invoice.
pub(super) fn withdraw_form(id: TransferInvoiceId) -> Form {
    Form::act(format!("/transfer-invoices/{id}/withdraw"), "Отозвать счёт", "Отозвать")
        .text(
            "Счёт перестанет действовать. Что поступило по нему и ещё поступит, окажется на балансе фирмы и пойдёт в её следующий счёт.",
        )
        .danger()
}

/// `POST /transfer-invoices/:id/withdraw`.
pub(crate) async fn withdraw(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (TransferInvoiceId, _) = (visit.request.id()?, visit.reason()?);
    let context = TransferContext { keyring: &visit.deps.keyring, clock: visit.deps.clock() };
    let run = || async {
        let mut act = visit.begin().await?;
        let found = transfers::find_transfer_invoice(&mut act, id).await?.ok_or(Fault::NotFound)?;
        if !withdraw_transfer_invoice(act.unit(), context, id).await.map_err(to_fault)? {
            return Err(Fault::conflict("Счёт уже не ждёт денег."));
        }
        act.commit(Record {
            action: "transfer_invoice.withdraw",
            subject: ("transfer_invoice", id.to_string()),
            reason,
            before: json!({ "state": found.state.to_string(), "paid_kopecks": found.paid }),
            after: json!({ "state": "void" }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/transfer-invoices/{id}"), "Счёт отозван."))
}

fn to_fault(error: TransferError) -> Fault {
    match error {
        TransferError::Store(error) => error.into(),
        error => Fault::internal(error),
    }
}
