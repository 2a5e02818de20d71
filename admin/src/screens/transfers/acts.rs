//! Decisions about waiting money. Each takes all of it from the queue at once and cannot be taken back. Above a limit a second
//! operator confirms it.

use flysk_domain::admin::transfer_needs_second;
use flysk_domain::id::{BankOperationId, InstallId};
use flysk_domain::platform::transfers::{Inn, InvoiceNumber, OperationState, PaymentOrder};
use flysk_queue::UnitOfWork;
use flysk_services::transfers::{
    DecideError, Decision, TransferContext, TransferError, dismiss_operation, match_operation_to_invoice,
    move_operation_to_balance, record_returned_operation,
};
use flysk_store::platform::transfers::{self, BankOperation, TransferInvoice};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use super::order::{order_fields, order_of};
use crate::deps::Deps;
use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::screens::approval_requests;
use crate::view::{Field, Form, format};

const MATCH: &str = "transfer.match";
const TO_BALANCE: &str = "transfer.to_balance";
const DISMISS: &str = "transfer.dismiss";
const RETURNED: &str = "transfer.returned";
const LEAVE: &str = "transfer.leave";

/// Whether an act of the audit log is a decision about waiting money.
pub(in crate::screens) fn is_decision(action: &str) -> bool {
    [MATCH, TO_BALANCE, DISMISS, RETURNED].contains(&action)
}

/// Forms of the decisions.
pub(super) fn forms(operation: &BankOperation) -> Vec<Form> {
    let id = operation.id;
    let to_invoice = Form::act(format!("/transfers/{id}/match"), "Отдать счёту", "Отдать")
        .text("Счёт получит, сколько ему не хватает, и то, за что он выставлен, откроется. Лишнее зачислится на баланс фирмы счёта.")
        .field(Field::number("number", "Номер счёта").required())
        .danger();
    let to_balance = Form::act(format!("/transfers/{id}/balance"), "Зачислить на баланс фирмы", "Зачислить")
        .text("Эти деньги пойдут в оплату следующего счёта этой установки на этот ИНН.")
        .field(Field::text("install", "Установка").hint("ins_…").required())
        .field(Field::text("inn", "ИНН фирмы").value(&operation.payer_inn).required())
        .danger();
    let returned = Form::act(
        format!("/transfers/{id}/returned"),
        "Деньги вернули плательщику",
        "Записать возврат",
    )
    .text(
        "Сначала верните деньги платёжным поручением в банке: Flysk сам их не переводит, а только запомнит.",
    )
    .fields(order_fields())
    .danger();
    let dismissed =
        Form::act(format!("/transfers/{id}/dismiss"), "Это не платёж клиента", "Убрать из очереди")
            .text("Перевод останется в выписке и больше ни на что не повлияет.")
            .danger();
    let left = Form::act(format!("/transfers/{id}/leave"), "Оставить в очереди", "Записать").text(
        "Деньги останутся на месте, а причина будет видна на этой странице: например, ждём ответа клиента.",
    );
    vec![to_invoice, to_balance, returned, dismissed, left]
}

/// Destination that a decision gives the money.
enum Destination {
    Invoice(InvoiceNumber),
    Balance(InstallId, Inn),
    Returned(PaymentOrder),
    Foreign,
}

impl Destination {
    /// Reads the destination from the form of a decision.
    fn of(action: &str, form: &Pairs) -> Result<Self, Fault> {
        match action {
            MATCH => {
                let typed: Option<i64> = form.parsed("number", "Номер счёта")?;
                let number = typed.and_then(InvoiceNumber::written);
                let wrong = || Fault::refused("Такого номера счёта не бывает: проверьте цифры.");
                Ok(Self::Invoice(number.ok_or_else(wrong)?))
            }
            TO_BALANCE => {
                let install: Option<InstallId> = form.parsed("install", "Установка")?;
                let inn: Option<Inn> = form.parsed("inn", "ИНН фирмы")?;
                let missing = || Fault::refused("Заполните установку и ИНН фирмы.");
                install.zip(inn).map(|(install, inn)| Self::Balance(install, inn)).ok_or_else(missing)
            }
            RETURNED => Ok(Self::Returned(order_of(form)?)),
            _ => Ok(Self::Foreign),
        }
    }

    /// For the audit log.
    fn state(&self) -> Value {
        match self {
            Self::Invoice(number) => json!({ "invoice_number": number.get() }),
            Self::Balance(install, inn) => json!({ "install": install, "inn": inn.as_str() }),
            Self::Returned(order) => json!({ "returned": order.to_string() }),
            Self::Foreign => json!({ "foreign": true }),
        }
    }
}

/// `POST /transfers/:id/match`.
pub(crate) async fn give_to_invoice(visit: Visit<Billing>) -> Result<Response, Fault> {
    decide(&visit, MATCH, "Деньги отданы счёту.").await
}

/// `POST /transfers/:id/balance`.
pub(crate) async fn put_into_balance(visit: Visit<Billing>) -> Result<Response, Fault> {
    decide(&visit, TO_BALANCE, "Деньги на балансе фирмы.").await
}

/// `POST /transfers/:id/returned`.
pub(crate) async fn record_returned(visit: Visit<Billing>) -> Result<Response, Fault> {
    decide(&visit, RETURNED, "Возврат записан.").await
}

/// `POST /transfers/:id/dismiss`.
pub(crate) async fn dismiss(visit: Visit<Billing>) -> Result<Response, Fault> {
    decide(&visit, DISMISS, "Перевод убран из очереди.").await
}

/// `POST /transfers/:id/leave`: records why the money waits. Nothing moves.
pub(crate) async fn leave(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (BankOperationId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let found = transfers::find_operation(&mut act, id).await?.ok_or(Fault::NotFound)?;
        must_wait(&found)?;
        act.commit(Record {
            action: LEAVE,
            subject: ("transfer", id.to_string()),
            reason,
            before: Value::Null,
            after: Value::Null,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/transfers/{id}"), "Записано, деньги остались в очереди."))
}

async fn decide(visit: &Visit<Billing>, action: &'static str, notice: &str) -> Result<Response, Fault> {
    let (id, reason): (BankOperationId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let destination = Destination::of(action, form)?;
    let mut conn = visit.deps.read().await?;
    let found = transfers::find_operation(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    // Refused now rather than when the second operator approves it.
    must_wait(&found)?;
    if let Destination::Invoice(number) = &destination {
        invoice_of(&mut conn, &found, *number).await?;
    }
    drop(conn);
    if transfer_needs_second(found.amount) {
        let (subject, amount) = (("transfer", id.to_string()), format::roubles(found.amount));
        return approval_requests::request(visit, action, form, subject, amount, reason).await;
    }
    let run = || async {
        let mut act = visit.begin().await?;
        let who = (visit.who.login.as_str(), reason);
        let (before, after) = decide_in(act.unit(), &visit.deps, (id, action), form, who).await?;
        act.commit(Record { action, subject: ("transfer", id.to_string()), reason, before, after }).await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/transfers/{id}"), notice))
}

/// Carries out the decision of a form, in the transaction of an act. Returns the fields before and after for the audit log.
pub(in crate::screens) async fn decide_in(
    unit: &mut UnitOfWork,
    deps: &Deps,
    (id, action): (BankOperationId, &str),
    form: &Pairs,
    (login, reason): (&str, &str),
) -> Result<(Value, Value), Fault> {
    let destination = Destination::of(action, form)?;
    let operation = transfers::find_operation(unit, id).await?.ok_or(Fault::NotFound)?;
    let by = format!("operator:{login}");
    let decision = Decision { operation: id, by: &by, reason };
    let context = TransferContext { keyring: &deps.keyring, clock: deps.clock() };
    match &destination {
        Destination::Invoice(number) => {
            let invoice = invoice_of(unit, &operation, *number).await?;
            match_operation_to_invoice(unit, context, &decision, invoice.id).await
        }
        Destination::Balance(install, inn) => {
            move_operation_to_balance(unit, context, &decision, (*install, *inn)).await
        }
        Destination::Returned(order) => record_returned_operation(unit, context, &decision, order).await,
        Destination::Foreign => dismiss_operation(unit, context, &decision).await,
    }
    .map_err(to_fault)?;
    Ok((json!({ "state": "queued", "kopecks": operation.amount }), destination.state()))
}

fn must_wait(operation: &BankOperation) -> Result<(), Fault> {
    if operation.state == OperationState::Queued { Ok(()) } else { Err(to_fault(DecideError::NotQueued)) }
}

async fn invoice_of(
    conn: &mut Conn,
    operation: &BankOperation,
    number: InvoiceNumber,
) -> Result<TransferInvoice, Fault> {
    let found = transfers::find_transfer_invoice_by_number(conn, operation.vendor_id, number).await?;
    found.ok_or_else(|| Fault::refused("У продавца нет счёта с этим номером."))
}

fn to_fault(error: DecideError) -> Fault {
    match error {
        DecideError::NotQueued => Fault::conflict("Об этих деньгах уже решили."),
        DecideError::UnknownOperation => Fault::NotFound,
        DecideError::NotWaiting => Fault::refused("Этот счёт денег не ждёт. Зачислите их на баланс фирмы."),
        DecideError::UnknownInstall => Fault::refused("Такой установки нет."),
        DecideError::OtherSeller => {
            Fault::refused("Виджет этой установки продаёт другой продавец, а деньги пришли этому.")
        }
        DecideError::Transfer(TransferError::Store(error)) => error.into(),
        DecideError::Transfer(error) => Fault::internal(error),
    }
}
