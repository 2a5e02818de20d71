//! Templates of the pages, and their content security policy.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use sha2::Digest as _;

use super::article::Article;
use super::search::Hit;
use super::{PAGES, Page};

const STYLE: &str = include_str!("../../templates/docs/style.css");

/// Content security policy: only the inline style, and the form of the search.
pub(super) fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
    });
    &POLICY
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
