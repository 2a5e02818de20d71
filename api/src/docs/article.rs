//! A document as HTML, with its sections for the search.

use std::collections::BTreeSet;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

use super::{PAGES, Page};

/// Beginning of the row of a code.
const ROW: &str = "<tr><td><code>";

/// A rendered document.
#[derive(Debug)]
pub(super) struct Article {
    pub(super) page: Page,
    pub(super) html: String,
    pub(super) sections: Vec<Section>,
}

/// A part of a document that a link can name.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    pub(super) anchor: String,
    pub(super) title: String,
    pub(super) text: String,
}

impl Article {
    /// Renders a document: headings get anchors, links to other documents lead to their pages, comments and images are left
    /// out. In the page of error codes, the first row of a code is an anchor, too: the `type` of problems points there.
    pub(super) fn render(page: &Page) -> Self {
        let mut writer = Writer { names_codes: page.path == "errors", ..Writer::default() };
        Parser::new_ext(page.source, Options::ENABLE_TABLES).for_each(|event| writer.take(event));
        let mut body = String::new();
        html::push_html(&mut body, writer.events.into_iter());
        let html = if writer.names_codes { with_code_anchors(&body) } else { body };
        Self { page: *page, html, sections: writer.sections }
    }
}

/// Collects the events of a document.
#[derive(Default)]
struct Writer<'a> {
    names_codes: bool,
    events: Vec<Event<'a>>,
    sections: Vec<Section>,
    /// Index of the open heading.
    heading: Option<usize>,
    /// Whether each open link is kept.
    links: Vec<bool>,
    /// Whether the next code names the row of a table.
    row_begins: bool,
}

impl<'a> Writer<'a> {
    fn take(&mut self, event: Event<'a>) {
        match event {
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::Start(Tag::HtmlBlock | Tag::Image { .. })
            | Event::End(TagEnd::HtmlBlock | TagEnd::Image) => return,
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let target = target_of(&dest_url);
                self.links.push(target.is_some());
                let Some(dest_url) = target else { return };
                self.events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
                return;
            }
            Event::End(TagEnd::Link) if self.links.pop() != Some(true) => return,
            Event::Start(Tag::Heading { .. }) => {
                self.heading = Some(self.events.len());
                self.sections.push(Section::default());
            }
            Event::End(TagEnd::Heading(_)) => self.end_heading(),
            Event::Start(Tag::TableRow) => self.row_begins = self.names_codes,
            Event::End(TagEnd::TableCell) => {
                self.row_begins = false;
                self.write(" ");
            }
            Event::Code(ref code) => {
                if std::mem::take(&mut self.row_begins) {
                    self.sections.push(Section {
                        anchor: code.to_string(),
                        title: code.to_string(),
                        ..Section::default()
                    });
                }
                self.write(code);
            }
            Event::Text(ref text) => self.write(text),
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph | TagEnd::Item) => {
                self.write(" ");
            }
            _ => {}
        }
        self.events.push(event);
    }

    fn write(&mut self, text: &str) {
        let in_heading = self.heading.is_some();
        if let Some(section) = self.sections.last_mut() {
            let part = if in_heading { &mut section.title } else { &mut section.text };
            part.push_str(text);
        }
    }

    fn end_heading(&mut self) {
        let start = self.heading.take().and_then(|start| self.events.get_mut(start));
        if let Some((section, Event::Start(Tag::Heading { id, .. }))) = self.sections.last_mut().zip(start) {
            section.anchor = slug(&section.title);
            *id = Some(section.anchor.clone().into());
        }
    }
}

/// Target of a document's link among the pages; `None` if the target is not served.
fn target_of<'a>(link: &str) -> Option<CowStr<'a>> {
    if link.starts_with(['#', '/']) || link.starts_with("https://") {
        return Some(link.to_owned().into());
    }
    let (file, anchor) = link.split_at(link.find('#').unwrap_or(link.len()));
    let page = PAGES.iter().find(|page| page.file == file)?;
    Some(format!("/docs/{}{anchor}", page.path).into())
}

/// The anchor of a heading, as GitHub derives it: `7. Switch` is `7-switch`.
fn slug(title: &str) -> String {
    let kept =
        title.trim().chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect::<String>().to_lowercase()
}

/// The page with the code as `id` of its first row.
fn with_code_anchors(body: &str) -> String {
    let mut codes = BTreeSet::new();
    let mut rows = body.split(ROW);
    let mut page = rows.next().unwrap_or_default().to_owned();
    for row in rows {
        let code = row.split('<').next().unwrap_or_default();
        if codes.insert(code) {
            page.push_str(&ROW.replacen("<tr>", &format!("<tr id=\"{code}\">"), 1));
        } else {
            page.push_str(ROW);
        }
        page.push_str(row);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemCode;

    fn rendered(source: &'static str) -> Article {
        Article::render(&Page { path: "guide", title: "", file: "x.md", source })
    }

    #[test]
    fn every_code_has_one_anchor() {
        let errors = PAGES.iter().find(|page| page.path == "errors").unwrap();
        let page = Article::render(errors).html;
        for code in ProblemCode::ALL {
            let anchor = format!("<tr id=\"{}\">", code.as_str());
            assert_eq!(page.matches(&anchor).count(), 1, "{anchor}");
        }
    }

    #[test]
    fn links_lead_to_pages_or_are_left_out() {
        let page = rendered(
            "# A guide\n\n<!-- run -->\nSee [codes](errors.md#not_found), [there](#7-switch), [why](decisions/1.md), ![x](a.png).\n\n## 7. Switch\nText.",
        );
        for part in [
            "<h2 id=\"7-switch\">",
            "href=\"/docs/errors#not_found\">codes</a>",
            "href=\"#7-switch\"",
            ", why, x.",
        ] {
            assert!(page.html.contains(part), "{part}: {}", page.html);
        }
        assert!(!page.html.contains("run"), "{}", page.html);
        assert_eq!((page.sections[1].title.as_str(), page.sections[1].text.trim()), ("7. Switch", "Text."));
    }

    /// A link inside the documents names a heading that exists.
    #[test]
    fn anchors_of_the_documents_exist() {
        let articles: Vec<Article> = PAGES.iter().map(Article::render).collect();
        for article in &articles {
            for link in article.html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let Some((path, anchor)) = link.split_once('#') else { continue };
                if path.starts_with("https://") {
                    continue;
                }
                let page = path.strip_prefix("/docs/").unwrap_or(article.page.path);
                let target = articles.iter().find(|article| article.page.path == page).unwrap();
                assert!(target.sections.iter().any(|section| section.anchor == anchor), "{link}");
            }
        }
    }
}
