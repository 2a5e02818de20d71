//! Whether the seller of a widget is paid by transfer.

use chrono::NaiveDate;
use flysk_domain::id::WidgetId;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_store::platform::transfers::find_access;
use flysk_store::platform::vendors;

use crate::deps::Deps;
use crate::problem::Problem;

/// Whether the seller of a widget is paid by transfer.
pub(crate) async fn takes_transfers(deps: &Deps, widget: WidgetId) -> Result<bool, Problem> {
    Ok(find_due_day(deps, widget).await?.is_some())
}

/// The last day to pay an invoice that the seller of a widget writes today, Moscow; `None` if it is not paid by transfer.
pub(crate) async fn find_due_day(deps: &Deps, widget: WidgetId) -> Result<Option<NaiveDate>, Problem> {
    let mut conn = deps.conn().await?;
    let Some(vendor) = vendors::find_vendor_of_widget(&mut conn, widget).await? else { return Ok(None) };
    let access = find_access(&mut conn, vendor.id).await?;
    Ok(access.map(|access| access.due.last_day(moscow_day(deps.clock().now()))))
}
