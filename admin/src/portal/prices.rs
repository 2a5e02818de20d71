//! Prices of a vendor's services in Flycoins. A service is named after its widget's code, so a price belongs to one vendor.

use flysk_domain::platform::ledger::Service;
use flysk_services::prices::set_price;
use flysk_store::portal::{prices, widgets};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::{Value, json};

use super::chosen::{widget_field, widget_in_form};
use crate::http::{Fault, Proved, Record, SignedIn, VendorVisit};
use crate::screens::prices::{
    check_seen, form_at, seen_field, start_of, tariff_of, to_fault, versions_section,
};
use crate::view::{DetailPage, Field};

/// Path of the page.
const PATH: &str = "/portal/prices";

/// `GET /portal/prices`: all versions, the one in force marked.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let versions = prices::list(&mut conn, visit.who.vendor).await?;
    let all = widgets::list(&mut conn, visit.who.vendor).await?;
    let mut page = DetailPage::new(visit.layout("Цены услуг"));
    page.sections = vec![versions_section(&versions, visit.deps.clock().now())];
    if !all.is_empty() {
        let service = Field::text("service", "Услуга")
            .required()
            .hint("Название без кода виджета: recognition для flysense.recognition");
        let form = form_at("/portal/prices/set", vec![widget_field(&all), service]);
        page.acts = vec![form.field(seen_field(&versions)).without_reason()];
    }
    visit.page(&page)
}

/// `POST /portal/prices/set`.
pub(super) async fn set(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let name = form.required("service", "Услуга")?;
    let (tariff, from) = (tariff_of(form)?, start_of(form)?);
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_form(&visit, &mut act).await?;
        let service: Service = format!("{}.{name}", widget.code)
            .parse()
            .map_err(|_| Fault::refused("Услуга: латинские буквы, цифры и «_», например recognition."))?;
        let now = act.now();
        let versions = prices::list(&mut act, visit.who.vendor).await?;
        check_seen(form, &service, &versions)?;
        let before =
            versions.iter().rfind(|version| version.rule.service == service && version.valid_from <= now);
        let before = before.map_or(Value::Null, |version| json!(version.rule));
        let valid_from = from.unwrap_or(now);
        let rule = set_price(&mut act, &service, tariff, valid_from, now).await.map_err(to_fault)?;
        act.commit(Record {
            action: "price.set",
            subject: ("price", format!("{} v{}", rule.service.as_str(), rule.version)),
            reason: "",
            before,
            after: json!({ "rule": rule, "valid_from": valid_from }),
        })
        .await?;
        Ok::<_, Fault>(rule)
    };
    let rule = repeat_contended(run).await?;
    Ok(visit.done(PATH, &format!("Цена {} сохранена, версия {}.", rule.service.as_str(), rule.version)))
}
