//! `GET /v1/flycoins/packages`.

use flysk_domain::id::WidgetId;
use flysk_store::purchases;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;

use super::views::PackageView;
use crate::auth::WidgetCaller;
use crate::deps::{Deps, on};
use crate::platform::tag::Tag;
use crate::problem::{Problem, answers};

answers! {
    /// Answers of `listFlycoinPackages`.
    Listed {
        /// What is on offer, the cheapest first.
        200 => Ok(Json<Vec<PackageView>>),
    }
    problems {
        /// The request cannot be read.
        400 => BadRequest,
        /// The credential is missing or not accepted.
        401 => Unauthorized,
        /// The widget is not installed in the account.
        403 => Forbidden,
        /// A defect of ours.
        500 => Internal,
        /// A part of the service is away.
        503 => Unavailable,
    }
}

/// Packages of Flycoins.
pub(crate) struct PackagesApi;

#[OpenApi(tag = "Tag::Flycoins")]
impl PackagesApi {
    /// The packages of Flycoins the widget offers.
    #[oai(path = "/v1/flycoins/packages", method = "get", operation_id = "listFlycoinPackages")]
    async fn list(&self, deps: Data<&Deps>, caller: WidgetCaller) -> Listed {
        match offered(&deps, caller.0.widget.id).await {
            Ok(packages) => Listed::Ok(Json(packages)),
            Err(problem) => problem.into(),
        }
    }
}

async fn offered(deps: &Deps, widget: WidgetId) -> Result<Vec<PackageView>, Problem> {
    let mut conn = deps.conn().await?;
    let packages = purchases::list_packages_on_offer(on(&mut conn), widget).await?;
    Ok(packages.into_iter().map(PackageView::from).collect())
}
