//! Search over the sections of all pages.

use super::article::{Article, Section};

/// Maximum number of results.
const MAX_HITS: usize = 30;
/// Length of an excerpt on each side of the first match, in characters.
const EXCERPT_CHARS: usize = 90;

/// A section that contains all words of a query.
#[derive(Debug)]
pub(super) struct Hit<'a> {
    /// Address of the section.
    pub(super) href: String,
    /// Title of the page.
    pub(super) page: &'a str,
    /// Title of the section.
    pub(super) title: &'a str,
    /// Text around the first match.
    pub(super) excerpt: String,
}

/// The sections that contain every word of the query, whatever its case; those with the words in the title first.
pub(super) fn find<'a>(articles: &'a [Article], query: &str) -> Vec<Hit<'a>> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    if words.is_empty() {
        return Vec::new();
    }
    let sections =
        articles.iter().flat_map(|article| article.sections.iter().map(move |section| (article, section)));
    let mut found: Vec<(bool, Hit<'a>)> = sections
        .filter_map(|(article, section)| {
            let title = section.title.to_lowercase();
            let text = section.text.to_lowercase();
            let matches = words.iter().all(|word| title.contains(word) || text.contains(word));
            matches.then(|| {
                let in_text = !words.iter().all(|word| title.contains(word));
                (in_text, hit(article, section, &text, &words))
            })
        })
        .collect();
    found.sort_by_key(|(in_text, _)| *in_text);
    found.into_iter().take(MAX_HITS).map(|(_, hit)| hit).collect()
}

fn hit<'a>(article: &'a Article, section: &'a Section, lower: &str, words: &[String]) -> Hit<'a> {
    // Lower case may change the length of a text in bytes, so places are counted in characters.
    let byte = words.iter().filter_map(|word| lower.find(word)).min().unwrap_or_default();
    let position = lower.get(..byte).unwrap_or_default().chars().count();
    let from = position.saturating_sub(EXCERPT_CHARS);
    let excerpt: String = section.text.chars().skip(from).take(EXCERPT_CHARS * 2).collect();
    Hit {
        href: format!("/docs/{}#{}", article.page.path, section.anchor),
        page: article.page.title,
        title: &section.title,
        excerpt: format!("{}{}…", if from > 0 { "…" } else { "" }, excerpt.trim()),
    }
}
