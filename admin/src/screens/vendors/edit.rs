//! Creating and changing a vendor: data, taxes, widgets.

use chrono::NaiveDate;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{VendorId, WidgetId};
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::{InvalidVendor, ReceiptMode, VatRate};
use flysk_services::audit_states::{taxes_state, vendor_state};
use flysk_services::vendors::{self as services, VendorData, VendorError};
use flysk_store::platform::vendors::{self, Vendor, VendorTaxes};
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use crate::http::seen::{SEEN_FIELD, has_changed, seen_versions};
use crate::http::{Act, Fault, Operator, Pairs, Rank, Record, Visit};
use crate::view::{Field, Form, codes};

/// The form that creates a vendor.
pub(super) fn create_form() -> Form {
    let form = Form::act("/vendors/create", "Добавить продавца", "Добавить")
        .text("Пока своего терминала нет, деньги идут через терминал из настроек Flysk.")
        .field(Field::text("code", "Код").required().hint("a–z, 0–9, «-»; потом не меняется"));
    with_data(form, None)
}

/// The form with the current data.
pub(super) fn update_form(vendor: &Vendor) -> Form {
    let form = Form::act(format!("/vendors/{}/update", vendor.id), "Изменить данные", "Сохранить");
    with_data(form, Some(vendor)).field(seen_field(vendor))
}

/// The time of the last change that the form knows of.
pub(super) fn seen_field(vendor: &Vendor) -> Field {
    Field::hidden("seen", vendor.updated_at.timestamp_micros())
}

fn with_data(form: Form, vendor: Option<&Vendor>) -> Form {
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let flag = |set: bool| if set { "yes" } else { "" };
    let receipts = vendor.map_or(ReceiptMode { prepayment: true, closing: true }, |vendor| vendor.receipts);
    form.field(
        Field::text("legal_name", "Название в чеках")
            .value(text(vendor.map(|vendor| &vendor.legal_name)))
            .required(),
    )
    .field(
        Field::text("inn", "ИНН")
            .value(text(vendor.and_then(|vendor| vendor.inn.as_ref())))
            .hint("10 цифр у организации, 12 у предпринимателя"),
    )
    .field(Field::text("email", "E-mail для клиентов").value(text(vendor.and_then(|v| v.email.as_ref()))))
    .field(
        Field::text("phone", "Телефон для клиентов")
            .value(text(vendor.and_then(|vendor| vendor.phone.as_ref())))
            .hint("Как +74951234567"),
    )
    .field(
        Field::choice(
            "charge_initiator",
            "Повторные списания",
            [("R", "R: терминал ECOM"), ("I", "I: терминал AFT")],
        )
        .value(vendor.map_or("R", |vendor| vendor.charge_initiator.as_str())),
    )
    .field(Field::check("prepayment_receipts", "Чек при оплате: предоплата").value(flag(receipts.prepayment)))
    .field(Field::check("closing_receipts", "Закрывающий чек в конце периода").value(flag(receipts.closing)))
}

/// The form for taxes from a day on; `current` are those that its page shows.
pub(super) fn taxes_form(id: VendorId, current: &[VendorTaxes]) -> Form {
    let rates = codes::VAT_RATES.map(|(rate, label)| (rate.as_str(), label));
    Form::act(format!("/vendors/{id}/taxes"), "Изменить налоги с даты", "Сохранить")
        .text("Выставленные счета сохранят свои налоги. Запись на тот же день будет заменена.")
        .field(Field::date("from", "Действует с").required())
        .field(Field::choice("taxation", "Система налогообложения", codes::TAXATIONS).required())
        .field(Field::choice("vat", "НДС", rates).required())
        .field(Field::hidden(
            SEEN_FIELD,
            seen_versions(current.iter().map(|taxes| (taxes.valid_from, version_of(taxes)))),
        ))
}

/// Tells entries of one day apart.
fn version_of(taxes: &VendorTaxes) -> String {
    format!("{}/{}", taxes.taxation, taxes.vat.as_str())
}

/// The form that moves a widget of another vendor here.
pub(super) fn assign_form(id: VendorId, others: &[&Widget]) -> Form {
    let choices = others.iter().map(|widget| (widget.id, format!("{} ({})", widget.name, widget.code)));
    Form::act(format!("/vendors/{id}/assign"), "Передать виджет этому продавцу", "Передать")
        .text("Новые счета виджета будут от этого продавца, выставленные останутся у прежнего.")
        .field(Field::choice("widget", "Виджет", choices).required())
        .danger()
}

fn data_of(form: &Pairs) -> Result<VendorData, Fault> {
    let email: Option<Email> = form.parsed("email", "E-mail для клиентов")?;
    let optional = |name: &str| form.get(name).map(str::to_owned);
    Ok(VendorData {
        legal_name: form.required("legal_name", "Название в чеках")?.to_owned(),
        inn: optional("inn"),
        email,
        phone: optional("phone"),
        charge_initiator: form.get("charge_initiator").unwrap_or("R").to_owned(),
        receipts: ReceiptMode {
            prepayment: form.is_set("prepayment_receipts"),
            closing: form.is_set("closing_receipts"),
        },
    })
}

/// `POST /vendors/create`.
pub(crate) async fn create(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (form, reason) = (&visit.request.form, visit.reason()?);
    let (code, data) = (form.required("code", "Код")?, data_of(form)?);
    let id = VendorId::generate(visit.deps.clock());
    let run = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        let vendor = services::create_vendor(&mut act, id, code, &data, now).await.map_err(to_fault)?;
        act.commit(Record {
            action: "vendor.create",
            subject: ("vendor", id.to_string()),
            reason,
            before: Value::Null,
            after: vendor_state(&vendor),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), "Продавец добавлен."))
}

/// `POST /vendors/:id/update`.
pub(crate) async fn update(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let data = data_of(&visit.request.form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let vendor = lock(&visit, &mut act, id).await?;
        let (now, before) = (act.now(), vendor_state(&vendor));
        let after = services::update_vendor(&mut act, vendor, &data, now).await.map_err(to_fault)?;
        act.commit(Record {
            action: "vendor.update",
            subject: ("vendor", id.to_string()),
            reason,
            before,
            after: vendor_state(&after),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), "Данные продавца сохранены."))
}

/// `POST /vendors/:id/taxes`.
pub(crate) async fn put_taxes(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let day: Option<NaiveDate> = form.day("from", "Действует с")?;
    let vat: Option<VatRate> = form.parsed("vat", "НДС")?;
    let taxes = VendorTaxes {
        valid_from: day.ok_or_else(|| Fault::refused("Заполните поле «Действует с»."))?,
        taxation: form.required("taxation", "Система налогообложения")?.to_owned(),
        vat: vat.ok_or_else(|| Fault::refused("Заполните поле «НДС»."))?,
    };
    let run = || async {
        let mut act = visit.begin().await?;
        vendors::lock_vendor(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let former = vendors::find_taxes(&mut act, id, taxes.valid_from).await?;
        let of_day = former.as_ref().filter(|former| former.valid_from == taxes.valid_from);
        if has_changed(form, &taxes.valid_from.to_string(), of_day.map(version_of).as_deref()) {
            return Err(Fault::conflict(
                "Налоги на этот день тем временем записал кто-то другой. Откройте страницу продавца заново.",
            ));
        }
        let now = act.now();
        services::put_taxes(&mut act, id, &taxes, now).await.map_err(to_fault)?;
        act.commit(Record {
            action: "vendor.put_taxes",
            subject: ("vendor", id.to_string()),
            reason,
            before: former.as_ref().map_or(Value::Null, taxes_state),
            after: taxes_state(&taxes),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), "Налоги сохранены."))
}

/// `POST /vendors/:id/assign`.
pub(crate) async fn assign(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let widget: Option<WidgetId> = visit.request.form.parsed("widget", "Виджет")?;
    let widget = widget.ok_or_else(|| Fault::refused("Заполните поле «Виджет»."))?;
    let run = || async {
        let mut act = visit.begin().await?;
        let vendor = vendors::lock_vendor(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let widget = widgets::find(&mut act, widget).await?;
        let widget = widget.ok_or_else(|| Fault::refused("Такого виджета нет."))?;
        let former = vendors::find_vendor_of_widget(&mut act, widget.id).await?;
        if former.as_ref().is_some_and(|former| former.id == id) {
            return Err(Fault::conflict("Этот виджет уже у этого продавца."));
        }
        let now = act.now();
        vendors::set_vendor_of_widget(&mut act, widget.id, id, now).await?;
        act.commit(Record {
            action: "vendor.assign_widget",
            subject: ("vendor", id.to_string()),
            reason,
            before: json!({ "widget": widget.code, "vendor": former.map(|former| former.code) }),
            after: json!({ "widget": widget.code, "vendor": vendor.code }),
        })
        .await?;
        Ok::<_, Fault>(widget.name)
    };
    let name = repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), &format!("Виджет {name} передан.")))
}

/// Locks the vendor, unless it changed since the form was opened.
pub(super) async fn lock<R: Rank>(
    visit: &Visit<R>,
    act: &mut Act<'_, R>,
    id: VendorId,
) -> Result<Vendor, Fault> {
    let seen: Option<i64> = visit.request.form.parsed("seen", "seen")?;
    let vendor = vendors::lock_vendor(act, id).await?.ok_or(Fault::NotFound)?;
    if seen != Some(vendor.updated_at.timestamp_micros()) {
        return Err(Fault::conflict(
            "Продавца изменили, пока форма была открыта. Откройте его страницу заново.",
        ));
    }
    Ok(vendor)
}

/// Why a vendor is not stored, in Russian.
pub(super) fn to_fault(error: VendorError) -> Fault {
    match error {
        VendorError::Invalid(invalid) => Fault::refused(match invalid {
            InvalidVendor::Code => "Код: от 2 до 64 знаков a–z, 0–9, «-».",
            InvalidVendor::LegalName => "Название: от 1 до 200 знаков в одну строку.",
            InvalidVendor::Inn => "ИНН: 10 или 12 цифр, контрольные цифры не сошлись.",
            InvalidVendor::Phone => "Телефон: как +74951234567.",
            InvalidVendor::ChargeInitiator => "Повторные списания: R или I.",
            InvalidVendor::Taxation => "Такой системы налогообложения нет.",
            InvalidVendor::TerminalKey => "Ключ терминала: от 1 до 20 латинских букв и цифр.",
            InvalidVendor::TerminalPassword => "Введите пароль терминала.",
        }),
        VendorError::CodeTaken => Fault::refused("Продавец с таким кодом уже есть."),
        VendorError::TerminalTaken => Fault::refused("Этот терминал уже у другого продавца."),
        VendorError::Store(error) => error.into(),
        error @ VendorError::Keyring(_) => Fault::internal(error),
    }
}
