//! `/v1/backend/installs`: where a vendor's widget is installed.

use flysk_domain::id::{AccountId, InstallId};
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_store::platform::install_list::{self, InstallSummary};
use flysk_store::platform::widgets::Widget;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::events::install_in;
use super::tag::Tag;
use crate::auth::BackendCaller;
use crate::choice::Choice;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode, answers};
use crate::time::Time;

/// Default number of installs on a page.
fn default_limit() -> u32 {
    50
}

/// An install: the widget in an account.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct Install {
    /// Install id; the same after a reinstall.
    id: String,
    /// Account id in amoCRM.
    account_id: u64,
    /// Name of the account.
    account_name: Option<String>,
    /// The account's host.
    base_domain: Option<String>,
    /// Status.
    status: Choice<InstallStatus>,
    /// Version of the settings; 0 before the first change.
    settings_version: u32,
    /// `sequence` of the install's last event; 0 before the first one.
    last_event_sequence: u64,
    /// When access was last granted.
    granted_at: Option<Time>,
    /// When the account began to install the widget for the first time.
    created_at: Time,
    /// Time of the last change of the install, its settings included.
    updated_at: Time,
}

impl Example for Install {
    fn example() -> Self {
        Self {
            id: "ins_01KCQJ1A3C5E7G9J1L3N5Q7S9V".to_owned(),
            account_id: 31_234_567,
            account_name: Some("Демонстрация".to_owned()),
            base_domain: Some("demo.amocrm.ru".to_owned()),
            status: InstallStatus::Active.into(),
            settings_version: 3,
            last_event_sequence: 2,
            granted_at: Some(Time::example()),
            created_at: Time::example(),
            updated_at: Time::example(),
        }
    }
}

impl From<InstallSummary> for Install {
    fn from(row: InstallSummary) -> Self {
        Self {
            id: row.id.to_string(),
            account_id: row.account_id.0,
            account_name: row.account_name.filter(|name| !name.is_empty()),
            base_domain: row.host,
            status: row.status.into(),
            settings_version: row.settings_version,
            last_event_sequence: row.event_sequence,
            granted_at: row.granted_at.map(Time::from),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// A page of installs, by account id.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct InstallPage {
    /// The installs.
    items: Vec<Install>,
    /// Value of `cursor` for the next page; null on the last page.
    next: Option<String>,
}

impl Example for InstallPage {
    fn example() -> Self {
        Self { items: vec![Install::example()], next: None }
    }
}

answers! {
    /// Responses of `listInstalls`.
    Listed {
        /// A page of installs.
        200 => Ok(Json<InstallPage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The account has never installed the widget.
        404 => NotFound [InstallNotFound],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getInstall`.
    Got {
        /// The install.
        200 => Ok(Json<Install>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid project token.
        401 => Unauthorized,
        /// The widget has no such install.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on installs, for backends.
pub(crate) struct InstallsApi;

#[OpenApi(tag = "Tag::Backend")]
impl InstallsApi {
    /// List the widget's installs by account id, uninstalled ones included.
    #[oai(path = "/v1/backend/installs", method = "get", operation_id = "listInstalls")]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Only installs with this status.
        status: Query<Option<Choice<InstallStatus>>>,
        /// Only the install in this account.
        account_id: Query<Option<u64>>,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of installs.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        let status = status.0.map(|status| status.0);
        let listed = match account_id.0 {
            Some(account) => list_one(&deps, &caller.0, status, account).await,
            None => list(&deps, &caller.0, status, cursor.0.as_deref(), limit.0).await,
        };
        match listed {
            Ok(page) => Listed::Ok(Json(page)),
            Err(problem) => problem.into(),
        }
    }

    /// Get an install of the widget.
    #[oai(path = "/v1/backend/installs/:install_id", method = "get", operation_id = "getInstall")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: BackendCaller,
        /// Install id.
        install_id: Path<String>,
    ) -> Got {
        match find(&deps, &caller.0, &install_id.0).await {
            Ok(install) => Got::Ok(Json(install)),
            Err(problem) => problem.into(),
        }
    }
}

async fn list(
    deps: &Deps,
    widget: &Widget,
    status: Option<InstallStatus>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<InstallPage, Problem> {
    let invalid = |_| Problem::new(ProblemCode::BadRequest, "`cursor` must be the `next` of a page");
    let after = cursor.map(str::parse).transpose().map_err(invalid)?.unwrap_or_default();
    // One row more than requested shows whether there is a next page.
    let mut conn = deps.conn().await?;
    let mut rows =
        install_list::list_summaries(&mut conn, widget.id, status, AccountId(after), limit.saturating_add(1))
            .await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|last| last.account_id.to_string());
    Ok(InstallPage { items: rows.into_iter().map(Install::from).collect(), next })
}

async fn list_one(
    deps: &Deps,
    widget: &Widget,
    status: Option<InstallStatus>,
    account: u64,
) -> Result<InstallPage, Problem> {
    let install = install_in(deps, widget, Some(account)).await?;
    let mut conn = deps.conn().await?;
    let found = match install {
        Some(id) => install_list::find_summary(&mut conn, widget.id, id).await?,
        None => None,
    };
    let selected = found.filter(|row| status.is_none_or(|status| status == row.status));
    Ok(InstallPage { items: selected.into_iter().map(Install::from).collect(), next: None })
}

/// The widget's install. Installs of other widgets are not found.
async fn find(deps: &Deps, widget: &Widget, id: &str) -> Result<Install, Problem> {
    let unknown = || Problem::new(ProblemCode::NotFound, "no such install");
    let id: InstallId = id.parse().map_err(|_| unknown())?;
    let found = install_list::find_summary(&mut *deps.conn().await?, widget.id, id).await?;
    found.map(Install::from).ok_or_else(unknown)
}
