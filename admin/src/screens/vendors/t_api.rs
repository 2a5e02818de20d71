//! A vendor's access to T-Bank's T-API, and how long its invoices can be paid. The token is sealed at once and never shown.

use flysk_domain::id::VendorId;
use flysk_domain::platform::transfers::{DueTerms, MAX_DUE_DAYS};
use flysk_services::audit_states::due_terms_state;
use flysk_services::transfers::{AccessError, set_t_api_access};
use flysk_store::platform::transfers::{self, TApiAccess};
use flysk_store::platform::vendors::Vendor;
use flysk_store::repeat_contended;
use poem::Response;
use secrecy::SecretString;
use serde_json::json;

use super::edit::{lock, seen_field};
use crate::http::{Fault, Operator, Owner, Record, Visit};
use crate::request::form::T_API_TOKEN_FIELD;
use crate::view::{Field, Form};

/// Forms for the access.
pub(super) fn forms(vendor: &Vendor, access: Option<&TApiAccess>) -> Vec<Form> {
    let id = vendor.id;
    let title = if access.is_some() {
        "Заменить доступ к T-API"
    } else {
        "Принимать оплату по счёту (T-API)"
    };
    let set = Form::act(format!("/vendors/{id}/t-api"), title, "Сохранить")
        .text(
            "Банк выставит счета от этого счёта, а выписка по нему покажет оплату. Нужен токен с правами на счета и выписку. Он \
             хранится зашифрованным и больше не будет показан.",
        )
        .field(
            Field::text("account", "Расчётный счёт")
                .value(access.map_or("", |access| access.account.as_str()))
                .hint("20 цифр")
                .required(),
        )
        .field(Field::password(T_API_TOKEN_FIELD, "Токен T-API").required())
        .field(seen_field(vendor))
        .danger();
    let remove = Form::act(format!("/vendors/{id}/remove-t-api"), "Убрать доступ к T-API", "Убрать")
        .text("Новых счетов не будет, а оплату выставленных никто не увидит: сначала дождитесь её.")
        .field(seen_field(vendor))
        .danger();
    if access.is_some() { vec![set, remove] } else { vec![set] }
}

/// `POST /vendors/:id/t-api`.
pub(crate) async fn set_t_api(visit: Visit<Owner>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let account = form.required("account", "Расчётный счёт")?;
    let token = SecretString::from(form.raw(T_API_TOKEN_FIELD).unwrap_or_default().trim());
    write(&visit, Some((account, &token)), "vendor.set_t_api").await?;
    let id: VendorId = visit.request.id()?;
    Ok(visit.done(&format!("/vendors/{id}"), "Доступ сохранён, токен зашифрован."))
}

/// `POST /vendors/:id/remove-t-api`.
pub(crate) async fn remove_t_api(visit: Visit<Owner>) -> Result<Response, Fault> {
    write(&visit, None, "vendor.remove_t_api").await?;
    let id: VendorId = visit.request.id()?;
    Ok(visit.done(&format!("/vendors/{id}"), "Доступ убран."))
}

async fn write(
    visit: &Visit<Owner>,
    access: Option<(&str, &SecretString)>,
    action: &str,
) -> Result<(), Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        lock(visit, &mut act, id).await?;
        let former = transfers::find_access(&mut act, id).await?;
        let now = act.now();
        set_t_api_access(&mut act, &visit.deps.keyring, id, access, now).await.map_err(to_fault)?;
        act.commit(Record {
            action,
            subject: ("vendor", id.to_string()),
            reason,
            before: json!({ "account": former.map(|former| former.account) }),
            after: json!({ "account": access.map(|(account, _)| account) }),
        })
        .await
    };
    repeat_contended(run).await
}

/// The form for the time in which invoices can be paid.
pub(super) fn terms_form(vendor: &Vendor, terms: DueTerms) -> Form {
    Form::act(format!("/vendors/{}/transfer-terms", vendor.id), "Срок оплаты счетов для организаций", "Сохранить")
        .text(
            "Столько дней действует цена нового счёта. Выставленные счета сохранят свой срок. Банковские дни: с понедельника по \
             пятницу, праздники не вычитаются.",
        )
        .field(Field::number("days", "Дней").value(terms.days()).hint("От 1 до 30").required())
        .field(
            Field::check("banking_days", "Считать только банковские дни")
                .value(if terms.counts_banking_days() { "yes" } else { "" }),
        )
        .field(seen_field(vendor))
}

/// `POST /vendors/:id/transfer-terms`.
pub(crate) async fn set_terms(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let wrong = || Fault::refused(format!("Срок оплаты: от 1 до {MAX_DUE_DAYS} дней."));
    let days: Option<u32> = form.parsed("days", "Дней")?;
    let terms = days.map(|days| DueTerms::new(days, form.is_set("banking_days")));
    let terms = terms.ok_or_else(wrong)?.map_err(|_| wrong())?;
    let run = || async {
        let mut act = visit.begin().await?;
        lock(&visit, &mut act, id).await?;
        let former = transfers::find_due_terms(&mut act, id).await?.unwrap_or_default();
        let now = act.now();
        transfers::set_due_terms(&mut act, id, terms, now).await?;
        act.commit(Record {
            action: "vendor.set_transfer_terms",
            subject: ("vendor", id.to_string()),
            reason,
            before: due_terms_state(former),
            after: due_terms_state(terms),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), "Срок оплаты счетов сохранён."))
}

fn to_fault(error: AccessError) -> Fault {
    match error {
        AccessError::Account => Fault::refused("Расчётный счёт: 20 цифр."),
        AccessError::Token => Fault::refused("Введите токен без пробелов."),
        AccessError::Store(error) => error.into(),
        error @ AccessError::Keyring(_) => Fault::internal(error),
    }
}
