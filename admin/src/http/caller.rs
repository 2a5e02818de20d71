//! Receiver of an answer that no page gives, and the frame of that answer.

use flysk_domain::admin::RowDensity;

use super::refusal::Refusal;
use crate::area::Area;
use crate::deps::Deps;
use crate::navigation;
use crate::sign_in::session::{FoundOperator, form_token};
use crate::sign_in::vendor_session::{FoundUser, vendor_name};
use crate::view::Layout;

/// Receiver of an answer that no page gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Caller<'a> {
    Operator(&'a FoundOperator),
    /// A vendor's user.
    Vendor(&'a FoundUser),
}

impl<'a> From<&'a FoundOperator> for Caller<'a> {
    fn from(found: &'a FoundOperator) -> Self {
        Self::Operator(found)
    }
}

impl<'a> From<&'a FoundUser> for Caller<'a> {
    fn from(found: &'a FoundUser) -> Self {
        Self::Vendor(found)
    }
}

impl Caller<'_> {
    /// The frame of an answer with this title.
    pub(super) fn layout(self, deps: &Deps, kept: &Refusal, title: &str) -> Layout {
        let (area, nav, name, role, csrf, row_density) = match self {
            Self::Operator(FoundOperator { operator, session }) => (
                Area::Panel,
                navigation::groups(kept.path(), operator.role, &operator.rights),
                operator.name.clone(),
                operator.role.label().to_owned(),
                form_token(&deps.keyring, session),
                operator.row_density,
            ),
            Self::Vendor(FoundUser { user, session }) => (
                Area::Portal,
                navigation::portal::groups(kept.path()),
                user.name.clone(),
                vendor_name(user).to_owned(),
                form_token(&deps.keyring, session),
                RowDensity::Comfortable,
            ),
        };
        Layout {
            title: title.to_owned(),
            area,
            nav,
            name,
            role,
            csrf,
            row_density,
            notice: None,
            search: String::new(),
            read_only: deps.config.admin.read_only,
            request_id: kept.request_id().to_owned(),
            p95_ms: None,
        }
    }
}
