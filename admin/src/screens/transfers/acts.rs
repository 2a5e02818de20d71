//! Decisions about waiting money. Each takes all of it from the queue at once and cannot be taken back.

use flysk_domain::id::{BankOperationId, InstallId};
use flysk_domain::platform::transfers::{Inn, InvoiceNumber};
use flysk_services::transfers::{
    DecideError, Decision, TransferContext, TransferError, dismiss_operation, match_operation_to_invoice,
    move_operation_to_balance,
};
use flysk_store::platform::transfers::{self, BankOperation};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Record, Visit};
use crate::view::{Field, Form};

/// Forms of the decisions.
pub(super) fn forms(operation: &BankOperation) -> Vec<Form> {
    let id = operation.id;
    let to_invoice = Form::act(format!("/transfers/{id}/match"), "Отдать счёту", "Отдать")
        .text("Счёт возьмёт, сколько ему не хватает, и то, за что он выставлен, откроется. Лишнее станет остатком фирмы счёта.")
        .field(Field::number("number", "Номер счёта").required())
        .danger();
    let to_balance = Form::act(format!("/transfers/{id}/balance"), "Зачислить в остаток фирмы", "Зачислить")
        .text("Остаток возьмёт следующий счёт этой установки на этот ИНН.")
        .field(Field::text("install", "Установка").hint("ins_…").required())
        .field(Field::text("inn", "ИНН фирмы").value(&operation.payer_inn).required())
        .danger();
    let dismissed =
        Form::act(format!("/transfers/{id}/dismiss"), "Это не платёж клиента", "Убрать из очереди")
            .text("Перевод останется в выписке и больше ни на что не повлияет.")
            .danger();
    vec![to_invoice, to_balance, dismissed]
}

/// What a decision does with the money.
enum Destination {
    Invoice(InvoiceNumber),
    Balance(InstallId, Inn),
    Foreign,
}

impl Destination {
    /// Code for the audit log.
    const fn action(&self) -> &'static str {
        match self {
            Self::Invoice(_) => "transfer.match",
            Self::Balance(..) => "transfer.to_balance",
            Self::Foreign => "transfer.dismiss",
        }
    }

    /// For the audit log.
    fn state(&self) -> Value {
        match self {
            Self::Invoice(number) => json!({ "invoice_number": number.get() }),
            Self::Balance(install, inn) => json!({ "install": install, "inn": inn.as_str() }),
            Self::Foreign => json!({ "foreign": true }),
        }
    }
}

/// `POST /transfers/:id/match`.
pub(crate) async fn give_to_invoice(visit: Visit<Billing>) -> Result<Response, Fault> {
    let typed: Option<i64> = visit.request.form.parsed("number", "Номер счёта")?;
    let number = typed.and_then(InvoiceNumber::written);
    let number = number.ok_or_else(|| Fault::refused("Такого номера счёта не бывает: проверьте цифры."))?;
    decide(&visit, &Destination::Invoice(number), "Деньги отданы счёту.").await
}

/// `POST /transfers/:id/balance`.
pub(crate) async fn put_into_balance(visit: Visit<Billing>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let install: Option<InstallId> = form.parsed("install", "Установка")?;
    let inn: Option<Inn> = form.parsed("inn", "ИНН фирмы")?;
    let (Some(install), Some(inn)) = (install, inn) else {
        return Err(Fault::refused("Заполните установку и ИНН фирмы."));
    };
    decide(&visit, &Destination::Balance(install, inn), "Деньги в остатке фирмы.").await
}

/// `POST /transfers/:id/dismiss`.
pub(crate) async fn dismiss(visit: Visit<Billing>) -> Result<Response, Fault> {
    decide(&visit, &Destination::Foreign, "Перевод убран из очереди.").await
}

async fn decide(visit: &Visit<Billing>, destination: &Destination, notice: &str) -> Result<Response, Fault> {
    let (id, reason): (BankOperationId, _) = (visit.request.id()?, visit.reason()?);
    let by = format!("operator:{}", visit.who.login);
    let decision = Decision { operation: id, by: &by, reason };
    let context = TransferContext { keyring: &visit.deps.keyring, clock: visit.deps.clock() };
    let run = || async {
        let mut act = visit.begin().await?;
        let operation = transfers::find_operation(&mut act, id).await?.ok_or(Fault::NotFound)?;
        match destination {
            Destination::Invoice(number) => {
                let vendor = operation.vendor_id;
                let invoice = transfers::find_transfer_invoice_by_number(&mut act, vendor, *number).await?;
                let invoice =
                    invoice.ok_or_else(|| Fault::refused("У продавца нет счёта с этим номером."))?;
                match_operation_to_invoice(act.unit(), context, &decision, invoice.id).await
            }
            Destination::Balance(install, inn) => {
                move_operation_to_balance(act.unit(), context, &decision, (*install, *inn)).await
            }
            Destination::Foreign => dismiss_operation(act.unit(), context, &decision).await,
        }
        .map_err(refused)?;
        act.commit(Record {
            action: destination.action(),
            subject: ("transfer", id.to_string()),
            reason,
            before: json!({ "state": "queued", "kopecks": operation.amount }),
            after: destination.state(),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/transfers/{id}"), notice))
}

fn refused(error: DecideError) -> Fault {
    match error {
        DecideError::NotQueued => Fault::conflict("Об этих деньгах уже решили."),
        DecideError::UnknownOperation => Fault::NotFound,
        DecideError::NotWaiting => Fault::refused("Этот счёт денег не ждёт. Зачислите их в остаток фирмы."),
        DecideError::UnknownInstall => Fault::refused("Такой установки нет."),
        DecideError::Transfer(TransferError::Store(error)) => error.into(),
        DecideError::Transfer(error) => Fault::internal(error),
    }
}
