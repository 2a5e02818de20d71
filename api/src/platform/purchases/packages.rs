//! `GET /v1/flycoins/packages`: packages on offer.

use flysk_domain::id::WidgetId;
use flysk_store::platform::purchases;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;

use super::views::{PackagePage, PackageView};
use crate::auth::WidgetCaller;
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, answers};

answers! {
    /// Responses of `listFlycoinPackages`.
    Listed {
        /// The packages on offer, cheapest first.
        200 => Ok(Json<PackagePage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// The widget is not installed in the account.
        403 => Forbidden [NotInstalled],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation to list packages.
pub(crate) struct PackagesApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl PackagesApi {
    /// List the packages of Flycoins on offer for the widget, cheapest first. The list has one page.
    #[oai(path = "/v1/flycoins/packages", method = "get", operation_id = "listFlycoinPackages")]
    async fn list(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Listed {
        match offered(&deps, caller.0.widget.id).await {
            Ok(packages) => Listed::Ok(Json(packages)),
            Err(problem) => problem.into(),
        }
    }
}

async fn offered(deps: &Deps, widget: WidgetId) -> Result<PackagePage, Problem> {
    let mut conn = deps.conn().await?;
    let packages = purchases::list_packages_on_offer(&mut conn, widget).await?;
    Ok(PackagePage { items: packages.into_iter().map(PackageView::from).collect(), next: None })
}
