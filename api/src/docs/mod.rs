//! The documentation for vendors as pages: Swagger UI, the guides and the error codes, with a search over all of them. It is
//! compiled into the executable and loads nothing from elsewhere.

mod article;
mod search;
mod view;

use std::sync::{LazyLock, OnceLock};

use poem::endpoint::make_sync;
use poem::http::StatusCode;
use poem::web::{Path, Query};
use poem::{Response, Route, get, handler};
use serde::Deserialize;

use crate::html_page;
use crate::problem::{Problem, ProblemCode};
use article::Article;

/// A document of the repository that is served as a page.
#[derive(Debug, Clone, Copy)]
struct Page {
    /// Name of the page below `/docs/`.
    path: &'static str,
    /// Title in the navigation.
    title: &'static str,
    /// Name of the file in `docs/`, as other documents refer to it.
    file: &'static str,
    /// The document as Markdown.
    source: &'static str,
}

/// The pages, in the order of the navigation.
const PAGES: [Page; 8] = [
    Page {
        path: "guide",
        title: "Integration guide",
        file: "integrate.md",
        source: include_str!("../../../docs/integrate.md"),
    },
    Page {
        path: "flycoins",
        title: "Flycoins",
        file: "flycoins.md",
        source: include_str!("../../../docs/flycoins.md"),
    },
    Page {
        path: "subscriptions",
        title: "Subscriptions",
        file: "subscriptions.md",
        source: include_str!("../../../docs/subscriptions.md"),
    },
    Page {
        path: "sandbox",
        title: "Sandbox for tests",
        file: "sandbox.md",
        source: include_str!("../../../docs/sandbox.md"),
    },
    Page {
        path: "portal",
        title: "Portal for vendors",
        file: "portal.md",
        source: include_str!("../../../docs/portal.md"),
    },
    Page {
        path: "payments",
        title: "Payments",
        file: "payments.md",
        source: include_str!("../../../docs/payments.md"),
    },
    Page {
        path: "errors",
        title: "Error codes",
        file: "errors.md",
        source: include_str!("../../../docs/errors.md"),
    },
    Page {
        path: "changes",
        title: "Changes of the API",
        file: "api-changelog.md",
        source: include_str!("../../../docs/api-changelog.md"),
    },
];

/// The rendered pages.
static ARTICLES: LazyLock<Vec<Article>> = LazyLock::new(|| PAGES.iter().map(Article::render).collect());

/// Routes below `/docs`. `reference` composes the page of Swagger UI when it is asked for first: composing the OpenAPI document
/// takes tens of megabytes, which a process whose documentation nobody reads does not need.
pub(crate) fn routes(reference: fn() -> String) -> Route {
    let composed: OnceLock<(String, String)> = OnceLock::new();
    let reference = make_sync(move |_| {
        let (page, policy) = composed.get_or_init(|| {
            let page = reference();
            let policy = view::reference_policy(&page);
            (page, policy)
        });
        html_page::response(StatusCode::OK, page.clone(), policy)
    });
    Route::new().at("/", get(reference)).at("/search", get(find)).at("/:page", get(show))
}

#[handler]
fn show(Path(name): Path<String>) -> Response {
    match ARTICLES.iter().find(|article| article.page.path == name) {
        Some(article) => html(view::article(article)),
        None => Problem::new(ProblemCode::NotFound, "no such page of the documentation").response(),
    }
}

/// A search request.
#[derive(Debug, Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

#[handler]
fn find(Query(search): Query<Search>) -> Response {
    html(view::results(&search.q, &search::find(&ARTICLES, &search.q)))
}

/// An HTML page that loads nothing from other hosts, and no script.
fn html(body: Result<String, askama::Error>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "cannot render a page");
            return Problem::new(ProblemCode::Internal, "quote X-Request-Id to support").response();
        }
    };
    html_page::response(StatusCode::OK, body, view::content_security_policy())
}

#[cfg(test)]
mod tests {
    use flysk_domain::TextEnum as _;
    use flysk_domain::platform::events::EventKind;
    use poem::Endpoint as _;
    use poem::Request;

    use super::*;

    async fn page(path: &str) -> (StatusCode, String) {
        let routes = Route::new().nest("/docs", routes(|| "swagger".to_owned()));
        let answer = routes.get_response(Request::builder().uri_str(path).finish()).await;
        (answer.status(), answer.into_body().into_string().await.unwrap())
    }

    #[tokio::test]
    async fn every_page_answers_with_navigation_and_without_other_hosts() {
        for path in ["/docs", "/docs/"] {
            assert_eq!(page(path).await, (StatusCode::OK, "swagger".to_owned()), "{path}");
        }
        for known in PAGES {
            let (status, body) = page(&format!("/docs/{}", known.path)).await;
            assert_eq!(status, StatusCode::OK, "{}", known.path);
            for other in PAGES {
                assert!(body.contains(&format!("href=\"/docs/{}\"", other.path)), "{}", other.path);
            }
            assert!(!body.contains("src=") && !body.contains("<script"), "{} loads something", known.path);
            assert!(!body.contains("<!-- run") && !body.contains(".md\""), "{} shows its source", known.path);
        }
        assert_eq!(page("/docs/nothing").await.0, StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_reference_may_execute_its_own_scripts_and_no_others() {
        let page = crate::routes::swagger_page();
        let (scripts, styles) = html_page::inline_contents(&page);
        assert_eq!((scripts.len(), styles.len()), (2, 1), "Swagger UI, its start and its styles");
        assert!(scripts[0].len() > 1_000_000 && scripts[1].contains("SwaggerUIBundle({"));
        let policy = view::reference_policy(&page);
        let of_scripts = policy.split("; ").find(|directive| directive.starts_with("script-src ")).unwrap();
        assert_eq!(of_scripts.matches("'sha256-").count(), 2, "{policy}");
        assert!(!of_scripts.contains("unsafe"), "{policy}");
    }

    /// Vendors learn of a new kind of event from the changelog, and of its data from a guide.
    #[test]
    fn every_kind_of_event_is_in_the_changelog_and_in_a_guide() {
        let source = |path: &str| PAGES.iter().find(|page| page.path == path).unwrap().source;
        let guides = [source("guide"), source("subscriptions")].concat();
        for kind in EventKind::ALL.iter().map(|kind| format!("`{}`", kind.as_str())) {
            assert!(source("changes").contains(&kind), "{kind} is not in the changelog");
            assert!(guides.contains(&kind) || kind == "`test`", "{kind} is in no guide");
        }
    }

    #[tokio::test]
    async fn the_search_finds_sections_and_codes_and_escapes_the_query() {
        let (status, found) = page("/docs/search?q=hold_ended").await;
        assert!(status == StatusCode::OK && found.contains("href=\"/docs/errors#hold_ended\""), "{found}");
        let (_, found) = page("/docs/search?q=circuit%20BREAKER").await;
        assert!(found.contains("href=\"/docs/guide#3-events\""), "{found}");
        let (_, found) = page("/docs/search?q=%3Cscript%3E").await;
        assert!(found.contains("Nothing found") && !found.contains("<script>"), "{found}");
        assert!(page("/docs/search").await.1.contains("type=\"search\""));
    }
}
