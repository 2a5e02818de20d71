//! An operator's own password, recovery codes, sessions, and height of rows.

use flysk_domain::admin::RowDensity;
use flysk_domain::id::OperatorSessionId;
use flysk_store::admin::sessions::Session;
use flysk_store::admin::{operators, passkeys, recovery_codes, sessions};
use flysk_store::repeat_contended;
use poem::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::my_passkeys;
use crate::http::respond::redirect;
use crate::http::{Fault, Proving, Record, Support, Visit};
use crate::request::form::ONE_TIME_CODE_FIELD;
use crate::sign_in::lockout::Counters;
use crate::sign_in::password::{self, MAX_PASSWORD_BYTES, MIN_PASSWORD_LEN};
use crate::sign_in::second_factor::{fresh_recovery_codes, hash_recovery_code, use_code};
use crate::sign_in::session::safe_target;
use crate::view::{Cell, DetailPage, Field, Form, Row, Section, Table, labels};

/// `GET /me`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let open = sessions::list_open(&mut conn, visit.who.id, visit.deps.clock().now()).await?;
    let codes = recovery_codes::count_unused(&mut conn, visit.who.id).await?;
    let keys = passkeys::list(&mut conn, visit.who.id).await?;
    let factors = if keys.is_empty() {
        "приложение-аутентификатор"
    } else {
        "приложение-аутентификатор, ключи доступа"
    };
    let mut page = DetailPage::new(visit.layout(visit.who.name.clone()));
    page.facts = vec![
        ("Логин", Cell::text(visit.who.login.clone())),
        ("Роль", Cell::text(visit.who.role.label())),
        ("Права", Cell::text(labels::rights(&visit.who.rights))),
        ("Второй фактор", Cell::text(factors)),
        ("Осталось кодов восстановления", Cell::number(codes)),
    ];
    page.acts = vec![
        Form::act("/me/password", "Сменить пароль", "Сменить")
            .field(Field::password("password", "Новый пароль").required().hint("Не короче 12 знаков."))
            .field(Field::password("password_again", "Ещё раз").required())
            .field(Field::text(ONE_TIME_CODE_FIELD, "Код из приложения").required())
            .without_reason(),
        Form::act("/me/recovery-codes", "Новые коды восстановления", "Создать")
            .text("Прежние коды перестанут работать.")
            .field(Field::text(ONE_TIME_CODE_FIELD, "Код из приложения").required())
            .without_reason(),
        Form::act("/me/density", "Плотность строк", "Сохранить")
            .field(
                Field::choice(
                    "density",
                    "Строки таблиц",
                    RowDensity::ALL.iter().map(|density| (density.code(), density.label())),
                )
                .value(visit.who.row_density),
            )
            .without_reason(),
    ];
    page.acts.extend(my_passkeys::forms(&visit.deps, &keys));
    for session in open.iter().filter(|session| session.id != visit.who.session.id) {
        page.acts.push(
            Form::act(format!("/me/sessions/{}/end", session.id), "Завершить другой сеанс", "Завершить")
                .text(format!("{}, {}", session.address, session.user_agent))
                .without_reason(),
        );
    }
    page.sections = vec![my_passkeys::section(&keys), sessions_section(&open, Some(visit.who.session.id))];
    visit.page(&page)
}

/// Open sessions of an operator.
pub(super) fn sessions_section(open: &[Session], own: Option<OperatorSessionId>) -> Section {
    let row = |session: &Session| {
        let this = if own == Some(session.id) { "этот сеанс" } else { "" };
        Row::plain(vec![
            Cell::time(session.created_at),
            Cell::time(session.seen_at),
            Cell::text(session.address.clone()),
            Cell::text(session.user_agent.clone()),
            Cell::text(this),
        ])
    };
    let head = ["Начат", "Последний запрос", "Адрес", "Браузер", "Отметка"];
    Section::new(
        "Открытые сеансы",
        Table::new(&head, open.iter().map(row).collect()),
        "Открытых сеансов нет.",
    )
}

/// Counts an attempt to give a code before it is checked, apart from the transaction of the act: that is rolled back after a
/// wrong code.
async fn admit_code(visit: &Visit<Support>) -> Result<Counters, Fault> {
    visit.request.form.required(ONE_TIME_CODE_FIELD, "Код из приложения")?;
    let counters = Counters::of_proof(&visit.who.login, &visit.request.address);
    counters.admit(&visit.deps).await?;
    Ok(counters)
}

/// Forgets the attempts after a right code.
async fn forget_attempts(visit: &Visit<Support>, counters: &Counters) -> Result<(), Fault> {
    counters.was_right(&visit.deps).await?;
    counters.complete(&visit.deps).await
}

/// Uses up a code of the authenticator, so that a factor is only changed by who has it at hand.
async fn demand_code(visit: &Visit<Support>, conn: &mut flysk_store::Conn) -> Result<(), Fault> {
    let code = visit.request.form.required(ONE_TIME_CODE_FIELD, "Код из приложения")?;
    let operator = operators::lock(conn, visit.who.id).await?.ok_or(Fault::NotFound)?;
    if use_code(conn, &visit.deps.keyring, &operator, code, visit.deps.clock()).await? {
        return Ok(());
    }
    Err(Fault::refused("Код из приложения не подходит или уже использован. Дождитесь следующего."))
}

/// `POST /me/password`: other sessions end.
pub(crate) async fn change_password(visit: Visit<Support>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let password = SecretString::from(form.raw("password").unwrap_or_default());
    let again = SecretString::from(form.raw("password_again").unwrap_or_default());
    let text = password.expose_secret();
    if text.chars().count() < MIN_PASSWORD_LEN || text.len() > MAX_PASSWORD_BYTES {
        return Err(Fault::refused("Пароль должен быть от 12 знаков до 512 байт."));
    }
    if text != again.expose_secret() {
        return Err(Fault::refused("Пароли не совпадают."));
    }
    let counters = admit_code(&visit).await?;
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    let hashed = hashed.map_err(Fault::internal)?.map_err(Fault::internal)?;
    let change = || async {
        let mut act = visit.begin().await?;
        demand_code(&visit, &mut act).await?;
        let now = act.now();
        operators::write_password(&mut act, visit.who.id, &hashed, now).await?;
        for session in sessions::list_open(&mut act, visit.who.id, now).await? {
            if session.id != visit.who.session.id {
                sessions::end(&mut act, visit.who.id, session.id, now).await?;
            }
        }
        act.commit(own_record(&visit, "operator.change_password")).await
    };
    repeat_contended(change).await?;
    forget_attempts(&visit, &counters).await?;
    Ok(visit.done("/me", "Пароль изменён, другие сеансы завершены."))
}

/// `POST /me/recovery-codes`: shows the new codes once.
pub(crate) async fn renew_recovery_codes(visit: Visit<Support>) -> Result<Response, Fault> {
    let counters = admit_code(&visit).await?;
    let codes = fresh_recovery_codes(visit.deps.clock());
    let hashes: Vec<String> = codes.iter().map(|code| hash_recovery_code(visit.who.id, code)).collect();
    let renew = || async {
        let mut act = visit.begin().await?;
        demand_code(&visit, &mut act).await?;
        recovery_codes::replace_all(&mut act, visit.who.id, &hashes).await?;
        act.commit(own_record(&visit, "operator.renew_recovery_codes")).await
    };
    repeat_contended(renew).await?;
    forget_attempts(&visit, &counters).await?;
    let mut page = DetailPage::new(visit.layout("Новые коды восстановления"));
    page.blocks = vec![("Сохраните их: больше они не будут показаны", Cell::Block(codes.join("\n")))];
    visit.page(&page)
}

/// `POST /me/proof`: the gate has renewed the second factor; leads back to the form that needed it.
pub(crate) async fn renew_proof(visit: Visit<Proving>) -> Result<Response, Fault> {
    let next = safe_target(visit.request.form.get("next"));
    std::future::ready(Ok(visit.done(next, "Подтверждено. Заполните форму ещё раз."))).await
}

/// `POST /me/density`: the height of rows, then back to the page of the form. It changes nothing of the product, so the audit log
/// does not record it.
pub(crate) async fn choose_density(visit: Visit<Support>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let density: Option<RowDensity> = form.parsed("density", "Строки таблиц")?;
    let density = density.ok_or_else(|| Fault::refused("Выберите плотность строк."))?;
    let write = || async {
        let mut conn = visit.deps.write().await?;
        let now = visit.deps.clock().now();
        Ok::<_, Fault>(operators::write_row_density(&mut conn, visit.who.id, density, now).await?)
    };
    repeat_contended(write).await?;
    Ok(redirect(safe_target(form.get("next").or(Some("/me")))))
}

/// `POST /me/sessions/:id/end`.
pub(crate) async fn end_session(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: OperatorSessionId = visit.request.id()?;
    let end = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        if !sessions::end(&mut act, visit.who.id, id, now).await? {
            return Err(Fault::conflict("Этот сеанс уже завершён."));
        }
        let after = json!({ "session": id });
        act.commit(Record { after, ..own_record(&visit, "operator.end_session") }).await
    };
    repeat_contended(end).await?;
    Ok(visit.done("/me", "Сеанс завершён."))
}

fn own_record<'a>(visit: &Visit<Support>, action: &'a str) -> Record<'a> {
    Record {
        action,
        subject: ("operator", visit.who.id.to_string()),
        reason: "",
        before: Value::Null,
        after: Value::Null,
    }
}
