//! The forms of the page.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use flysk_simulators::amocrm::NewCall;
use flysk_simulators::tbank::TEST_CARDS;
use poem::http::{StatusCode, header};
use poem::web::{Data, Form, Path};
use poem::{Response, handler};
use serde_json::json;

use super::super::accounts::{
    NewAccount, call_takes_place, change_subdomain, end_access, install, open_account, remove,
};
use super::super::advance::{Advance, move_clock, target};
use super::super::amocrm_failures::{Failure, fail_next};
use super::super::bank_words::CardOutcome;
use super::super::cards::{NewCard, add_card};
use super::super::control::ControlData;
use super::super::definition::UserDefinition;
use super::super::hooks::{Lose, Sender, lose_next};
use super::super::note::Note;
use super::super::options::check_event_url;
use super::super::payments::{declining_card, pay_order};
use super::super::problem::Problem;
use super::super::reset::start_again;
use super::super::scene::Scene;
use super::super::users::{UserChange, add_user, change_user, token_of};
use super::words;

/// What is told if an act was done, but not what follows from it.
const UNSETTLED: &str = "Остальное ещё выполняется: бэкенд не ответил на событие, или время переводится";

/// Fields of a form.
type Fields = BTreeMap<String, String>;

/// Sends the act of a form and leads back to the page, which tells what came of it.
#[handler]
pub(in super::super) async fn act(
    Data(control): ControlData<'_>,
    Path(name): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let acted = if name == "reset" {
        start_again(&control.current, None).await.map(|()| done("Песочница сброшена"))
    } else {
        perform(&*control.scene()?, &name, &fields).await
    };
    // A reset has replaced the scene; one that failed has left no page to tell of it.
    let scene: Arc<Scene> =
        control.scene().map_err(|starting| acted.as_ref().err().cloned().unwrap_or(starting))?;
    let note = acted.unwrap_or_else(|problem| Note {
        text: format!("{}: {}", words::problem(problem.code), problem.detail),
        code: None,
        is_bad: true,
    });
    *scene.console_note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
    Ok(Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, "/_sandbox/").finish())
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
        "card" => card(scene, fields)?,
        "pay" => {
            let card = fields.get("card").map_or(TEST_CARDS[0].number, String::as_str);
            pay(scene, fields, card).await?
        }
        "decline" => {
            let card = declining_card(scene, CardOutcome::Declined)?;
            pay(scene, fields, &card).await?
        }
        "lose" => lose(scene, fields)?,
        "fail" => fail(scene, fields)?,
        "event-url" => {
            let url = Some(text(fields, "url")?).filter(|url| !url.is_empty());
            scene.outside.events.proxy.send_to(url.map(check_event_url).transpose()?);
            done("Адрес событий сохранён")
        }
        of_account => perform_in_account(scene, of_account, fields).await?,
    };
    let settled = scene.run_due().await?;
    // A token is shown behind the text.
    Ok(if settled || note.code.is_some() {
        note
    } else {
        Note { text: format!("{}. {UNSETTLED}", note.text), ..note }
    })
}

/// What happens in the account that the form names.
async fn perform_in_account(scene: &Scene, name: &str, fields: &Fields) -> Result<Note, Problem> {
    Ok(match name {
        "install" => {
            install(scene, number(fields, "account")?).await?;
            done("Виджет установлен")
        }
        "uninstall" => {
            remove(scene, number(fields, "account")?).await?;
            done("Виджет удалён")
        }
        "revoke" => {
            end_access(scene, number(fields, "account")?)?;
            done("Доступ отозван: Flysk узнает об этом при обращении к amoCRM")
        }
        "rename" => {
            change_subdomain(scene, number(fields, "account")?, text(fields, "subdomain")?)?;
            done("Поддомен изменён")
        }
        "token" => token(scene, fields)?,
        "user" => {
            let user = UserDefinition {
                id: number(fields, "user")?,
                name: text(fields, "name")?.to_owned(),
                is_admin: fields.contains_key("is_admin"),
            };
            add_user(scene, number(fields, "account")?, &user)?;
            done(&format!("Пользователь {} добавлен", user.id))
        }
        "block" => switch_user(scene, fields, false)?,
        "unblock" => switch_user(scene, fields, true)?,
        "call" => call(scene, fields)?,
        other => return Err(Problem::not_found(format!("форма `{other}`"))),
    })
}

/// Blocks a user, or lets the user in again.
fn switch_user(scene: &Scene, fields: &Fields, is_active: bool) -> Result<Note, Problem> {
    let (account, user) = (number(fields, "account")?, number(fields, "user")?);
    let change = UserChange { is_active: Some(is_active), ..UserChange::default() };
    change_user(scene, account, user, change)?;
    let what = if is_active { "может войти" } else { "заблокирован" };
    Ok(done(&format!("Пользователь {user} {what}")))
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

/// What gets lost: a sender's hooks, or events that Flysk believes to have arrived.
fn lose(scene: &Scene, fields: &Fields) -> Result<Note, Problem> {
    let wanted = text(fields, "of")?;
    let answered = wanted == "answered_events";
    let of = if answered { "events" } else { wanted };
    let of: Sender = serde_json::from_value(json!(of)).map_err(Problem::invalid)?;
    let next = number_of_next(fields)?;
    lose_next(scene, &Lose { of, next, answered })?;
    Ok(done(&format!("Будет потеряно: {next}")))
}

fn fail(scene: &Scene, fields: &Fields) -> Result<Note, Problem> {
    let (next, status) = (number_of_next(fields)?, number(fields, "status")?);
    let wanted: Failure =
        serde_json::from_value(json!({ "next": next, "status": status })).map_err(Problem::invalid)?;
    fail_next(scene, wanted)?;
    Ok(done(&format!("Запросов к amoCRM, которые не удадутся: {next}")))
}

fn card(scene: &Scene, fields: &Fields) -> Result<Note, Problem> {
    let wanted = json!({ "form": text(fields, "form")?, "then": text(fields, "then")? });
    let wanted: NewCard = serde_json::from_value(wanted).map_err(Problem::invalid)?;
    let card = add_card(scene, wanted)?;
    Ok(Note {
        text: format!("Карта добавлена: {}.", card.title), code: Some(card.number), is_bad: false
    })
}

fn number_of_next(fields: &Fields) -> Result<u32, Problem> {
    u32::try_from(number(fields, "next")?).map_err(Problem::invalid)
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Problem> {
    fields.get(name).map(|value| value.trim()).ok_or_else(|| Problem::invalid(format!("нет поля `{name}`")))
}

fn number(fields: &Fields, name: &str) -> Result<u64, Problem> {
    text(fields, name)?.parse().map_err(|_| Problem::invalid(format!("`{name}` должно быть числом")))
}
