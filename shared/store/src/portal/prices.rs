//! Prices of a vendor's services in Flycoins.

use flysk_domain::id::VendorId;

use super::widgets;
use crate::platform::ledger::{self, PriceVersion};
use crate::{Conn, StoreResult};

/// Lists all price versions of the services of a vendor's widgets, by widget, service and start time. A service is named after its
/// widget's code.
pub async fn list(conn: &mut Conn, vendor: VendorId) -> StoreResult<Vec<PriceVersion>> {
    let mut versions = Vec::new();
    for widget in widgets::list(conn, vendor).await? {
        versions.extend(ledger::list_price_versions_of(conn, vendor, &widget.code).await?);
    }
    Ok(versions)
}
