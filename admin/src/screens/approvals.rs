//! Acts with money above a limit, decisions about large transfers, and erasures of accounts: one operator requests, another one approves or declines.

use flysk_domain::admin::OperatorRole;
use flysk_domain::id::{
    BankOperationId, InstallId, InvoiceId, PendingActId, PurchaseId, SubscriptionId, WalletId,
};
use flysk_services::erasure::ERASE;
use flysk_services::subscriptions::OperatorAct;
use flysk_store::admin::pending_acts::{self, PendingAct};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use super::approval_objects::{APPROVED, DECLINE, kind_of, path_of};
use super::approval_requests::{BONUS, CREDIT, INVOICE_REFUND, MARK_PAID};
use super::transfers::RETURN_BALANCE;
use super::{decided_requests, erasure, invoices, purchases, subscriptions, transfers, wallets};
use crate::http::{Act, Billing, Fault, Missing, Pairs, Proving, Rank, Record, Support, Visit};
use crate::view::{Cell, DetailPage, Form, KeptField, Row, Section, Table, labels};

/// Rows on the page.
const ROWS_SHOWN: u32 = 100;
const DECLINED: &str = "declined";

/// `GET /approvals`. Whoever may not decide sees the own requests only: that of an erasure needs no larger role.
pub(crate) async fn list(visit: Visit<Support>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let requested_by = (!visit.who.may::<Billing>()).then_some(visit.who.id);
    let waiting = match requested_by {
        None => pending_acts::list_open(&mut conn, ROWS_SHOWN).await?,
        Some(id) => pending_acts::list_open_of(&mut conn, id, ROWS_SHOWN).await?,
    };
    let decided = decided_requests::section(&visit, &mut conn, requested_by).await?;
    let mut page = DetailPage::new(visit.layout("Заявки второму оператору"));
    let head = ["Запрошено", "Кем", "Действие", "Объект", "Сумма", "Что в заявке", "Причина"];
    let open = Table::new(&head, waiting.iter().map(row).collect());
    page.sections = vec![Section::new("Ждут второго оператора", open, "Заявок нет."), decided];
    page.acts = waiting.iter().flat_map(|act| forms(act, visit.who.id == act.requested_by)).collect();
    visit.page(&page)
}

fn row(act: &PendingAct) -> Row {
    Row::plain(vec![
        Cell::time(act.requested_at),
        Cell::text(act.requested_login.clone()),
        Cell::text(labels::action(&act.action)),
        Cell::link(path_of(act), &act.subject_id),
        Cell::Amount(act.amount.clone()),
        Cell::text(written(act)),
        Cell::text(act.reason.clone()),
    ])
}

/// What the requester wrote into the form besides the reason: where the money goes, above all. Who approves it answers for that.
fn written(act: &PendingAct) -> String {
    let fields = Pairs::parse(act.form.as_bytes()).written().into_iter().map(KeptField::new);
    let shown =
        fields.filter(|field| !field.hidden && field.name != "reason" && !field.value.trim().is_empty());
    let texts: Vec<String> = shown.map(|field| format!("{}: {}", field.label, field.value)).collect();
    texts.join("; ")
}

/// Forms for an act. Who requested it may only withdraw it.
fn forms(act: &PendingAct, is_own: bool) -> Vec<Form> {
    let (action, login) = (labels::action(&act.action), &act.requested_login);
    let text = format!("Действие: {action}, {}. Запросил: {login}, причина: {}", act.amount, act.reason);
    let approve =
        Form::act(format!("/approvals/{}/approve", act.id), "Подтвердить", "Подтвердить").text(text.clone());
    let title = if is_own { "Отозвать" } else { "Отклонить" };
    let decline = Form::act(format!("/approvals/{}/decline", act.id), title, title).text(text).danger();
    if is_own { vec![decline] } else { vec![approve, decline] }
}

/// Locks a waiting act.
async fn lock<R: Rank>(visit: &Visit<R>, act: &mut Act<'_, R>) -> Result<PendingAct, Fault> {
    let id: PendingActId = visit.request.id()?;
    let pending = pending_acts::lock(act, id).await?.ok_or(Fault::NotFound)?;
    if pending.outcome.is_some() {
        return Err(Fault::conflict("По этой заявке уже решили."));
    }
    Ok(pending)
}

/// `POST /approvals/:id/approve`: performs the act, in one transaction with the decision.
pub(crate) async fn approve(visit: Visit<Billing>) -> Result<Response, Fault> {
    let comment = visit.reason()?;
    let run = || async {
        let mut act = visit.begin().await?;
        let pending = lock(&visit, &mut act).await?;
        if pending.requested_by == visit.who.id {
            return Err(Fault::refused("Свою заявку подтверждает другой оператор."));
        }
        let form = Pairs::parse(pending.form.as_bytes());
        let (before, after) = match pending.action.as_str() {
            CREDIT => credit(&visit, &mut act, &pending, &form).await?,
            INVOICE_REFUND => refund_invoice(&visit, &mut act, &pending, &form).await?,
            MARK_PAID => mark_paid(&visit, &mut act, &pending).await?,
            BONUS => grant_bonus(&visit, &mut act, &pending, &form).await?,
            ERASE => erasure::erase_in(&visit, &mut act, &pending, &form).await?,
            RETURN_BALANCE => return_balance(&visit, &mut act, &pending, &form).await?,
            action if transfers::is_decision(action) => {
                decide_transfer(&visit, &mut act, &pending, &form).await?
            }
            _ => refund(&visit, &mut act, &pending, &form).await?,
        };
        let now = act.now();
        pending_acts::decide(&mut act, pending.id, APPROVED, visit.who.id, now).await?;
        let reason: String = format!("{} (запросил {}; {comment})", pending.reason, pending.requested_login)
            .chars()
            .take(500)
            .collect();
        act.commit(Record {
            action: &pending.action,
            subject: (kind_of(&pending), pending.subject_id.clone()),
            reason: &reason,
            before,
            after,
        })
        .await?;
        Ok::<_, Fault>(path_of(&pending))
    };
    let path = repeat_contended(run).await?;
    Ok(visit.done(&path, "Заявка подтверждена и выполнена."))
}

/// Credits a requested compensation.
async fn credit(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    let id: WalletId = pending.subject_id.parse().map_err(Fault::internal)?;
    let (before, after) = wallets::credit_in(act, visit.deps.clock(), id, form).await?;
    // The form of the compensation was sent twice, and both requests waited.
    if before.is_null() {
        return Err(Fault::refused("Эта компенсация уже начислена по другой заявке. Отклоните эту."));
    }
    Ok((before, after))
}

/// Requests a requested refund from the bank.
async fn refund(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    let id: PurchaseId = pending.subject_id.parse().map_err(Fault::internal)?;
    if form.get("roubles").is_none() {
        return Err(Fault::refused("В заявке нет суммы. Отклоните её и запросите возврат заново."));
    }
    purchases::refund_in(act, visit.deps.clock(), id, form, &pending.requested_login).await
}

/// Refunds an invoice from the bank, in the name of the operator who requested it.
async fn refund_invoice(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    let id: InvoiceId = pending.subject_id.parse().map_err(Fault::internal)?;
    let by = OperatorAct { operator: &pending.requested_login, reason: &pending.reason };
    invoices::refund_in(act.unit(), visit.deps.clock(), id, form, by).await
}

/// Marks an invoice as paid, in the name of the operator who requested it.
async fn mark_paid(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
) -> Result<(Value, Value), Fault> {
    let id: InvoiceId = pending.subject_id.parse().map_err(Fault::internal)?;
    let by = OperatorAct { operator: &pending.requested_login, reason: &pending.reason };
    invoices::mark_paid_in(act.unit(), visit.deps.clock(), id, by).await
}

/// Grants bonus days, in the name of the operator who requested them.
async fn grant_bonus(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    let id: SubscriptionId = pending.subject_id.parse().map_err(Fault::internal)?;
    let by = OperatorAct { operator: &pending.requested_login, reason: &pending.reason };
    subscriptions::grant_bonus_in(act, visit.deps.clock(), id, form, by).await
}

/// Carries out a decision about waiting money, in the name of the operator who requested it.
async fn decide_transfer(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    let id: BankOperationId = pending.subject_id.parse().map_err(Fault::internal)?;
    let who = (pending.requested_login.as_str(), pending.reason.as_str());
    transfers::decide_in(act.unit(), &visit.deps, (id, &pending.action), form, who).await
}

/// Records the return of a balance, in the name of the operator who requested it.
async fn return_balance(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    let id: InstallId = pending.subject_id.parse().map_err(Fault::internal)?;
    let who = (pending.requested_login.as_str(), pending.reason.as_str());
    transfers::return_in(act.unit(), &visit.deps, id, form, who).await
}

/// `POST /approvals/:id/decline`. Everybody may withdraw the own request.
pub(crate) async fn decline(visit: Visit<Proving>) -> Result<Response, Fault> {
    let reason = visit.reason()?;
    let run = || async {
        let mut act = visit.begin().await?;
        let pending = lock(&visit, &mut act).await?;
        let is_own = pending.requested_by == visit.who.id;
        if !is_own && !visit.who.may::<Billing>() {
            return Err(Fault::Forbidden(Missing::Role(OperatorRole::Billing)));
        }
        let now = act.now();
        pending_acts::decide(&mut act, pending.id, DECLINED, visit.who.id, now).await?;
        act.commit(Record {
            action: DECLINE,
            subject: ("approval", pending.id.to_string()),
            reason,
            before: json!({ "action": pending.action, "amount": pending.amount, "requested_by": pending.requested_login }),
            after: Value::Null,
        })
        .await?;
        Ok::<_, Fault>(is_own)
    };
    let notice = if repeat_contended(run).await? {
        "Заявка отозвана."
    } else {
        "Заявка отклонена."
    };
    Ok(visit.done("/approvals", notice))
}
