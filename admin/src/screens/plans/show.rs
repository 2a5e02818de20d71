//! The page of one version of a plan.

use flysk_domain::id::PlanId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::PeriodLength;
use flysk_store::admin::audit;
use flysk_store::platform::subscriptions::{self, Plan};
use flysk_store::platform::widgets;
use poem::Response;

use super::acts;
use crate::http::{Billing, Fault, Support, Visit};
use crate::screens::audit::acts_section;
use crate::screens::campaigns;
use crate::view::{Cell, DetailPage, Row, Section, Table, Tone, format};

/// Acts shown on a plan's page.
const ACTS_SHOWN: u32 = 20;
/// Columns of a table of versions.
pub(crate) const HEAD: [&str; 7] =
    ["Код", "Версия", "Название", "Цены места", "Мест", "Состояние", "Создана"];

/// `GET /plans/:id`: one version, which never changes, and the others of its code.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: PlanId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let plan = subscriptions::find_plan(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let widget = widgets::find(&mut conn, plan.widget_id).await?.ok_or(Fault::NotFound)?;
    let all = subscriptions::list_all_plans(&mut conn, plan.widget_id).await?;
    let others: Vec<&Plan> =
        all.iter().filter(|other| other.code == plan.code && other.id != plan.id).collect();
    let acts = audit::list_of_subject(&mut conn, "plan", &id.to_string(), ACTS_SHOWN).await?;
    let mut page =
        DetailPage::new(visit.layout(format!("Тариф «{}», версия {}", plan.terms.title, plan.version)));
    page.state = Some(state(&plan));
    page.links =
        vec![Cell::link("/plans", "Все тарифы"), Cell::link(format!("/widgets/{}", widget.id), "Виджет")];
    page.facts = facts(&plan, &widget.name);
    if visit.who.may::<Billing>() {
        let on_offer = all.iter().find(|other| other.code == plan.code && other.active);
        page.acts = acts::forms(&plan, &widget, on_offer.map_or(0, |other| other.version));
        let later: Vec<&Plan> = others.iter().copied().filter(|other| other.version > plan.version).collect();
        page.acts.extend(campaigns::check_form(&plan, &later));
    }
    let campaigns = campaigns::section(&mut conn, plan.widget_id, plan.id).await?;
    page.sections = vec![
        Section::new("Цены места", prices(&plan), "Цен нет."),
        Section::new(
            "Другие версии",
            Table::new(&HEAD, others.into_iter().map(|plan| row("/plans", plan)).collect()),
            "Других версий нет.",
        )
        .text("Подписка остаётся на купленной версии, пока клиент не сменит тариф или не перейдёт на новую цену."),
        campaigns,
        acts_section(&acts),
    ];
    page.blocks = vec![("Что входит", Cell::json(&plan.terms.features.to_string()))];
    visit.page(&page)
}

/// Whether a version is sold.
pub(crate) fn state(plan: &Plan) -> Cell {
    if plan.active {
        Cell::state("продаётся", Tone::Good)
    } else {
        Cell::state("снята", Tone::Quiet)
    }
}

/// Range of seats that a subscription may have.
pub(crate) fn seats(plan: &Plan) -> String {
    match plan.terms.max_seats {
        Some(most) => format!("{}–{most}", plan.terms.min_seats),
        None => format!("от {}", plan.terms.min_seats),
    }
}

/// A row of a table of versions; the page of one is below `list`.
pub(crate) fn row(list: &str, plan: &Plan) -> Row {
    let href = format!("{list}/{}", plan.id);
    let terms = &plan.terms;
    let prices: Vec<String> = terms
        .prices
        .iter()
        .map(|(length, price)| format!("{}: {}", length.label_ru(), format::roubles(*price)))
        .collect();
    Row::linked(
        href.clone(),
        vec![
            Cell::link(href, &plan.code),
            Cell::number(plan.version),
            Cell::text(terms.title.clone()),
            Cell::text(prices.join(", ")),
            Cell::text(seats(plan)),
            state(plan),
            Cell::time(plan.created_at),
        ],
    )
}

fn facts(plan: &Plan, widget: &str) -> Vec<(&'static str, Cell)> {
    vec![
        ("Id", Cell::code(plan.id)),
        ("Код", Cell::code(&plan.code)),
        ("Версия", Cell::number(plan.version)),
        ("Виджет", Cell::link(format!("/widgets/{}", plan.widget_id), widget)),
        ("Мест", Cell::text(seats(plan))),
        ("Создана", Cell::time(plan.created_at)),
    ]
}

/// Prices by length, and what a month of a seat costs then.
pub(crate) fn prices(plan: &Plan) -> Table {
    let row = |(length, price): (&PeriodLength, &Kopecks)| {
        let monthly = Kopecks(price.0 / i64::from(length.months()));
        Row::plain(vec![Cell::text(length.label_ru()), Cell::roubles(*price), Cell::roubles(monthly)])
    };
    Table::new(&["Период", "Цена", "В пересчёте на месяц"], plan.terms.prices.iter().map(row).collect())
}
