//! Transfer invoices and balances of firms, as rows of lists.

use flysk_domain::TextEnum as _;
use flysk_domain::id::InstallId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{Inn, label_ru};
use flysk_domain::russian::{day, roubles};
use flysk_store::platform::transfers::{TransferInvoice, list_balances};

use crate::deps::Deps;
use crate::problem::Problem;

/// An invoice in a list.
#[derive(Debug)]
pub(super) struct TransferRow {
    pub(super) id: String,
    /// Number and payer.
    pub(super) title: String,
    /// Day of the invoice.
    pub(super) on: String,
    /// Price.
    pub(super) total: String,
    /// State in Russian.
    pub(super) label: &'static str,
    /// State, for styles.
    pub(super) code: &'static str,
}

impl From<&TransferInvoice> for TransferRow {
    fn from(invoice: &TransferInvoice) -> Self {
        Self {
            id: invoice.id.to_string(),
            title: format!("Счёт № {}, {}", invoice.number, invoice.payer.name),
            on: day(invoice.issued_on),
            total: roubles(invoice.total),
            label: label_ru(invoice.state, invoice.paid),
            code: invoice.state.as_str(),
        }
    }
}

/// Money of a firm that waits for its next invoice.
#[derive(Debug)]
pub(super) struct BalanceRow {
    /// INN of the firm.
    pub(super) inn: String,
    pub(super) amount: String,
}

/// The balances of the firms of an install.
pub(super) async fn balances(deps: &Deps, install: InstallId) -> Result<Vec<BalanceRow>, Problem> {
    let found = list_balances(&mut *deps.conn().await?, install).await?;
    let row = |(inn, amount): (Inn, Kopecks)| BalanceRow { inn: inn.to_string(), amount: roubles(amount) };
    Ok(found.into_iter().map(row).collect())
}
