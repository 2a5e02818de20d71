//! What the mail server has taken, for a browser: `/_sim/` lists the letters, `/_sim/letters/<n>` shows one.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use poem::http::StatusCode;
use poem::web::{Data, Html, Path};
use poem::{EndpointExt as _, IntoResponse as _, Response, Route, get, handler};

use super::Smtp;
use crate::control::Control;
use crate::server::{self, Running};

/// Starts the page of a mail server's letters.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start_inbox(
    bind: Option<SocketAddr>,
    smtp: &Smtp,
    control: Control,
) -> anyhow::Result<Running<Smtp>> {
    let listener = server::bind(bind).await.context("the page of letters cannot listen")?;
    let sim_routes = Route::new()
        .at("/", get(list.data(smtp.clone())))
        .at("/letters/:number", get(show.data(smtp.clone())));
    server::serve(listener, control, smtp.clone(), Route::new(), sim_routes).context("the page cannot serve")
}

#[handler]
fn list(Data(smtp): Data<&Smtp>) -> Html<String> {
    let mut page =
        String::from("<!doctype html><meta charset=\"utf-8\"><title>Письма</title><h1>Письма</h1><ol>");
    for (index, letter) in smtp.letters().iter().enumerate() {
        let (to, subject) = (letter.recipients.join(", "), letter.subject());
        let escaped = format!("{to}: {subject}").replace('&', "&amp;").replace('<', "&lt;");
        // Writing to a String cannot fail.
        let _ = write!(page, "<li><a href=\"/_sim/letters/{index}\">{escaped}</a>");
    }
    page.push_str("</ol>");
    Html(page)
}

#[handler]
fn show(Data(smtp): Data<&Smtp>, Path(number): Path<usize>) -> Response {
    match smtp.letters().get(number) {
        Some(letter) => Html(letter.html()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
