//! The lists that exports and bulk acts read, by their paths.

use chrono::{DateTime, Utc};

use super::{
    accounts, api_errors, audit, bank, bulk_lists, calls, events, installs, invoices, jobs, operators,
    packages, payments, plans, prices, purchases, receipts, subscriptions, transfer_invoices, transfers,
    vendors, wallets, widgets,
};
use crate::http::{Fault, Pairs};
use crate::lists::List as _;
use crate::lists::frozen::{FrozenList, freeze_list};

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// No list has this path, or it cannot be exported.
    #[error("`{0}` is no list")]
    UnknownList(String),
    /// The filter does not fit the list.
    #[error("the filter is not valid: {0}")]
    InvalidFilter(String),
}

/// The list at a path, with the filter of a query string (without `?`), as it was at a time.
///
/// # Errors
///
/// The path is no list, or the filter does not fit it.
pub fn freeze(path: &str, query: &str, at: DateTime<Utc>) -> Result<Box<dyn FrozenList>, FreezeError> {
    let query = Pairs::parse(query.as_bytes());
    freeze_pairs(path, &query, at).map_err(|fault| match fault {
        Fault::NotFound => FreezeError::UnknownList(path.to_owned()),
        fault => FreezeError::InvalidFilter(fault.to_string()),
    })
}

/// [`freeze`] for a page, which shows the refusal.
pub(crate) fn freeze_pairs(
    path: &str,
    query: &Pairs,
    at: DateTime<Utc>,
) -> Result<Box<dyn FrozenList>, Fault> {
    match path {
        accounts::Accounts::PATH => freeze_list::<accounts::Accounts>(query, at),
        installs::Installs::PATH => freeze_list::<installs::Installs>(query, at),
        wallets::Wallets::PATH => freeze_list::<wallets::Wallets>(query, at),
        purchases::Purchases::PATH => freeze_list::<purchases::Purchases>(query, at),
        subscriptions::Subscriptions::PATH => freeze_list::<subscriptions::Subscriptions>(query, at),
        invoices::Invoices::PATH => freeze_list::<invoices::Invoices>(query, at),
        payments::Payments::PATH => freeze_list::<payments::Payments>(query, at),
        receipts::Receipts::PATH => freeze_list::<receipts::Receipts>(query, at),
        transfer_invoices::TransferInvoices::PATH => {
            freeze_list::<transfer_invoices::TransferInvoices>(query, at)
        }
        calls::Calls::PATH => freeze_list::<calls::Calls>(query, at),
        jobs::Jobs::PATH => freeze_list::<jobs::Jobs>(query, at),
        events::Events::PATH => freeze_list::<events::Events>(query, at),
        api_errors::ApiErrors::PATH => freeze_list::<api_errors::ApiErrors>(query, at),
        bank::Notifications::PATH => freeze_list::<bank::Notifications>(query, at),
        bank::Discrepancies::PATH => freeze_list::<bank::Discrepancies>(query, at),
        vendors::Vendors::PATH => freeze_list::<vendors::Vendors>(query, at),
        widgets::Widgets::PATH => freeze_list::<widgets::Widgets>(query, at),
        plans::Plans::PATH => freeze_list::<plans::Plans>(query, at),
        packages::Packages::PATH => freeze_list::<packages::Packages>(query, at),
        prices::Prices::PATH => freeze_list::<prices::Prices>(query, at),
        transfers::Transfers::PATH => freeze_list::<transfers::Transfers>(query, at),
        operators::Operators::PATH => freeze_list::<operators::Operators>(query, at),
        bulk_lists::BulkActs::PATH => freeze_list::<bulk_lists::BulkActs>(query, at),
        bulk_lists::Results::PATH => freeze_list::<bulk_lists::Results>(query, at),
        audit::AuditLog::PATH => freeze_list::<audit::AuditLog>(query, at),
        _ => Err(Fault::NotFound),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screens::exports::Exports;

    #[test]
    fn a_list_of_what_only_one_operator_sees_is_not_read_by_jobs() {
        let now = DateTime::UNIX_EPOCH;
        assert!(matches!(freeze(Exports::PATH, "", now), Err(FreezeError::UnknownList(_))));
        assert!(matches!(freeze_list::<Exports>(&Pairs::default(), now), Err(Fault::NotFound)));
        let shown = |path: &str| freeze(path, "", now).is_ok();
        assert!(shown(accounts::Accounts::PATH) && shown(bulk_lists::BulkActs::PATH));
    }
}
