//! Letters with sample facts: list, the page of one, and its HTML in a frame of its own.

use askama::Template;
use flysk_domain::flysense::activation::letter_samples;
use flysk_domain::letter::SampleLetter;
use flysk_domain::platform::mail;
use flysk_domain::platform::subscriptions::moscow_day;
use poem::Response;
use poem::http::header::{self, HeaderValue};

use crate::http::respond::with_headers;
use crate::http::{Fault, Support, Visit};
use crate::view::{Cell, DetailPage, Layout, Row, Section, Table};

/// A letter may have its styles, and nothing else: no script, no request, no form, and no frame but one of the panel.
const LETTER_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'; base-uri 'none'; \
     sandbox";

/// Context of the page of a letter.
#[derive(Template)]
#[template(path = "letter.html")]
struct LetterPage {
    layout: Layout,
    code: String,
    cause: &'static str,
    subject: String,
    text: String,
}

/// Letters by sender; the code of FlySense's begins with its name.
fn senders(visit: &Visit<Support>) -> [(&'static str, Vec<SampleLetter>); 2] {
    let today = moscow_day(visit.deps.clock().now());
    let mut flysense = letter_samples::sample_letters();
    for sample in &mut flysense {
        sample.code.insert_str(0, "flysense-");
    }
    [("Подписки, плательщику", mail::sample_letters(today)), ("FlySense, привязанным людям", flysense)]
}

fn find(visit: &Visit<Support>) -> Result<SampleLetter, Fault> {
    let code: String = visit.request.id()?;
    let mut all = senders(visit).into_iter().flat_map(|(_, samples)| samples);
    all.find(|sample| sample.code == code).ok_or(Fault::NotFound)
}

/// `GET /letters`.
pub(crate) async fn list(visit: Visit<Support>) -> Result<Response, Fault> {
    let row = |sample: &SampleLetter| {
        let href = format!("/letters/{}", sample.code);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, &sample.title),
                Cell::text(sample.letter.subject.clone()),
                Cell::text(sample.cause),
            ],
        )
    };
    let section = |(sender, samples): (&'static str, Vec<SampleLetter>)| {
        let table = Table::new(&["Письмо", "Тема", "Когда"], samples.iter().map(row).collect());
        Section::new(sender, table, "Писем нет.")
    };
    let mut page = DetailPage::new(visit.layout("Письма"));
    page.sections = senders(&visit).into_iter().map(section).collect();
    std::future::ready(visit.page(&page)).await
}

/// `GET /letters/:id`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let SampleLetter { code, title, cause, letter } = find(&visit)?;
    let text = letter.text();
    let page = LetterPage { layout: visit.layout(title), code, cause, subject: letter.subject, text };
    std::future::ready(visit.page(&page)).await
}

/// `GET /letters/:id/html`: the letter as a mail program shows it, for the frame of its page.
pub(crate) async fn show_html(visit: Visit<Support>) -> Result<Response, Fault> {
    let html = find(&visit)?.letter.html();
    let mut response = with_headers(Response::builder().content_type("text/html; charset=utf-8").body(html));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(LETTER_POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    std::future::ready(Ok(response)).await
}
