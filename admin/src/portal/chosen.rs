//! The widget that an address or a form names. It is looked up among those of the vendor, so another one does not exist here.

use flysk_domain::id::WidgetId;
use flysk_store::Conn;
use flysk_store::portal::{OwnWidget, widgets};

use crate::http::{Demand, Fault, Pairs, VendorVisit};
use crate::view::Field;

pub(super) async fn widget_in_path<D: Demand>(
    visit: &VendorVisit<D>,
    conn: &mut Conn,
) -> Result<OwnWidget, Fault> {
    let id: WidgetId = visit.request.id()?;
    widgets::find(conn, visit.who.vendor, id).await?.ok_or(Fault::NotFound)
}

pub(super) async fn widget_in_form<D: Demand>(
    visit: &VendorVisit<D>,
    conn: &mut Conn,
) -> Result<OwnWidget, Fault> {
    let id: Option<WidgetId> = visit.request.form.parsed("widget", "Виджет")?;
    let id = id.ok_or_else(|| Fault::refused("Заполните поле «Виджет»."))?;
    widgets::find(conn, visit.who.vendor, id).await?.ok_or(Fault::NotFound)
}

/// The vendor's widgets, and the one of them that the filter names: the first without a filter, none if there are no widgets.
pub(super) async fn widget_of_filter<D: Demand>(
    visit: &VendorVisit<D>,
    conn: &mut Conn,
) -> Result<(Vec<OwnWidget>, Option<OwnWidget>), Fault> {
    let wanted: Option<WidgetId> = visit.request.query.parsed("widget", "Виджет")?;
    let all = widgets::list(conn, visit.who.vendor).await?;
    let chosen = match wanted {
        Some(wanted) => Some(all.iter().find(|widget| widget.id == wanted).ok_or(Fault::NotFound)?),
        None => all.first(),
    };
    let chosen = chosen.cloned();
    Ok((all, chosen))
}

/// A choice of the vendor's widgets.
pub(super) fn widget_field(all: &[OwnWidget]) -> Field {
    Field::choice("widget", "Виджет", all.iter().map(|widget| (widget.id, widget.name.clone()))).required()
}

/// [`widget_field`] in a filter, with its current value.
pub(super) fn widget_filter(all: &[OwnWidget], query: &Pairs) -> Field {
    let current = query.get("widget").unwrap_or_default();
    Field::choice("widget", "Виджет", all.iter().map(|widget| (widget.id, widget.name.clone())))
        .value(current)
}
