//! Prices of a vendor's services in Flycoins.

use flysk_domain::id::VendorId;

use super::widgets;
use crate::platform::ledger::{self, PriceVersion};
use crate::{Conn, StoreResult};

/// Lists all price versions of the services of a vendor's widgets, by service and start time. A service is named after its
/// widget's code.
pub async fn list(conn: &mut Conn, vendor: VendorId) -> StoreResult<Vec<PriceVersion>> {
    let own = widgets::list(conn, vendor).await?;
    let is_own = |version: &PriceVersion| {
        let code = version.rule.service.as_str().split_once('.').map(|(code, _)| code);
        own.iter().any(|widget| code == Some(widget.code.as_str()))
    };
    let mut versions = ledger::list_price_versions(conn).await?;
    versions.retain(is_own);
    Ok(versions)
}
