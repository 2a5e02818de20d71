//! A vendor's own terminal at T-Bank. Its password is sealed at once and never shown.

use flysk_domain::id::VendorId;
use flysk_services::vendors as services;
use flysk_store::platform::vendors::Vendor;
use flysk_store::repeat_contended;
use poem::Response;
use secrecy::SecretString;
use serde_json::json;

use super::edit::{lock, seen_field, to_fault};
use crate::http::{Fault, Owner, Record, Visit};
use crate::request::form::TERMINAL_PASSWORD_FIELD;
use crate::view::{Field, Form};

/// Forms for the terminal.
pub(super) fn forms(vendor: &Vendor) -> Vec<Form> {
    let id = vendor.id;
    let title = if vendor.terminal_key.is_some() {
        "Заменить терминал или его пароль"
    } else {
        "Задать терминал"
    };
    let set = Form::act(format!("/vendors/{id}/terminal"), title, "Сохранить")
        .text(
            "Новые платежи пойдут через этот терминал. Пароль хранится зашифрованным и больше не будет показан. После замены \
             ключа платежи и карты прежнего терминала недоступны: дождитесь открытых платежей.",
        )
        .field(
            Field::text("terminal_key", "Ключ терминала")
                .value(vendor.terminal_key.as_deref().unwrap_or_default())
                .required(),
        )
        .field(Field::password(TERMINAL_PASSWORD_FIELD, "Пароль терминала").required())
        .field(seen_field(vendor))
        .danger();
    let remove = Form::act(format!("/vendors/{id}/remove-terminal"), "Убрать терминал", "Убрать")
        .text("Новые платежи пойдут через терминал из настроек Flysk. Карты, сохранённые на этом терминале, больше не спишутся.")
        .field(seen_field(vendor))
        .danger();
    if vendor.terminal_key.is_some() { vec![set, remove] } else { vec![set] }
}

/// `POST /vendors/:id/terminal`.
pub(crate) async fn set_terminal(visit: Visit<Owner>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let key = form.required("terminal_key", "Ключ терминала")?;
    let password = SecretString::from(form.raw(TERMINAL_PASSWORD_FIELD).unwrap_or_default().trim());
    write(&visit, Some((key, &password)), "vendor.set_terminal").await?;
    let id: VendorId = visit.request.id()?;
    Ok(visit.done(&format!("/vendors/{id}"), "Терминал сохранён, пароль зашифрован."))
}

/// `POST /vendors/:id/remove-terminal`.
pub(crate) async fn remove_terminal(visit: Visit<Owner>) -> Result<Response, Fault> {
    write(&visit, None, "vendor.remove_terminal").await?;
    let id: VendorId = visit.request.id()?;
    Ok(visit.done(&format!("/vendors/{id}"), "Терминал убран."))
}

async fn write(
    visit: &Visit<Owner>,
    terminal: Option<(&str, &SecretString)>,
    action: &str,
) -> Result<(), Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let vendor = lock(visit, &mut act, id).await?;
        let (now, before) = (act.now(), json!({ "terminal_key": vendor.terminal_key }));
        let changed = services::set_terminal(&mut act, &visit.deps.keyring, vendor, terminal, now)
            .await
            .map_err(to_fault)?;
        act.commit(Record {
            action,
            subject: ("vendor", id.to_string()),
            reason,
            before,
            after: json!({ "terminal_key": changed.terminal_key }),
        })
        .await
    };
    repeat_contended(run).await
}
