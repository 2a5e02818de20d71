//! Templates of the pages, and their content security policy.

use std::sync::LazyLock;

use askama::Template;

use super::article::Article;
use super::search::Hit;
use super::{PAGES, Page};
use crate::html_page;

const STYLE: &str = include_str!("../../templates/docs/style.css");

/// Content security policy of the pages: only the inline style, and the form of the search.
pub(super) fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> =
        LazyLock::new(|| html_page::content_security_policy(&[], &[STYLE], &[]));
    &POLICY
}

/// Content security policy of Swagger UI: its inline parts, its icons, and requests to this API. It writes `style` attributes,
/// but its styles come from the page.
pub(super) fn reference_policy(page: &str) -> String {
    let (scripts, styles) = html_page::inline_contents(page);
    let further = ["style-src-attr 'unsafe-inline'", "img-src 'self' data:", "connect-src 'self'"];
    html_page::content_security_policy(&scripts, &styles, &further)
}

#[derive(Template)]
#[template(path = "docs/article.html")]
struct ArticlePage<'a> {
    title: &'a str,
    query: &'a str,
    pages: &'a [Page],
    body: &'a str,
}

#[derive(Template)]
#[template(path = "docs/results.html")]
struct ResultsPage<'a> {
    title: &'a str,
    query: &'a str,
    pages: &'a [Page],
    hits: &'a [Hit<'a>],
}

/// The page of a document.
pub(super) fn article(article: &Article) -> Result<String, askama::Error> {
    ArticlePage { title: article.page.title, query: "", pages: &PAGES, body: &article.html }.render()
}

/// The page of search results.
pub(super) fn results(query: &str, hits: &[Hit<'_>]) -> Result<String, askama::Error> {
    ResultsPage { title: "Search", query, pages: &PAGES, hits }.render()
}
