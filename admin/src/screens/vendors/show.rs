//! The page of a vendor. The password of a terminal is never shown.

use flysk_domain::id::VendorId;
use flysk_domain::platform::transfers::DueTerms;
use flysk_domain::russian::days_word;
use flysk_store::admin::audit;
use flysk_store::platform::transfers::{self, TApiAccess};
use flysk_store::platform::vendors::{self, Vendor, VendorTaxes};
use flysk_store::platform::widgets::{self, Widget};
use poem::Response;

use super::people::People;
use super::{edit, t_api, terminal};
use crate::http::{Fault, Operator, Owner, Support, Visit};
use crate::screens::audit::acts_section;
use crate::view::labels::label_of;
use crate::view::{Cell, DetailPage, Row, Section, Table, Tone, codes};

/// Acts shown on a vendor's page.
const ACTS_SHOWN: u32 = 20;
/// Stands for a name that was not written yet.
const NAMELESS: &str = "без названия";

/// `GET /vendors/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: VendorId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let vendor = vendors::find_vendor(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let taxes = vendors::list_taxes(&mut conn, id).await?;
    let access = transfers::find_access(&mut conn, id).await?;
    let terms = transfers::find_due_terms(&mut conn, id).await?.unwrap_or_default();
    let people = People::read(&mut conn, id, visit.deps.clock().now()).await?;
    let sold = widgets::list_of_vendor(&mut conn, id).await?;
    let all = widgets::list(&mut conn).await?;
    let acts = audit::list_of_subject(&mut conn, "vendor", &id.to_string(), ACTS_SHOWN).await?;
    let name = Some(vendor.legal_name.clone()).filter(|name| !name.is_empty());
    let mut page =
        DetailPage::new(visit.layout(format!("Продавец: {}", name.as_deref().unwrap_or(NAMELESS))));
    page.facts = facts(&vendor, access.as_ref(), terms);
    if visit.who.may::<Operator>() {
        page.acts = vec![edit::update_form(&vendor), edit::taxes_form(id, &taxes)];
        let others: Vec<&Widget> =
            all.iter().filter(|widget| sold.iter().all(|own| own.id != widget.id)).collect();
        page.acts.extend((!others.is_empty()).then(|| edit::assign_form(id, &others)));
        page.acts.push(t_api::terms_form(&vendor, terms));
        page.acts.extend(people.forms(id));
    }
    if visit.who.may::<Owner>() {
        page.acts.extend(terminal::forms(&vendor));
        page.acts.extend(t_api::forms(&vendor, access.as_ref()));
    }
    page.sections = vec![
        Section::new(
            "Налоги по датам",
            taxes_table(&taxes),
            "Своих записей нет: действуют налоги из настроек Flysk.",
        )
        .text("Счёт получает налоги, которые действуют в день его выставления (по Москве)."),
        Section::new("Виджеты", widgets_table(&sold), "Виджетов у этого продавца нет."),
    ];
    page.sections.extend(people.sections());
    page.sections.push(acts_section(&acts));
    visit.page(&page)
}

/// Key of the terminal.
pub(super) fn terminal_cell(vendor: &Vendor) -> Cell {
    match &vendor.terminal_key {
        Some(key) => Cell::code(key),
        None => Cell::state("из настроек Flysk", Tone::Quiet),
    }
}

fn facts(vendor: &Vendor, access: Option<&TApiAccess>, terms: DueTerms) -> Vec<(&'static str, Cell)> {
    let initiator = match vendor.charge_initiator.as_str() {
        "I" => "I: терминал AFT",
        _ => "R: терминал ECOM",
    };
    let at_payment =
        if vendor.receipts.prepayment { "предоплата" } else { "полный расчёт" };
    vec![
        ("Id", Cell::code(vendor.id)),
        ("Код", Cell::code(&vendor.code)),
        ("Название в чеках", Cell::text(vendor.legal_name.clone())),
        ("ИНН", Cell::maybe_code(vendor.inn.clone())),
        ("E-mail для клиентов", Cell::maybe(vendor.email.clone())),
        ("Телефон для клиентов", Cell::maybe(vendor.phone.clone())),
        ("Терминал", terminal_cell(vendor)),
        (
            "Пароль терминала",
            Cell::text(if vendor.terminal_password_sealed.is_some() { "задан" } else { "" }),
        ),
        ("Повторные списания", Cell::text(initiator)),
        ("Чек при оплате", Cell::text(at_payment)),
        ("Закрывающий чек", Cell::flag(vendor.receipts.closes())),
        ("Счёт для переводов", Cell::maybe_code(access.map(|access| &access.account))),
        ("Срок оплаты счетов", Cell::text(terms_text(terms))),
        ("Создан", Cell::time(vendor.created_at)),
        ("Изменён", Cell::time(vendor.updated_at)),
    ]
}

fn terms_text(terms: DueTerms) -> String {
    let which = if terms.counts_banking_days() { ", банковские" } else { "" };
    format!("{} {}{which}", terms.days(), days_word(terms.days()))
}

fn taxes_table(taxes: &[VendorTaxes]) -> Table {
    let row = |entry: &VendorTaxes| {
        Row::plain(vec![
            Cell::text(entry.valid_from.format("%d.%m.%Y").to_string()),
            Cell::text(label_of(&codes::TAXATIONS, &entry.taxation)),
            Cell::text(codes::vat(entry.vat)),
        ])
    };
    Table::new(&["Действует с", "Система", "НДС"], taxes.iter().map(row).collect())
}

fn widgets_table(sold: &[Widget]) -> Table {
    let row = |widget: &Widget| {
        let href = format!("/widgets/{}", widget.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, &widget.code),
                Cell::text(widget.name.clone()),
                Cell::flag(widget.uses_subscriptions),
                Cell::flag(widget.uses_flycoins),
            ],
        )
    };
    Table::new(&["Код", "Название", "Подписки", "Flycoins"], sold.iter().map(row).collect())
}
