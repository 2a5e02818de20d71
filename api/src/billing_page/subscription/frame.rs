//! The frame of every page: the account, the widget, and its seller.

use flysk_store::platform::accounts;
use flysk_store::platform::vendors::{self, Vendor};

use super::caller::Caller;
use crate::deps::Deps;
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

/// Data that all pages share.
pub(super) struct Frame {
    /// Path of the user's page.
    pub(super) base: String,
    /// Name of the widget.
    pub(super) widget: String,
    /// Name of the account, and its host.
    pub(super) account: String,
    pub(super) seller: Seller,
    /// CSRF token.
    pub(super) token: String,
    /// Whether the user may buy and change.
    pub(super) is_admin: bool,
    /// Whether payments can be made: the widget sells subscriptions, and T-Bank is in the environment, without which a vendor's own
    /// terminal is of no use.
    pub(super) can_pay: bool,
}

impl Frame {
    /// Reads account and seller.
    pub(super) async fn load(deps: &Deps, caller: &Caller) -> Result<Self, Problem> {
        let user = &caller.user;
        let mut conn = deps.conn().await?;
        let vendor = vendors::find_vendor_of_widget(&mut conn, user.widget.id).await?;
        let account = accounts::find(&mut conn, user.install.crm, user.account_id()).await?;
        let account = match account {
            Some(account) if account.name.trim().is_empty() => account.host,
            Some(account) => format!("{} ({})", account.name.trim(), account.host),
            None => format!("№ {}", user.account_id()),
        };
        Ok(Self {
            base: caller.path(""),
            widget: user.widget.name.clone(),
            account,
            seller: vendor.as_ref().map(Seller::from).unwrap_or_default(),
            token: caller.form_token(deps),
            is_admin: user.is_admin,
            can_pay: user.widget.uses_subscriptions && deps.config.tbank.is_some(),
        })
    }
}
