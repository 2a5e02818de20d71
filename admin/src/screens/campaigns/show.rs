//! The page of a campaign, and the campaigns of a version.

use flysk_domain::id::{PlanId, PriceCampaignId};
use flysk_store::admin::audit;
use flysk_store::platform::subscriptions::{self, PriceCampaign};
use flysk_store::{Conn, StoreResult};
use poem::Response;

use crate::http::{Billing, Fault, Support, Visit};
use crate::screens::audit::acts_section;
use crate::view::{Cell, DetailPage, Form, Row, Section, Table, Tone};

/// Acts shown on a campaign's page.
const ACTS_SHOWN: u32 = 20;

/// `GET /campaigns/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: PriceCampaignId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let campaign = subscriptions::find_campaign(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let from = subscriptions::find_plan(&mut conn, campaign.from_plan).await?.ok_or(Fault::NotFound)?;
    let to = subscriptions::find_plan(&mut conn, campaign.to_plan).await?.ok_or(Fault::NotFound)?;
    let told = subscriptions::count_price_notices(&mut conn, id).await?;
    let left: i64 = subscriptions::count_plan_customers(&mut conn, campaign.from_plan)
        .await?
        .iter()
        .map(|group| group.customers)
        .sum();
    let acts = audit::list_of_subject(&mut conn, "campaign", &id.to_string(), ACTS_SHOWN).await?;
    let mut page = DetailPage::new(visit.layout(format!("Новая цена тарифа {}", from.code)));
    page.state = Some(state(&campaign));
    page.links = vec![Cell::link(format!("/plans/{}", from.id), "Тариф")];
    page.facts = vec![
        ("Id", Cell::code(campaign.id)),
        ("С версии", Cell::link(format!("/plans/{}", from.id), from.version)),
        ("На версию", Cell::link(format!("/plans/{}", to.id), to.version)),
        ("Первый день", Cell::text(campaign.effective_on.format("%d.%m.%Y").to_string())),
        ("Клиентов извещено", Cell::number(told)),
        ("Ещё на прежней версии", Cell::number(left)),
        ("Начал", Cell::text(campaign.started_by.clone())),
        ("Причина", Cell::text(campaign.reason.clone())),
        ("Начата", Cell::time(campaign.created_at)),
        ("Остановлена", Cell::time(campaign.stopped_at)),
    ];
    if campaign.stopped_at.is_none() && visit.who.may::<Billing>() {
        let form = Form::act(format!("/campaigns/{id}/stop"), "Остановить", "Остановить")
            .text("Кто ещё не перешёл, сохранит версию и цену. Выставленные счета не изменятся.")
            .danger();
        page.acts = vec![form];
    }
    page.sections = vec![acts_section(&acts)];
    visit.page(&page)
}

fn state(campaign: &PriceCampaign) -> Cell {
    if campaign.stopped_at.is_some() {
        Cell::state("остановлена", Tone::Quiet)
    } else {
        Cell::state("идёт", Tone::Busy)
    }
}

/// Campaigns that lead from or to a version, newest first.
pub(in crate::screens) async fn section(
    conn: &mut Conn,
    widget: flysk_domain::id::WidgetId,
    plan: PlanId,
) -> StoreResult<Section> {
    let all = subscriptions::list_campaigns(conn, widget).await?;
    let of_plan = all.iter().filter(|campaign| campaign.from_plan == plan || campaign.to_plan == plan);
    let row = |campaign: &PriceCampaign| {
        let href = format!("/campaigns/{}", campaign.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, campaign.effective_on.format("%d.%m.%Y")),
                state(campaign),
                Cell::text(if campaign.from_plan == plan {
                    "с этой версии"
                } else {
                    "на эту версию"
                }),
                Cell::text(campaign.started_by.clone()),
                Cell::time(campaign.created_at),
            ],
        )
    };
    let head = ["Первый день", "Состояние", "Куда", "Начал", "Начата"];
    Ok(Section::new("Новые цены", Table::new(&head, of_plan.map(row).collect()), "Цена не менялась."))
}
