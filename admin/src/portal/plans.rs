//! Plans of subscriptions that a vendor's widgets sell. A version never changes: changed terms are a new version.

use flysk_domain::id::PlanId;
use flysk_services::audit_states::plan_state;
use flysk_store::platform::subscriptions::{self, Plan};
use flysk_store::portal::{OwnWidget, widgets};
use flysk_store::{Conn, repeat_contended};
use poem::Response;
use serde_json::Value;

use super::chosen::{widget_field, widget_in_form};
use crate::http::{Demand, Fault, Proved, Record, SignedIn, VendorVisit};
use crate::screens::plans::acts::{check_seen, code_of, forms_at, not_set, offer_form_at, terms_of};
use crate::screens::plans::show::{HEAD, prices, row, seats, state};
use crate::view::{Cell, DetailPage, Form, Section, Table};

/// Path of the list.
const PATH: &str = "/portal/plans";
/// Paths of the forms.
const OFFER: &str = "/portal/plans/offer";
const RETIRE: &str = "/portal/plans/retire";
const NOT_ON_OFFER: &str = "Этот тариф сейчас не продаётся.";

/// `GET /portal/plans`: one table per widget.
pub(super) async fn list(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let all = widgets::list(&mut conn, visit.who.vendor).await?;
    let mut page = DetailPage::new(visit.layout("Тарифы"));
    for widget in &all {
        let plans = subscriptions::list_all_plans(&mut conn, widget.id).await?;
        page.sections.push(Section::new(
            format!("{} ({})", widget.name, widget.code),
            Table::new(&HEAD, plans.iter().map(|plan| row(PATH, plan)).collect()),
            "Тарифов нет.",
        ));
    }
    if !all.is_empty() {
        page.acts = vec![offer_form_at(OFFER, widget_field(&all)).without_reason()];
    }
    visit.page(&page)
}

/// The plan in the path with its widget. Plans of other vendors are not found.
async fn plan_in_path<D: Demand>(
    visit: &VendorVisit<D>,
    conn: &mut Conn,
) -> Result<(Plan, OwnWidget), Fault> {
    let id: PlanId = visit.request.id()?;
    let plan = subscriptions::find_plan(conn, id).await?.ok_or(Fault::NotFound)?;
    let widget = widgets::find(conn, visit.who.vendor, plan.widget_id).await?.ok_or(Fault::NotFound)?;
    Ok((plan, widget))
}

/// `GET /portal/plans/:id`: one version, which never changes, and the others of its code.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let (plan, widget) = plan_in_path(&visit, &mut conn).await?;
    let all = subscriptions::list_all_plans(&mut conn, plan.widget_id).await?;
    let same = all.iter().filter(|other| other.code == plan.code);
    let on_offer = same.clone().find(|other| other.active).map_or(0, |other| other.version);
    let others = same.filter(|other| other.id != plan.id).map(|other| row(PATH, other)).collect();
    let title = format!("Тариф «{}», версия {}", plan.terms.title, plan.version);
    let mut page = DetailPage::new(visit.layout(title));
    page.state = Some(state(&plan));
    page.links =
        vec![Cell::link(PATH, "Все тарифы"), Cell::link(format!("/portal/widgets/{}", widget.id), "Виджет")];
    page.facts = vec![
        ("Id", Cell::code(plan.id)),
        ("Код", Cell::code(&plan.code)),
        ("Версия", Cell::number(plan.version)),
        ("Виджет", Cell::text(widget.name.clone())),
        ("Мест", Cell::text(seats(&plan))),
        ("Создана", Cell::time(plan.created_at)),
    ];
    let forms = forms_at([OFFER, RETIRE], &plan, &widget.id.to_string(), on_offer);
    page.acts = forms.into_iter().map(Form::without_reason).collect();
    page.sections = vec![
        Section::new("Цены места", prices(&plan), "Цен нет."),
        Section::new("Другие версии", Table::new(&HEAD, others), "Других версий нет.")
            .text("Подписка остаётся на купленной версии, пока клиент не сменит тариф."),
    ];
    page.blocks = vec![("Что входит", Cell::json(&plan.terms.features.to_string()))];
    visit.page(&page)
}

/// `POST /portal/plans/offer`.
pub(super) async fn offer(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let (code, terms) = (code_of(form)?, terms_of(form)?);
    let id = PlanId::generate(visit.deps.clock());
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_form(&visit, &mut act).await?;
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
            reason: "",
            before: before.as_ref().map_or(Value::Null, plan_state),
            after: plan_state(&set),
        })
        .await?;
        Ok::<_, Fault>(set.version)
    };
    let version = repeat_contended(run).await?;
    Ok(visit.done(&format!("{PATH}/{id}"), &format!("Тариф {code}, версия {version}, продаётся.")))
}

/// `POST /portal/plans/retire`.
pub(super) async fn retire(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let code = code_of(&visit.request.form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_form(&visit, &mut act).await?;
        let before = subscriptions::find_plan_on_offer(&mut act, widget.id, &code).await?;
        let before = before.ok_or_else(|| Fault::conflict(NOT_ON_OFFER))?;
        check_seen(&visit.request.form, Some(&before))?;
        if !subscriptions::retire_plan(&mut act, widget.id, &code).await? {
            return Err(Fault::conflict(NOT_ON_OFFER));
        }
        act.commit(Record {
            action: "plan.retire",
            subject: ("plan", before.id.to_string()),
            reason: "",
            before: plan_state(&before),
            after: Value::Null,
        })
        .await?;
        Ok::<_, Fault>(before.id)
    };
    let id = repeat_contended(run).await?;
    Ok(visit.done(&format!("{PATH}/{id}"), &format!("Тариф {code} снят с продажи.")))
}
