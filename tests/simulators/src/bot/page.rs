//! Pages of a messenger's app: the people, and the dialogue of one with the bot. In `cargo xtask dev` they stand in for the app on a
//! person's phone.

use std::fmt::Write as _;

use poem::endpoint::make;
use poem::http::{StatusCode, header};
use poem::web::{Form, FromRequest as _, Html};
use poem::{IntoResponse as _, Request, Response, Route, get};
use serde::Deserialize;

use super::chat::Dialogue;
use super::{Buttons, Person, ScenarioError};

/// What a person does in the app of a messenger.
pub(crate) trait App: Clone + Send + Sync + 'static {
    /// Name of the messenger.
    const NAME: &'static str;

    /// Everybody with the app, by id.
    fn people(&self) -> Vec<Person>;
    fn dialogue(&self, person: i64) -> Result<Dialogue, ScenarioError>;
    /// Opens a deep link and presses "Start".
    fn follow_link(&self, person: i64, url: &str) -> Result<(), ScenarioError>;
    fn write_text(&self, person: i64, text: &str) -> Result<(), ScenarioError>;
    /// Presses the button that sends the contact.
    fn send_contact(&self, person: i64) -> Result<(), ScenarioError>;
}

/// What a form of the page asks for.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    Link,
    Text,
    Contact,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    act: Asked,
    #[serde(default)]
    text: String,
}

/// The routes: `/` lists the people, `/people/<id>` is the dialogue of one.
pub(crate) fn routes<A: App>(app: &A) -> Route {
    let (listed, shown, acting) = (app.clone(), app.clone(), app.clone());
    let list = make(move |_: Request| {
        let page = list_page(&listed);
        async move { Html(page) }
    });
    let show = make(move |request: Request| {
        let page = person_of(&request).and_then(|person| shown.dialogue(person).ok());
        let answer = page.map(|dialogue| Html(chat_page(A::NAME, &dialogue)).into_response());
        async move { answer.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response()) }
    });
    let act = make(move |request: Request| {
        let app = acting.clone();
        async move { perform(&app, request).await }
    });
    Route::new().at("/", get(list)).at("/people/:person", get(show).post(act))
}

fn person_of(request: &Request) -> Option<i64> {
    request.raw_path_param("person")?.parse().ok()
}

async fn perform<A: App>(app: &A, request: Request) -> Response {
    let Some(person) = person_of(&request) else { return StatusCode::NOT_FOUND.into_response() };
    let (request, mut body) = request.split();
    let Form(Act { act, text }) = match Form::<Act>::from_request(&request, &mut body).await {
        Ok(form) => form,
        Err(error) => return error.into_response(),
    };
    let done = match act {
        Asked::Link => app.follow_link(person, text.trim()),
        Asked::Text => app.write_text(person, &text),
        Asked::Contact => app.send_contact(person),
    };
    match done {
        Ok(()) => Response::builder()
            .status(StatusCode::SEE_OTHER)
            .header(header::LOCATION, format!("/_sim/people/{person}"))
            .finish(),
        Err(error) => error.to_string().with_status(StatusCode::CONFLICT).into_response(),
    }
}

const STYLE: &str = "body{margin:0 auto;max-width:30rem;padding:1rem;background:#dfe7ef;font:16px/1.4 system-ui,\"DejaVu Sans\",sans-serif}\
h1{font-size:1.1rem}p{margin:.4rem 0;padding:.6rem .8rem;border-radius:.8rem;background:#fff;max-width:80%;white-space:pre-line;width:fit-content;\
overflow-wrap:anywhere}.own{background:#d3f2c6;margin-left:auto}form{margin:.5rem 0}input{width:70%;padding:.5rem;box-sizing:border-box}\
button{padding:.5rem .8rem;border:0;border-radius:.5rem;background:#2f6fed;color:#fff;font:inherit}.keys button{width:100%;background:#fff;color:#17212b}";

fn page(title: &str, content: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"ru\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{content}</body></html>"
    )
}

fn list_page<A: App>(app: &A) -> String {
    let mut list = String::from("<ul>");
    for person in app.people() {
        // Writing to a String cannot fail.
        let _ = write!(list, "<li><a href=\"/_sim/people/{}\">{}</a>", person.id, escape(&person.name));
    }
    list.push_str("</ul><p>GET /_sim/deliveries: attempts to deliver updates. GET /_sim/chat/&lt;id&gt;: a dialogue as JSON.</p>");
    page(&format!("{}: люди с приложением", A::NAME), &list)
}

fn chat_page(messenger: &str, dialogue: &Dialogue) -> String {
    let mut content = String::from("<div id=\"chat\">");
    for line in &dialogue.lines {
        let class = if line.from_bot { "bot" } else { "own" };
        let _ = write!(content, "<p class=\"{class}\">{}</p>", escape(&line.text));
        if let Some(link) = &line.link {
            let (url, label) = (escape(&link.url), escape(&link.label));
            let _ = write!(content, "<p class=\"bot\"><a href=\"{url}\">{label}</a></p>");
        }
    }
    content.push_str("</div>");
    match &dialogue.buttons {
        Buttons::None => {}
        Buttons::RequestContact(label) => content.push_str(&button("contact", "", label)),
        Buttons::Texts(labels) => content.extend(labels.iter().map(|label| button("text", label, label))),
    }
    for (act, hint, label) in [("text", "Сообщение", "Отправить"), ("link", "Ссылка на бота", "Открыть")]
    {
        let _ = write!(
            content,
            "<form method=\"post\"><input type=\"hidden\" name=\"act\" value=\"{act}\"><input name=\"text\" placeholder=\"{hint}\" \
             required> <button>{label}</button></form>"
        );
    }
    page(&format!("{messenger}, {}", dialogue.person.name), &content)
}

/// A button of the bot's keyboard.
fn button(act: &str, text: &str, label: &str) -> String {
    format!(
        "<form method=\"post\" class=\"keys\"><input type=\"hidden\" name=\"act\" value=\"{act}\"><input type=\"hidden\" name=\"text\" \
         value=\"{}\"><button>{}</button></form>",
        escape(text),
        escape(label)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
