//! The frame of every page: the account, the widget, and its seller.

use super::super::parties::{Parties, Seller};
use super::caller::Caller;
use crate::deps::Deps;
use crate::problem::Problem;

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
        let parties = Parties::load(&mut *deps.conn().await?, &user.install).await?;
        Ok(Self {
            base: caller.path(""),
            widget: parties.widget,
            account: parties.account,
            seller: parties.seller,
            token: caller.form_token(deps),
            is_admin: user.is_admin,
            can_pay: user.widget.uses_subscriptions && deps.config.tbank.is_some(),
        })
    }
}
