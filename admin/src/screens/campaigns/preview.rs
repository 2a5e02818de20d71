//! The check of a campaign: whom it concerns and what changes, and the form that confirms it.

use chrono::NaiveDate;
use flysk_domain::id::PlanId;
use flysk_domain::platform::subscriptions::{CampaignRefusal, PRICE_NOTICE_DAYS};
use flysk_services::subscriptions::{CampaignError, CampaignPreview, NewCampaign, preview_campaign};
use flysk_store::Conn;
use flysk_store::platform::subscriptions::{self, Plan};
use poem::Response;

use crate::http::{Billing, Fault, Pairs, Visit, respond};
use crate::request::form::query_string;
use crate::view::{Cell, DetailPage, Field, Form};

/// The versions and the day of a campaign.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) from: Plan,
    pub(super) to: Plan,
    pub(super) effective_on: NaiveDate,
}

impl Wanted {
    /// Reads `to` and `on`.
    pub(super) async fn read(conn: &mut Conn, from: PlanId, pairs: &Pairs) -> Result<Self, Fault> {
        let to: PlanId =
            pairs.parsed("to", "Новая версия")?.ok_or_else(|| Fault::refused("Выберите новую версию."))?;
        let on: Option<NaiveDate> = pairs.day("on", "Первый день")?;
        let effective_on = on.ok_or_else(|| Fault::refused("Укажите первый день новой цены."))?;
        let from = subscriptions::find_plan(conn, from).await?.ok_or(Fault::NotFound)?;
        let to = subscriptions::find_plan(conn, to).await?.ok_or(Fault::NotFound)?;
        Ok(Self { from, to, effective_on })
    }

    pub(super) const fn campaign(&self) -> NewCampaign<'_> {
        NewCampaign { from: &self.from, to: &self.to, effective_on: self.effective_on }
    }
}

/// The form on a version's page that leads to the check; `None` if there is no later version.
pub(in crate::screens) fn check_form(plan: &Plan, later: &[&Plan]) -> Option<Form> {
    if later.is_empty() {
        return None;
    }
    let choices = later.iter().map(|plan| (plan.id, format!("версия {}", plan.version)));
    let path = format!("/plans/{}/price-change", plan.id);
    let form = Form::act(path, "Перевести клиентов на новую цену", "Проверить")
        .text(format!(
            "Клиенты этой версии узнают новую цену не меньше чем за {PRICE_NOTICE_DAYS} дней и перейдут на неё со следующего \
             периода. Сначала покажем, кого это коснётся."
        ))
        .field(Field::choice("to", "Новая версия", choices).required())
        .field(Field::date("on", "Первый день новой цены").required())
        .without_reason();
    Some(form)
}

/// `POST /plans/:id/price-change`: leads to the check, whose address can be opened again.
pub(crate) async fn check(visit: Visit<Billing>) -> Result<Response, Fault> {
    let from: PlanId = visit.request.id()?;
    let form = &visit.request.form;
    let wanted = Wanted::read(&mut *visit.deps.read().await?, from, form).await?;
    let query = [("to", wanted.to.id.to_string()), ("on", wanted.effective_on.to_string())];
    let query = query.map(|(name, value)| (name.to_owned(), value));
    Ok(respond::redirect(&format!("/plans/{from}/price-change{}", query_string(&query))))
}

/// `GET /plans/:id/price-change`: changes nothing.
pub(crate) async fn preview(visit: Visit<Billing>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let wanted = Wanted::read(&mut conn, visit.request.id()?, &visit.request.query).await?;
    let found = preview_campaign(&mut conn, visit.deps.clock(), wanted.campaign()).await.map_err(to_fault)?;
    let Wanted { from, to, effective_on } = &wanted;
    let mut page = DetailPage::new(visit.layout(format!("Новая цена тарифа {}: проверка", from.code)));
    page.links = vec![Cell::link(format!("/plans/{}", from.id), "К тарифу")];
    page.facts = vec![
        ("Версия сейчас", Cell::link(format!("/plans/{}", from.id), from.version)),
        ("Новая версия", Cell::link(format!("/plans/{}", to.id), to.version)),
        ("Первый день", Cell::text(effective_on.format("%d.%m.%Y").to_string())),
        ("Клиентов перейдёт", Cell::number(found.customers)),
        ("Останется: нет цены за их срок", Cell::number(found.staying)),
        ("Платят в месяц", Cell::roubles(found.monthly_before)),
        ("Станут платить", Cell::roubles(found.monthly_after)),
    ];
    page.acts = vec![start_form(&wanted, &found)];
    visit.page(&page)
}

/// The form that confirms: the number of customers has to be typed.
fn start_form(wanted: &Wanted, found: &CampaignPreview) -> Form {
    Form::act(format!("/plans/{}/campaign", wanted.from.id), "Начать", "Начать")
        .text(format!(
            "Клиентам уйдут письма и события. До перехода каждого из них кампанию можно остановить. Чтобы подтвердить, \
             введите число клиентов: {}.",
            found.customers
        ))
        .field(Field::hidden("to", wanted.to.id))
        .field(Field::hidden("on", wanted.effective_on))
        .field(Field::number("typed", "Число клиентов").required())
        .danger()
}

/// Why a campaign cannot start or stop, in Russian.
pub(super) fn to_fault(error: CampaignError) -> Fault {
    match error {
        CampaignError::Refused(CampaignRefusal::Versions) => {
            Fault::refused("Перевести можно только на более позднюю версию того же тарифа.")
        }
        CampaignError::Refused(CampaignRefusal::Day) => Fault::refused(format!(
            "Первый день новой цены: не раньше чем через {PRICE_NOTICE_DAYS} дней и не позже чем через год."
        )),
        CampaignError::AlreadyRunning => {
            Fault::conflict("Для этой версии уже идёт кампания. Сначала остановите её.")
        }
        CampaignError::NotRunning => Fault::conflict("Кампания уже остановлена."),
        CampaignError::Store(error) => error.into(),
    }
}
