//! The user of a widget, whichever credential named them.

use flysk_domain::id::{AccountId, UserId};
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;

use crate::problem::{Problem, ProblemCode};

/// A user of a widget in an account.
#[derive(Debug)]
pub(crate) struct WidgetUser {
    pub(crate) widget: Widget,
    /// The widget's install in the user's account.
    pub(crate) install: Install,
    pub(crate) user_id: UserId,
    /// Whether the user is an administrator of the account.
    pub(crate) is_admin: bool,
}

impl WidgetUser {
    pub(crate) fn account_id(&self) -> AccountId {
        self.install.account_id
    }

    /// Fails with `admin_only` unless the user is an administrator of the account.
    pub(crate) fn must_be_admin(&self) -> Result<(), Problem> {
        if self.is_admin {
            return Ok(());
        }
        Err(Problem::new(ProblemCode::AdminOnly, "only administrators of the account may do this"))
    }
}
