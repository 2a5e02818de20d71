//! Frame of every page of a signed-in user.

use flysk_domain::admin::RowDensity;

use crate::area::Area;
use crate::assets;
use crate::navigation::NavGroup;

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

impl Layout {
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
