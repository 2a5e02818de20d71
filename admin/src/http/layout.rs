//! Frame of every page of a signed-in user.

use flysk_crypto::Keyring;
use flysk_domain::admin::RowDensity;
use secrecy::ExposeSecret as _;

use super::respond::{NOTICE_AAD, NOTICE_COOKIE, Refusal};
use super::vendor_visit::{Demand, VendorVisit, vendor_name};
use super::{Incoming, Rank, Visit};
use crate::area::Area;
use crate::assets;
use crate::deps::Deps;
use crate::navigation::{self, NavGroup};
use crate::portal;
use crate::portal::session::FoundUser;
use crate::sign_in::session::{FoundOperator, form_token};

/// Frame of a page.
pub(crate) struct Layout {
    /// Title of the page.
    pub(crate) title: String,
    /// The application.
    pub(crate) area: Area,
    /// Sections of the application.
    pub(crate) nav: Vec<NavGroup>,
    /// Name of the user.
    pub(crate) name: String,
    /// Role of an operator, or vendor of a vendor's user.
    pub(crate) role: String,
    /// CSRF token of the session.
    pub(crate) csrf: String,
    /// Height of the rows of tables.
    pub(crate) row_density: RowDensity,
    /// Result of the last act.
    pub(crate) notice: Option<String>,
    /// Text in the search box.
    pub(crate) search: String,
    /// Whether the panel changes nothing at present.
    pub(crate) read_only: bool,
    /// Number of the request, for support.
    pub(crate) request_id: String,
    /// Milliseconds within which 95 % of the last pages were answered, of an operator's page.
    pub(crate) p95_ms: Option<u128>,
}

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

impl Layout {
    /// The layout for a visit of an operator.
    pub(crate) fn of<R: Rank>(visit: &Visit<R>, title: String) -> Self {
        Self {
            title,
            area: Area::Panel,
            nav: navigation::groups(&visit.request.path, visit.who.role, &visit.who.rights),
            name: visit.who.name.clone(),
            role: visit.who.role.label().to_owned(),
            csrf: visit.csrf(),
            row_density: visit.who.row_density,
            notice: notice_of(&visit.deps.keyring, &visit.request),
            search: visit.request.query.get("q").unwrap_or_default().to_owned(),
            read_only: visit.deps.config.admin.read_only,
            request_id: visit.request.trace.correlation_id.clone(),
            p95_ms: visit.deps.page_times.p95().map(|time| time.as_millis()),
        }
    }

    /// The layout for a visit of a vendor's user.
    pub(crate) fn of_vendor<D: Demand>(visit: &VendorVisit<D>, title: String) -> Self {
        Self {
            title,
            area: Area::Portal,
            nav: portal::navigation::groups(&visit.request.path),
            name: visit.who.name.clone(),
            role: visit.who.vendor_name.clone(),
            csrf: visit.csrf(),
            row_density: RowDensity::Comfortable,
            notice: notice_of(&visit.deps.keyring, &visit.request),
            search: String::new(),
            read_only: visit.deps.config.admin.read_only,
            request_id: visit.request.trace.correlation_id.clone(),
            p95_ms: None,
        }
    }

    /// The layout for an answer that no page gives.
    pub(super) fn of_caller(deps: &Deps, caller: Caller<'_>, kept: &Refusal, title: &str) -> Self {
        let (area, nav, name, role, csrf, row_density) = match caller {
            Caller::Operator(FoundOperator { operator, session }) => (
                Area::Panel,
                navigation::groups(kept.path(), operator.role, &operator.rights),
                operator.name.clone(),
                operator.role.label().to_owned(),
                form_token(&deps.keyring, session),
                operator.row_density,
            ),
            Caller::Vendor(FoundUser { user, session }) => (
                Area::Portal,
                portal::navigation::groups(kept.path()),
                user.name.clone(),
                vendor_name(user).to_owned(),
                form_token(&deps.keyring, session),
                RowDensity::Comfortable,
            ),
        };
        Self {
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

    /// Whether rows of tables are low.
    pub(crate) fn is_compact(&self) -> bool {
        self.row_density == RowDensity::Compact
    }

    /// Versions of styles and scripts in URLs.
    #[expect(clippy::unused_self, reason = "templates call methods of the layout")]
    pub(crate) fn assets(&self) -> &'static str {
        assets::version()
    }
}

fn notice_of(keyring: &Keyring, request: &Incoming) -> Option<String> {
    let opened = keyring.open_token(request.cookie(NOTICE_COOKIE)?, NOTICE_AAD).ok()?;
    Some(opened.expose_secret().to_owned())
}
