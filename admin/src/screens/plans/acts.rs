//! Offering plans and taking them off sale. A version never changes: changed terms are a new version.

use std::collections::BTreeMap;

use flysk_domain::id::PlanId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Currency, InvalidPlan, PeriodLength, PlanCode, PlanTerms};
use flysk_services::audit_states::plan_state;
use flysk_store::platform::subscriptions::{self, Plan};
use flysk_store::platform::widgets::Widget;
use flysk_store::{StoreError, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Billing, Fault, Pairs, Record, Visit};
use crate::screens::packages::{widget_field, widget_of};
use crate::view::{Field, Form};

/// Lengths of a period with the field of their price and its label.
const LENGTHS: [(PeriodLength, &str, &str); 4] = [
    (PeriodLength::Month, "month", "Место за 1 месяц, рублей"),
    (PeriodLength::Quarter, "quarter", "Место за 3 месяца, рублей"),
    (PeriodLength::HalfYear, "half", "Место за 6 месяцев, рублей"),
    (PeriodLength::Year, "year", "Место за 12 месяцев, рублей"),
];

/// Why the second of two who change a plan at once is refused.
const CHANGED_MEANWHILE: &str = "Этот тариф тем временем изменил кто-то другой. Откройте его заново.";

/// The form for a new plan.
pub(super) fn offer_form(all: &[Widget]) -> Form {
    offer_form_at("/plans/offer", widget_field(all))
}

/// The form for a new plan of the widget that a field names.
pub(crate) fn offer_form_at(action: &'static str, widget: Field) -> Form {
    let form = Form::act(action, "Новый тариф", "Выставить")
        .text("Если тариф с таким кодом уже есть, изменённые условия станут его новой версией.")
        .field(widget)
        .field(Field::text("code", "Код").required().hint("a–z, 0–9, «-»: один для всех версий"));
    with_terms(form, None)
}

/// Forms for one version: a new one with changed terms, and the end of its sale.
///
/// `on_offer` is the number of the version that is sold now, 0 for none: of two operators who change a plan at once the second
/// one is told so.
pub(super) fn forms(plan: &Plan, widget: &Widget, on_offer: u32) -> Vec<Form> {
    forms_at(["/plans/offer", "/plans/retire"], plan, &widget.code, on_offer)
}

/// [`forms`] that are sent to other paths; `widget` is what names the widget there.
pub(crate) fn forms_at(
    [offer, retire]: [&'static str; 2],
    plan: &Plan,
    widget: &str,
    on_offer: u32,
) -> Vec<Form> {
    let (title, text) = if plan.active {
        ("Изменить условия", "Изменённые условия станут новой версией, действующие подписки сохранят свою.")
    } else {
        ("Выставить снова", "Эти условия станут новой версией и вернутся в продажу.")
    };
    let named =
        |form: Form| form.field(Field::hidden("widget", widget)).field(Field::hidden("code", &plan.code));
    let seen = || Field::hidden("seen", on_offer);
    let offer = Form::act(offer, title, "Выставить").text(text).field(seen());
    let offer = with_terms(named(offer), Some(&plan.terms));
    let retire = Form::act(retire, "Снять с продажи", "Снять")
        .field(seen())
        .text("Новые подписки на тариф не оформить, действующие сохранят его.")
        .danger();
    if plan.active { vec![offer, named(retire)] } else { vec![offer] }
}

/// Fields of the terms, filled in with those of a version.
fn with_terms(form: Form, terms: Option<&PlanTerms>) -> Form {
    let title = terms.map_or("", |terms| terms.title.as_str());
    let form = form.field(Field::text("title", "Название").value(title).required());
    let form = LENGTHS.into_iter().fold(form, |form, (length, name, label)| {
        let price = terms.and_then(|terms| terms.prices.get(&length)).map(ToString::to_string);
        form.field(Field::text(name, label).value(price.unwrap_or_default()))
    });
    let most = terms.and_then(|terms| terms.max_seats).map(|most| most.to_string()).unwrap_or_default();
    let features = terms.and_then(|terms| serde_json::to_string_pretty(&terms.features).ok());
    form.field(
        Field::number("min_seats", "Мест не меньше")
            .value(terms.map_or(1, |terms| terms.min_seats))
            .required(),
    )
    .field(Field::number("max_seats", "Мест не больше").value(most).hint("Пусто: без предела"))
    .field(
        Field::lines("features", "Что входит, JSON")
            .value(features.unwrap_or_default())
            .hint("Для виджета; пусто: {}"),
    )
}

/// The code in a form.
pub(crate) fn code_of(form: &Pairs) -> Result<PlanCode, Fault> {
    form.required("code", "Код")?.parse().map_err(to_fault)
}

/// The terms in a form.
pub(crate) fn terms_of(form: &Pairs) -> Result<PlanTerms, Fault> {
    let mut prices = BTreeMap::new();
    for (length, name, label) in LENGTHS {
        let price: Option<Kopecks> = form
            .get(name)
            .map(|text| text.replace(',', ".").parse())
            .transpose()
            .map_err(|_| Fault::refused(format!("Поле «{label}»: число, например 499.50.")))?;
        prices.extend(price.map(|price| (length, price)));
    }
    let features = form.json("features", "Что входит")?;
    let terms = PlanTerms {
        title: form.required("title", "Название")?.to_owned(),
        prices,
        min_seats: form.parsed("min_seats", "Мест не меньше")?.unwrap_or(1),
        max_seats: form.parsed("max_seats", "Мест не больше")?,
        currency: Currency::Rub,
        features: features.unwrap_or_else(|| json!({})),
    };
    terms.check().map_err(to_fault)?;
    Ok(terms)
}

/// Refuses a form that was opened while another version of the plan was on offer, or none.
pub(crate) fn check_seen(form: &Pairs, on_offer: Option<&Plan>) -> Result<(), Fault> {
    let seen: Option<u32> = form.parsed("seen", "seen")?;
    let version = on_offer.map_or(0, |plan| plan.version);
    if seen.is_some_and(|seen| seen != version) { Err(Fault::conflict(CHANGED_MEANWHILE)) } else { Ok(()) }
}

/// `POST /plans/offer`.
pub(crate) async fn offer(visit: Visit<Billing>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let (code, terms, reason) = (code_of(form)?, terms_of(form)?, visit.reason()?);
    let id = PlanId::generate(visit.deps.clock());
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_of(&visit, &mut act).await?;
        let now = act.now();
        let before = subscriptions::find_plan_on_offer(&mut act, widget.id, &code).await?;
        check_seen(form, before.as_ref())?;
        let set =
            subscriptions::set_plan(&mut act, id, widget.id, &code, &terms, now).await.map_err(not_set)?;
        if set.id != id {
            return Err(Fault::refused("Тариф с такими условиями уже продаётся."));
        }
        act.commit(Record {
            action: "plan.offer",
            subject: ("plan", set.id.to_string()),
            reason,
            before: before.as_ref().map_or(Value::Null, plan_state),
            after: plan_state(&set),
        })
        .await?;
        Ok::<_, Fault>(set.version)
    };
    let version = repeat_contended(run).await?;
    Ok(visit.done(&format!("/plans/{id}"), &format!("Тариф {code}, версия {version}, продаётся.")))
}

/// `POST /plans/retire`.
pub(crate) async fn retire(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (code, reason) = (code_of(&visit.request.form)?, visit.reason()?);
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_of(&visit, &mut act).await?;
        let before = subscriptions::find_plan_on_offer(&mut act, widget.id, &code).await?;
        let before = before.ok_or_else(|| Fault::conflict("Этот тариф сейчас не продаётся."))?;
        check_seen(&visit.request.form, Some(&before))?;
        if !subscriptions::retire_plan(&mut act, widget.id, &code).await? {
            return Err(Fault::conflict("Этот тариф сейчас не продаётся."));
        }
        act.commit(Record {
            action: "plan.retire",
            subject: ("plan", before.id.to_string()),
            reason,
            before: plan_state(&before),
            after: Value::Null,
        })
        .await?;
        Ok::<_, Fault>(before.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(&format!("/plans/{id}"), &format!("Тариф {code} снят с продажи.")))
}

/// Two people changed the plan at once: the second one is told so.
pub(crate) fn not_set(error: StoreError) -> Fault {
    match error {
        StoreError::Duplicate { .. } => Fault::conflict(CHANGED_MEANWHILE),
        error => error.into(),
    }
}

/// Why a plan is invalid, in Russian.
fn to_fault(invalid: InvalidPlan) -> Fault {
    Fault::refused(match invalid {
        InvalidPlan::Code => "Код: от 1 до 64 знаков a–z, 0–9, «-».",
        InvalidPlan::Title => "Название: слишком длинное, пустое или в несколько строк.",
        InvalidPlan::Price => "Нужна цена места хотя бы за один срок: от 0,01 до 1 000 000 рублей.",
        InvalidPlan::Seats => "Мест: не меньше одного, наибольшее не меньше наименьшего.",
        InvalidPlan::Total => "Наименьшее число мест должно стоить от 1 до 99 999 999,99 рубля за период.",
        InvalidPlan::Features => "Что входит: объект JSON не длиннее предела.",
    })
}
