//! The forms of the page.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use flysk_simulators::amocrm::NewCall;
use flysk_simulators::tbank::TEST_CARDS;
use poem::http::{StatusCode, header};
use poem::web::{Data, Form, Path};
use poem::{Request, Response, handler};
use serde_json::json;

use super::super::accounts::{
    NewAccount, call_takes_place, change_subdomain, install, open_account, remove, token_of,
};
use super::super::advance::{Advance, move_clock, target};
use super::super::bank_words::CardOutcome;
use super::super::control::ControlData;
use super::super::hooks::{Lose, Sender, lose_next};
use super::super::options::check_event_url;
use super::super::payments::{declining_card, pay_order};
use super::super::problem::Problem;
use super::super::reset::start_again;
use super::super::scene::Scene;
use super::Note;

/// Fields of a form.
type Fields = BTreeMap<String, String>;

/// Sends the act of a form and leads back to the page, which tells what came of it.
#[handler]
pub(in super::super) async fn act(
    request: &Request,
    Data(control): ControlData<'_>,
    Path(name): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let scene = control.scene()?;
    if !is_own(request, &scene.plan.public_url) {
        return Err(Problem {
            status: StatusCode::FORBIDDEN,
            code: "foreign_origin",
            detail: "forms are sent from the page of the sandbox".to_owned(),
        });
    }
    let acted = if name == "reset" {
        start_again(&control.current, None).await.map(|()| done("Песочница сброшена"))
    } else {
        perform(&scene, &name, &fields).await
    };
    let note = acted.unwrap_or_else(|problem| Note { text: problem.detail, code: None, is_bad: true });
    // A reset has replaced the scene.
    let scene: Arc<Scene> = control.scene()?;
    *scene.console_note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
    Ok(Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, "/_sandbox/").finish())
}

/// Whether the form is one of this server's own page. Browsers name the page's origin; other clients need not.
fn is_own(request: &Request, public_url: &str) -> bool {
    let Some(origin) = request.header(header::ORIGIN) else { return true };
    let host = request.header(header::HOST).unwrap_or_default();
    origin == public_url || origin == format!("http://{host}") || origin == format!("https://{host}")
}

fn done(text: &str) -> Note {
    Note { text: text.to_owned(), code: None, is_bad: false }
}

async fn perform(scene: &Scene, name: &str, fields: &Fields) -> Result<Note, Problem> {
    let note = match name {
        "advance" => {
            let by = Advance { to: None, by: Some(text(fields, "by")?.to_owned()) };
            let moved = move_clock(scene, target(scene.sandbox.now(), &by)?).await?;
            return Ok(done(&format!("Время переведено, выполнено заданий: {}", moved.jobs)));
        }
        "account" => {
            let id = open_account(scene, NewAccount::default()).await?;
            done(&format!("Аккаунт {id} создан, виджет установлен"))
        }
        "install" => {
            install(scene, number(fields, "account")?).await?;
            done("Виджет установлен")
        }
        "uninstall" => {
            remove(scene, number(fields, "account")?).await?;
            done("Виджет удалён")
        }
        "rename" => {
            change_subdomain(scene, number(fields, "account")?, text(fields, "subdomain")?)?;
            done("Поддомен изменён")
        }
        "token" => token(scene, fields)?,
        "call" => call(scene, fields)?,
        "pay" => {
            let card = fields.get("card").map_or(TEST_CARDS[0].number, String::as_str);
            pay(scene, fields, card).await?
        }
        "decline" => {
            let card = declining_card(scene, CardOutcome::Declined)?;
            pay(scene, fields, &card).await?
        }
        "lose" => lose(scene, fields)?,
        "event-url" => {
            let url = Some(text(fields, "url")?).filter(|url| !url.is_empty());
            scene.outside.events.proxy.send_to(url.map(check_event_url).transpose()?);
            done("Адрес событий сохранён")
        }
        other => return Err(Problem::not_found(format!("форма `{other}`"))),
    };
    scene.settle().await?;
    Ok(note)
}

fn token(scene: &Scene, fields: &Fields) -> Result<Note, Problem> {
    let user = number(fields, "user")?;
    let issued = token_of(scene, number(fields, "account")?, user)?;
    let text = format!("X-Auth-Token пользователя {user}, действует полчаса:");
    Ok(Note { text, code: Some(issued.token), is_bad: false })
}

fn call(scene: &Scene, fields: &Fields) -> Result<Note, Problem> {
    let call = json!({
        "account": number(fields, "account")?, "entity_type": "leads",
        "entity_id": number(fields, "entity_id")?, "duration": number(fields, "duration")?,
    });
    let call: NewCall = serde_json::from_value(call).map_err(Problem::invalid)?;
    let note = call_takes_place(scene, call)?;
    Ok(done(&format!("Заметка о звонке {} добавлена", note.note_id)))
}

async fn pay(scene: &Scene, fields: &Fields, card: &str) -> Result<Note, Problem> {
    let payment = pay_order(scene, text(fields, "order")?, card).await?;
    let is_bad = payment.error_code != 0;
    let text =
        if is_bad { "Банк отклонил платёж" } else { "Платёж проведён" };
    Ok(Note { text: text.to_owned(), code: None, is_bad })
}

fn lose(scene: &Scene, fields: &Fields) -> Result<Note, Problem> {
    let of: Sender = serde_json::from_value(json!(text(fields, "of")?)).map_err(Problem::invalid)?;
    let next = u32::try_from(number(fields, "next")?).map_err(Problem::invalid)?;
    lose_next(scene, &Lose { of, next, answered: false })?;
    Ok(done(&format!("Будет потеряно: {next}")))
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Problem> {
    fields.get(name).map(|value| value.trim()).ok_or_else(|| Problem::invalid(format!("нет поля `{name}`")))
}

fn number(fields: &Fields, name: &str) -> Result<u64, Problem> {
    text(fields, name)?.parse().map_err(|_| Problem::invalid(format!("`{name}` должно быть числом")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_pages_are_refused() {
        let request = |origin: Option<&str>| {
            let request = Request::builder().header(header::HOST, "127.0.0.1:8090");
            match origin {
                Some(origin) => request.header(header::ORIGIN, origin).finish(),
                None => request.finish(),
            }
        };
        let own = "http://127.0.0.1:8090";
        assert!(is_own(&request(None), own) && is_own(&request(Some(own)), own));
        assert!(
            is_own(&request(Some("http://localhost:9")), "http://localhost:9"),
            "behind a published port"
        );
        assert!(!is_own(&request(Some("https://evil.example")), own) && !is_own(&request(Some("null")), own));
    }
}
