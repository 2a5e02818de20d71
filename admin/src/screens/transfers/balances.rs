//! Balances of an install's firms, and recording that one was sent back.

use chrono::TimeDelta;
use flysk_domain::admin::transfer_needs_second;
use flysk_domain::id::{InstallId, VendorId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::Inn;
use flysk_queue::UnitOfWork;
use flysk_services::transfers::{ReturnBalanceError, ReturnedBalance, record_returned_balance};
use flysk_store::platform::transfers::{self, BalanceOwner};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use super::order::{order_fields, order_of};
use crate::deps::Deps;
use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::screens::approval_requests;
use crate::view::{Cell, Field, Form, Row, Section, Table, format};

/// Act of a recorded return.
pub(in crate::screens) const RETURN_BALANCE: &str = "install.return_balance";
/// Hours in which the returns of a balance are added up.
const SUMMED_HOURS: i64 = 24;
const BALANCE_LABEL: &str = "Баланс";
const AMOUNT_LABEL: &str = "Сумма, рублей";

/// Section with the balances of firms at the install; `None` if there are none.
pub(in crate::screens) fn section(balances: &[(BalanceOwner, Kopecks)]) -> Option<Section> {
    if balances.is_empty() {
        return None;
    }
    let row = |(owner, kopecks): &(BalanceOwner, Kopecks)| {
        Row::plain(vec![
            Cell::code(owner.inn),
            Cell::roubles(*kopecks),
            Cell::link(format!("/vendors/{}", owner.vendor), "Продавец"),
        ])
    };
    let table = Table::new(&["ИНН", "Баланс", "У кого"], balances.iter().map(row).collect());
    let section = Section::new("Балансы фирм", table, "Балансов нет.");
    Some(section.text("Деньги переводов, которые пойдут в оплату следующего счёта на этот ИНН."))
}

/// The form that records a return; `None` if there is nothing to return.
pub(in crate::screens) fn form(install: InstallId, balances: &[(BalanceOwner, Kopecks)]) -> Option<Form> {
    if balances.is_empty() {
        return None;
    }
    let choices = balances.iter().map(|(owner, kopecks)| {
        (format!("{} {}", owner.vendor, owner.inn), format!("{}: {}", owner.inn, format::roubles(*kopecks)))
    });
    let form =
        Form::act(format!("/installs/{install}/return-balance"), "Деньги с баланса вернули фирме", "Записать возврат")
            .text(
                "Сначала верните деньги платёжным поручением в банке. Пока возврат не записан, эти деньги пойдут в оплату \
                 следующего счёта, то есть уйдут дважды.",
            )
            .field(Field::choice("balance", BALANCE_LABEL, choices).required())
            .field(Field::text("roubles", AMOUNT_LABEL).hint("Например 4990.00").required())
            .fields(order_fields())
            .danger();
    Some(form)
}

fn owner_of(install: InstallId, form: &Pairs) -> Result<BalanceOwner, Fault> {
    let text = form.required("balance", BALANCE_LABEL)?;
    let wrong = || Fault::refused("Выберите баланс из списка.");
    let (vendor, inn) = text.split_once(' ').ok_or_else(wrong)?;
    let vendor: VendorId = vendor.parse().map_err(|_| wrong())?;
    let inn: Inn = inn.parse().map_err(|_| wrong())?;
    Ok(BalanceOwner { vendor, install, inn })
}

fn kopecks_of(form: &Pairs) -> Result<Kopecks, Fault> {
    let text = form.required("roubles", AMOUNT_LABEL)?.replace(',', ".");
    text.parse().map_err(|_| Fault::refused("Сумма: рубли с копейками через точку, например 4990.00."))
}

/// `POST /installs/:id/return-balance`. Waits for a second operator if the balance's returns of a day are large together.
pub(crate) async fn return_balance(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (InstallId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let (owner, kopecks) = (owner_of(id, form)?, kopecks_of(form)?);
    let run = || async {
        let mut act = visit.begin().await?;
        let who = (visit.who.login.as_str(), reason);
        let (before, after) = return_in(act.unit(), &visit.deps, id, form, who).await?;
        // The balance is locked by now: no other return is added to it before this transaction ends.
        let since = visit.deps.clock().now() - TimeDelta::hours(SUMMED_HOURS);
        if transfer_needs_second(transfers::sum_returned_since(&mut act, owner, since).await?) {
            return Ok(false);
        }
        act.commit(Record {
            action: RETURN_BALANCE,
            subject: ("install", id.to_string()),
            reason,
            before,
            after,
        })
        .await?;
        Ok::<_, Fault>(true)
    };
    if !repeat_contended(run).await? {
        let (subject, amount) = (("install", id.to_string()), format::roubles(kopecks));
        return approval_requests::request(&visit, RETURN_BALANCE, form, subject, amount, reason).await;
    }
    Ok(visit.done(&format!("/installs/{id}"), "Возврат записан, баланс уменьшен."))
}

/// Records the return that a form describes, in the transaction of an act. Returns the fields before and after for the audit log.
pub(in crate::screens) async fn return_in(
    unit: &mut UnitOfWork,
    deps: &Deps,
    install: InstallId,
    form: &Pairs,
    (login, reason): (&str, &str),
) -> Result<(Value, Value), Fault> {
    let (owner, kopecks, order) = (owner_of(install, form)?, kopecks_of(form)?, order_of(form)?);
    let by = format!("operator:{login}");
    let before = transfers::find_balance(unit, owner).await?;
    let returned = ReturnedBalance { owner, kopecks, order: &order, by: &by, reason };
    record_returned_balance(unit, deps.clock(), returned).await.map_err(to_fault)?;
    let after = transfers::find_balance(unit, owner).await?;
    Ok((
        json!({ "inn": owner.inn.as_str(), "balance_kopecks": before }),
        json!({ "balance_kopecks": after, "order": order.to_string() }),
    ))
}

fn to_fault(error: ReturnBalanceError) -> Fault {
    match error {
        ReturnBalanceError::Amount => Fault::refused("Сумма должна быть больше нуля."),
        ReturnBalanceError::TooMuch => Fault::refused("На балансе столько нет."),
        ReturnBalanceError::Known => Fault::conflict("Это поручение уже записано."),
        ReturnBalanceError::Store(error) => error.into(),
    }
}
