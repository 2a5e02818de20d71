//! The user of the page.

use flysk_store::platform::widgets;
use poem::Request;

use super::super::session::{Visitor, visitor};
use crate::auth::WidgetUser;
use crate::billing_links::HostedPage;
use crate::deps::Deps;
use crate::platform::subscriptions::must_have_subscription;
use crate::problem::{Problem, ProblemCode};

/// A user of the account, authenticated by the page's cookie.
pub(super) struct Caller {
    /// The user, as the operations of the API know users.
    pub(super) user: WidgetUser,
    visitor: Visitor,
}

impl Caller {
    /// Authenticates the user. Fails unless the widget sells subscriptions, or the account has bought one while it did.
    pub(super) async fn of(deps: &Deps, request: &Request, install: &str) -> Result<Self, Problem> {
        let visitor = visitor(deps, HostedPage::Subscription, request, install).await?;
        let widget = widgets::find(&mut *deps.conn().await?, visitor.install.widget_id).await?;
        let gone = || Problem::new(ProblemCode::Unauthorized, "the widget is gone");
        let user = WidgetUser {
            widget: widget.ok_or_else(gone)?,
            install: visitor.install.clone(),
            user_id: visitor.user_id,
            is_admin: visitor.is_admin,
        };
        must_have_subscription(deps, &user).await?;
        Ok(Self { user, visitor })
    }

    /// CSRF token for this user's forms.
    pub(super) fn form_token(&self, deps: &Deps) -> String {
        self.visitor.form_token(deps)
    }

    /// Fails unless the CSRF token of a form belongs to this user's session.
    pub(super) fn must_own_form(&self, deps: &Deps, token: &str) -> Result<(), Problem> {
        if self.visitor.owns_form(deps, token) {
            return Ok(());
        }
        Err(Problem::new(ProblemCode::BadRequest, "the form has expired: reload the page"))
    }

    /// Path of the user's page, with `rest` after it.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/billing/subscription/{}{rest}", self.user.install.id)
    }
}
