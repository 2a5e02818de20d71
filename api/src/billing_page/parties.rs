//! Who the pages are about: the account, the widget, and its seller.

use flysk_store::Conn;
use flysk_store::platform::installs::Install;
use flysk_store::platform::vendors::{self, Vendor};
use flysk_store::platform::{accounts, widgets};

use crate::problem::Problem;

/// The seller, as the foot of the page names it.
#[derive(Debug, Default)]
pub(super) struct Seller {
    /// Legal name; empty if the vendor has not named it.
    pub(super) name: String,
    /// Taxpayer number.
    pub(super) inn: Option<String>,
    /// E-mail address for customers.
    pub(super) email: Option<String>,
    /// Telephone number for customers.
    pub(super) phone: Option<String>,
}

impl From<&Vendor> for Seller {
    fn from(vendor: &Vendor) -> Self {
        Self {
            name: vendor.legal_name.trim().to_owned(),
            inn: vendor.inn.clone(),
            email: vendor.email.clone(),
            phone: vendor.phone.clone(),
        }
    }
}

impl Seller {
    /// Whether anything is known about the seller.
    pub(super) const fn is_known(&self) -> bool {
        !self.name.is_empty() || self.inn.is_some() || self.email.is_some() || self.phone.is_some()
    }
}

/// Account, widget and seller.
#[derive(Debug)]
pub(super) struct Parties {
    /// Name of the widget.
    pub(super) widget: String,
    /// Name of the account, and its host.
    pub(super) account: String,
    pub(super) seller: Seller,
}

impl Parties {
    /// Reads those of an install.
    pub(super) async fn load(conn: &mut Conn, install: &Install) -> Result<Self, Problem> {
        let widget = widgets::find(conn, install.widget_id).await?;
        let vendor = vendors::find_vendor_of_widget(conn, install.widget_id).await?;
        let account = match accounts::find(conn, install.crm, install.account_id).await? {
            Some(account) if account.name.trim().is_empty() => account.host,
            Some(account) => format!("{} ({})", account.name.trim(), account.host),
            None => format!("№ {}", install.account_id),
        };
        Ok(Self {
            widget: widget.map(|widget| widget.name).unwrap_or_default(),
            account,
            seller: vendor.as_ref().map(Seller::from).unwrap_or_default(),
        })
    }
}
