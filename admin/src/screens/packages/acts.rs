//! Offering packages of Flycoins, and taking them off sale. A version never changes: changed terms are a new version.

use flysk_domain::id::{PackageId, WidgetId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{InvalidPackage, PackageCode, PackageTerms};
use flysk_services::audit_states::package_state;
use flysk_store::platform::purchases::{self, Package};
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::{StoreError, repeat_contended};
use poem::Response;
use serde_json::Value;

use crate::http::seen::{SEEN_FIELD, has_changed, seen_versions};
use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::view::{Field, Form};

/// Name and version of each package on offer.
pub(crate) fn on_offer(packages: &[Package]) -> impl Iterator<Item = (String, u32)> {
    packages
        .iter()
        .filter(|package| package.active)
        .map(|package| (name_of(package.widget_id, &package.code), package.version))
}

fn name_of(widget: WidgetId, code: &PackageCode) -> String {
    format!("{widget}/{code}")
}

/// The packages on offer that the page showed.
pub(crate) fn seen_field(shown: &[(String, u32)]) -> Field {
    Field::hidden(SEEN_FIELD, seen_versions(shown.iter().cloned()))
}

/// The version on offer of the package with this code, unless it is another one than the form knew.
pub(crate) fn check_seen(
    form: &Pairs,
    widget: WidgetId,
    code: &PackageCode,
    all: &[Package],
) -> Result<Option<Package>, Fault> {
    let offered = all.iter().find(|package| package.active && package.code == *code);
    let version = offered.map(|package| package.version.to_string());
    if has_changed(form, &name_of(widget, code), version.as_deref()) {
        return Err(changed_meanwhile());
    }
    Ok(offered.cloned())
}

fn changed_meanwhile() -> Fault {
    Fault::conflict("Этот пакет тем временем изменил кто-то другой. Откройте страницу пакетов заново.")
}

/// Two people changed the package at once: the second one is told so.
pub(crate) fn not_set(error: StoreError) -> Fault {
    match error {
        StoreError::Duplicate { .. } => changed_meanwhile(),
        error => error.into(),
    }
}

/// Refuses a version that follows one which was not among `all`: somebody else offered it since they were read.
pub(crate) fn check_follows(set: &Package, all: &[Package]) -> Result<(), Fault> {
    let known = all.iter().filter(|package| package.code == set.code).map(|package| package.version).max();
    if set.version == known.unwrap_or_default() + 1 { Ok(()) } else { Err(changed_meanwhile()) }
}

/// A choice of widgets.
pub(in crate::screens) fn widget_field(all: &[Widget]) -> Field {
    Field::choice("widget", "Виджет", all.iter().map(|widget| (&widget.code, &widget.name))).required()
}

/// The form that offers a package of the widget that a field names.
pub(crate) fn offer_form_at(action: &'static str, widget: Field) -> Form {
    Form::act(action, "Выставить или изменить пакет", "Сохранить")
        .text("Изменённые условия станут новой версией, прежние покупки сохранят свою.")
        .field(widget)
        .field(Field::text("code", "Код").required().hint("a–z, 0–9, «-»: один для всех версий"))
        .field(Field::text("title", "Название").required())
        .field(Field::text("roubles", "Цена, рублей").required())
        .field(Field::text("coins", "Flycoins").hint("Пусто: по одному за рубль"))
        .field(Field::text("bonus", "Бонус, Flycoins"))
        .field(Field::number("bonus_days", "Срок бонуса, дней").hint("Пусто: не сгорает"))
}

/// The form that takes a package of the widget that a field names off sale.
pub(crate) fn retire_form_at(action: &'static str, widget: Field) -> Form {
    Form::act(action, "Снять пакет с продажи", "Снять")
        .text("Прежние покупки не изменятся.")
        .field(widget)
        .field(Field::text("code", "Код").required())
        .danger()
}

/// The widget that the form names by its code.
pub(in crate::screens) async fn widget_of(
    visit: &Visit<Billing>,
    conn: &mut flysk_store::Conn,
) -> Result<Widget, Fault> {
    let code = visit.request.form.required("widget", "Виджет")?;
    widgets::find_by_code(conn, code).await?.ok_or_else(|| Fault::refused("Такого виджета нет."))
}

/// The code in a form.
pub(crate) fn code_of(form: &Pairs) -> Result<PackageCode, Fault> {
    form.required("code", "Код")?.parse().map_err(to_fault)
}

/// `POST /packages/offer`.
pub(crate) async fn offer(visit: Visit<Billing>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let (code, terms, reason) = (code_of(form)?, terms_of(form)?, visit.reason()?);
    let id = PackageId::generate(visit.deps.clock());
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_of(&visit, &mut act).await?;
        let now = act.now();
        let all = purchases::list_all_packages(&mut act, widget.id).await?;
        let before = check_seen(form, widget.id, &code, &all)?;
        let set = purchases::set_package(&mut act, id, widget.id, &code, &terms, now).await;
        let set = set.map_err(not_set)?;
        if set.id != id {
            return Err(Fault::refused("Пакет с такими условиями уже продаётся."));
        }
        check_follows(&set, &all)?;
        act.commit(Record {
            action: "package.offer",
            subject: ("package", set.id.to_string()),
            reason,
            before: before.as_ref().map_or(Value::Null, package_state),
            after: package_state(&set),
        })
        .await?;
        Ok::<_, Fault>(set.version)
    };
    let version = repeat_contended(run).await?;
    Ok(visit.done("/packages", &format!("Пакет {code}, версия {version}, продаётся.")))
}

/// The terms in a form.
pub(crate) fn terms_of(form: &Pairs) -> Result<PackageTerms, Fault> {
    let amount = |name: &str| form.get(name).map(|text| text.replace(',', "."));
    let wrong = |label: &str| Fault::refused(format!("Поле «{label}»: число, например 500 или 499.50."));
    let price: Option<Kopecks> =
        amount("roubles").map(|text| text.parse()).transpose().map_err(|_| wrong("Цена, рублей"))?;
    let price = price.ok_or_else(|| wrong("Цена, рублей"))?;
    let coins: Option<MicroCoins> =
        amount("coins").map(|text| text.parse()).transpose().map_err(|_| wrong("Flycoins"))?;
    let bonus: Option<MicroCoins> =
        amount("bonus").map(|text| text.parse()).transpose().map_err(|_| wrong("Бонус, Flycoins"))?;
    let by_price = price.to_coins().map_err(|_| wrong("Цена, рублей"))?;
    let terms = PackageTerms {
        title: form.required("title", "Название")?.to_owned(),
        price,
        coins: coins.unwrap_or(by_price),
        bonus: bonus.unwrap_or_default(),
        bonus_days: form.parsed("bonus_days", "Срок бонуса, дней")?,
    };
    terms.check().map_err(to_fault)?;
    Ok(terms)
}

/// Why a package is invalid, in Russian.
fn to_fault(invalid: InvalidPackage) -> Fault {
    Fault::refused(match invalid {
        InvalidPackage::Code => "Код: от 1 до 64 знаков a–z, 0–9, «-».",
        InvalidPackage::Title => "Название: от 1 до 64 знаков в одну строку.",
        InvalidPackage::Price => "Цена: от 1 до 1 000 000 рублей.",
        InvalidPackage::Coins => "Flycoins: больше нуля и вместе с бонусом не больше 1 000 000 000.",
        InvalidPackage::BonusDays => "Срок бонуса: от 1 до 1825 дней, и только если есть бонус.",
    })
}

/// `POST /packages/retire`.
pub(crate) async fn retire(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (code, reason) = (code_of(&visit.request.form)?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_of(&visit, &mut act).await?;
        let offered = purchases::list_packages_on_offer(&mut act, widget.id).await?;
        let before = check_seen(&visit.request.form, widget.id, &code, &offered)?;
        let before = before.ok_or_else(|| Fault::conflict("Этот пакет сейчас не продаётся."))?;
        if !purchases::retire_package(&mut act, widget.id, &code).await? {
            return Err(Fault::conflict("Этот пакет сейчас не продаётся."));
        }
        act.commit(Record {
            action: "package.retire",
            subject: ("package", before.id.to_string()),
            reason,
            before: package_state(&before),
            after: Value::Null,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done("/packages", &format!("Пакет {code} снят с продажи.")))
}
