//! The own access of a vendor's user: password, recovery codes, sessions.

use flysk_domain::id::VendorSessionId;
use flysk_store::portal::sessions::VendorSession;
use flysk_store::portal::{recovery_codes, sessions, users};
use flysk_store::repeat_contended;
use poem::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::http::{Fault, Proved, Record, SignedIn, VendorVisit};
use crate::sign_in::password::{self, MAX_PASSWORD_BYTES, MIN_PASSWORD_LEN};
use crate::sign_in::second_factor::{fresh_recovery_codes, hash_recovery_code};
use crate::sign_in::vendor_session::safe_target;
use crate::view::{Cell, DetailPage, Field, Form, Row, Section, Table};

/// Path of the page.
const PATH: &str = "/portal/me";

/// `GET /portal/me`.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let mut conn = visit.deps.read().await?;
    let open = sessions::list_open(&mut conn, visit.who.id, visit.deps.clock().now()).await?;
    let codes = recovery_codes::count_unused(&mut conn, visit.who.id).await?;
    let mut page = DetailPage::new(visit.layout(visit.who.name.clone()));
    page.facts = vec![
        ("E-mail", Cell::text(visit.who.email.clone())),
        ("Продавец", Cell::text(visit.who.vendor_name.clone())),
        ("Второй фактор", Cell::text("приложение-аутентификатор")),
        ("Осталось кодов восстановления", Cell::number(codes)),
    ];
    page.acts = vec![
        Form::act("/portal/me/password", "Сменить пароль", "Сменить")
            .text("Другие сеансы завершатся.")
            .field(Field::password("password", "Новый пароль").required().hint("Не короче 12 знаков."))
            .field(Field::password("password_again", "Ещё раз").required())
            .without_reason(),
        Form::act("/portal/me/recovery-codes", "Новые коды восстановления", "Создать")
            .text("Прежние коды перестанут работать.")
            .without_reason(),
    ];
    for session in open.iter().filter(|session| session.id != visit.who.session.id) {
        page.acts.push(
            Form::act(
                format!("/portal/me/sessions/{}/end", session.id),
                "Завершить другой сеанс",
                "Завершить",
            )
            .text(format!("{}, {}", session.address, session.user_agent))
            .without_reason(),
        );
    }
    page.sections = vec![sessions_section(&open, visit.who.session.id)];
    visit.page(&page)
}

fn sessions_section(open: &[VendorSession], own: VendorSessionId) -> Section {
    let row = |session: &VendorSession| {
        let this = if session.id == own { "этот сеанс" } else { "" };
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

/// `POST /portal/me/proof`: the gate has renewed the second factor; leads back to the form that needed it.
pub(super) async fn renew_proof(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let next = safe_target(visit.request.form.get("next"));
    std::future::ready(Ok(visit.done(next, "Подтверждено. Заполните форму ещё раз."))).await
}

/// `POST /portal/me/password`: other sessions end.
pub(super) async fn change_password(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
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
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    let hashed = hashed.map_err(Fault::internal)?.map_err(Fault::internal)?;
    let change = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        users::write_password(&mut act, visit.who.id, &hashed, now).await?;
        for session in sessions::list_open(&mut act, visit.who.id, now).await? {
            if session.id != visit.who.session.id {
                sessions::end(&mut act, visit.who.id, session.id, now).await?;
            }
        }
        act.commit(own_record(visit.who.id.to_string(), "vendor_user.change_password")).await
    };
    repeat_contended(change).await?;
    Ok(visit.done(PATH, "Пароль изменён, другие сеансы завершены."))
}

/// `POST /portal/me/recovery-codes`: shows the new codes once.
pub(super) async fn renew_recovery_codes(visit: VendorVisit<Proved>) -> Result<Response, Fault> {
    let codes = fresh_recovery_codes(visit.deps.clock());
    let hashes: Vec<String> = codes.iter().map(|code| hash_recovery_code(visit.who.id, code)).collect();
    let renew = || async {
        let mut act = visit.begin().await?;
        recovery_codes::replace_all(&mut act, visit.who.id, &hashes).await?;
        act.commit(own_record(visit.who.id.to_string(), "vendor_user.renew_recovery_codes")).await
    };
    repeat_contended(renew).await?;
    let mut page = DetailPage::new(visit.layout("Новые коды восстановления"));
    page.blocks = vec![("Сохраните их: больше они не будут показаны", Cell::Block(codes.join("\n")))];
    visit.page(&page)
}

/// `POST /portal/me/sessions/:id/end`.
pub(super) async fn end_session(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let id: VendorSessionId = visit.request.id()?;
    let end = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        if !sessions::end(&mut act, visit.who.id, id, now).await? {
            return Err(Fault::conflict("Этот сеанс уже завершён."));
        }
        let after = json!({ "session": id });
        let record = own_record(visit.who.id.to_string(), "vendor_user.end_session");
        act.commit(Record { after, ..record }).await
    };
    repeat_contended(end).await?;
    Ok(visit.done(PATH, "Сеанс завершён."))
}

fn own_record(user: String, action: &str) -> Record<'_> {
    Record { action, subject: ("vendor_user", user), reason: "", before: Value::Null, after: Value::Null }
}
