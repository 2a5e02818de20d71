//! Packages of Flycoins that a vendor's widgets sell.

use flysk_domain::id::PackageId;
use flysk_services::audit_states::package_state;
use flysk_store::platform::purchases;
use flysk_store::portal::widgets;
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::Value;

use super::chosen::{widget_field, widget_in_form};
use crate::http::{Fault, Proved, Record, SignedIn, VendorVisit};
use crate::screens::packages::{
    HEAD, check_follows, check_seen, code_of, not_set, offer_form_at, on_offer, retire_form_at, row,
    seen_field, terms_of,
};
use crate::view::{DetailPage, Section, Table};

/// Path of the page.
const PATH: &str = "/portal/packages";
const NOT_ON_OFFER: &str = "Этот пакет сейчас не продаётся.";

/// `GET /portal/packages`: one table per widget.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let all = widgets::list(&mut conn, visit.who.vendor).await?;
    let mut page = DetailPage::new(visit.layout("Пакеты Flycoins"));
    let mut seen = Vec::new();
    for widget in &all {
        let packages = purchases::list_all_packages(&mut conn, widget.id).await?;
        seen.extend(on_offer(&packages));
        page.sections.push(Section::new(
            format!("{} ({})", widget.name, widget.code),
            Table::new(&HEAD, packages.iter().map(row).collect()),
            "Пакетов нет.",
        ));
    }
    if !all.is_empty() {
        let forms = [
            offer_form_at("/portal/packages/offer", widget_field(&all)),
            retire_form_at("/portal/packages/retire", widget_field(&all)),
        ];
        page.acts = forms.into_iter().map(|form| form.field(seen_field(&seen)).without_reason()).collect();
    }
    visit.page(&page)
}

/// `POST /portal/packages/offer`.
pub(super) async fn offer(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let (code, terms) = (code_of(form)?, terms_of(form)?);
    let id = PackageId::generate(visit.deps.clock());
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_form(&visit, &mut act).await?;
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
            reason: "",
            before: before.as_ref().map_or(Value::Null, package_state),
            after: package_state(&set),
        })
        .await?;
        Ok::<_, Fault>(set.version)
    };
    let version = repeat_contended(run).await?;
    Ok(visit.done(PATH, &format!("Пакет {code}, версия {version}, продаётся.")))
}

/// `POST /portal/packages/retire`.
pub(super) async fn retire(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let code = code_of(&visit.request.form)?;
    let run = || async {
        let mut act = visit.begin().await?;
        let widget = widget_in_form(&visit, &mut act).await?;
        let offered = purchases::list_packages_on_offer(&mut act, widget.id).await?;
        let before = check_seen(&visit.request.form, widget.id, &code, &offered)?;
        let before = before.ok_or_else(|| Fault::conflict(NOT_ON_OFFER))?;
        if !purchases::retire_package(&mut act, widget.id, &code).await? {
            return Err(Fault::conflict(NOT_ON_OFFER));
        }
        act.commit(Record {
            action: "package.retire",
            subject: ("package", before.id.to_string()),
            reason: "",
            before: package_state(&before),
            after: Value::Null,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(PATH, &format!("Пакет {code} снят с продажи.")))
}
