//! Operators of the panel.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::{OperatorRight, OperatorRights, OperatorRole};
use flysk_domain::id::OperatorId;
use flysk_store::admin::lists::operators::{self as listed, OperatorFilter};
use flysk_store::admin::operators::{self, NewOperator, Operator as OperatorRow, OperatorState};
use flysk_store::admin::sorting::SortColumn;
use flysk_store::admin::{audit, passkeys, recovery_codes, sessions};
use flysk_store::{Conn, StoreError, StoreResult, repeat_contended};
use poem::Response;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::audit::acts_section;
use super::me::sessions_section;
use crate::http::{Fault, Owner, Pairs, Record, Visit};
use crate::lists::sorting::Sort;
use crate::lists::{self, Keyset, List};
use crate::operators_rules::{check_login, check_name};
use crate::sign_in::lockout::{self, Locks};
use crate::sign_in::password;
use crate::view::{Cell, DetailPage, Field, Form, Labeled as _, Row, labels};

/// Acts shown on an operator's page.
const ACTS_SHOWN: u32 = 20;

/// States for a filter.
const STATES: [OperatorState; 3] =
    [OperatorState::Working, OperatorState::Enrolling, OperatorState::Disabled];

/// The list of operators.
pub(crate) struct Operators;

impl List for Operators {
    type Filter = OperatorFilter;
    type Record = OperatorRow;

    const TITLE: &'static str = "Операторы";
    const PATH: &'static str = "/operators";
    const HEAD: &'static [&'static str] = &["Логин", "Имя", "Роль", "Права", "Состояние", "Создан"];
    const EMPTY: &'static str = "Таких операторов нет.";
    const ID_POSITION: usize = 5;
    const SORTS: &'static [Sort] =
        &[Sort::smallest_first(SortColumn::Code, 0), Sort::smallest_first(SortColumn::Name, 1)];

    fn filter(query: &Pairs) -> Result<OperatorFilter, Fault> {
        Ok(OperatorFilter {
            role: query.parsed("role", "Роль")?, state: query.parsed("state", "Состояние")?
        })
    }

    fn can_sort_by(_filter: &OperatorFilter, _column: SortColumn) -> bool {
        true
    }

    fn fields(query: &Pairs) -> Vec<Field> {
        let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
        let roles = OperatorRole::ALL.iter().map(|role| (role.code(), role.label()));
        vec![
            Field::filter("role", "Роль", roles).value(value("role")),
            Field::filter("state", "Состояние", STATES.map(|state| (state.as_str(), state.label())))
                .value(value("state")),
        ]
    }

    fn first_id_at(time: DateTime<Utc>) -> String {
        OperatorId::first_at(time).to_string()
    }

    async fn ids(conn: &mut Conn, filter: &OperatorFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
        listed::ids(conn, filter, keyset).await
    }

    async fn records(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<OperatorRow>> {
        listed::rows(conn, ids).await
    }

    fn row(operator: &OperatorRow) -> Row {
        let href = format!("/operators/{}", operator.id);
        Row::linked(
            href.clone(),
            vec![
                Cell::link(href, &operator.login),
                Cell::text(operator.name.clone()),
                Cell::text(operator.role.label()),
                Cell::text(labels::rights(&operator.rights)),
                operator.state().cell(),
                Cell::time(operator.created_at),
            ],
        )
    }
}

fn role_field() -> Field {
    Field::choice("role", "Роль", OperatorRole::ALL.iter().map(|role| (role.code(), role.label())))
}

/// Check boxes of the rights; a box is named by the right's code.
fn right_fields(granted: &OperatorRights) -> impl Iterator<Item = Field> {
    OperatorRight::ALL.iter().map(|right| {
        let value = if granted.has(*right) { "yes" } else { "" };
        Field::check(right.code(), right.label()).value(value)
    })
}

/// The rights whose boxes are set.
fn granted(form: &Pairs) -> OperatorRights {
    OperatorRight::ALL.iter().copied().filter(|right| form.is_set(right.code())).collect()
}

/// `GET /operators`.
pub(crate) async fn list(visit: Visit<Owner>) -> Result<Response, Fault> {
    let create = Form::act("/operators/create", "Добавить оператора", "Добавить")
        .text("Пароль будет показан один раз. Второй фактор оператор подключит при первом входе.")
        .field(Field::text("login", "Логин").required())
        .field(Field::text("name", "Имя").required())
        .field(role_field().required())
        .fields(right_fields(&OperatorRights::default()));
    lists::show_with_acts::<Operators, Owner>(visit, vec![create]).await
}

/// `GET /operators/:id`.
pub(crate) async fn show(visit: Visit<Owner>) -> Result<Response, Fault> {
    let id: OperatorId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let operator = operators::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let open = sessions::list_open(&mut conn, id, visit.deps.clock().now()).await?;
    let keys = passkeys::list(&mut conn, id).await?;
    let acts = audit::list_of_subject(&mut conn, "operator", &id.to_string(), ACTS_SHOWN).await?;
    let locks = Locks::find(&mut conn, &operator.login, visit.deps.clock().now()).await?;
    let mut page = DetailPage::new(visit.layout(operator.name.clone()));
    page.state = Some(operator.state().cell());
    page.links = vec![Cell::link(format!("/audit?operator={id}"), "Действия оператора")];
    page.facts = vec![
        ("Id", Cell::code(id)),
        ("Логин", Cell::text(operator.login.clone())),
        ("Роль", Cell::text(operator.role.label())),
        ("Права", Cell::text(labels::rights(&operator.rights))),
        ("Второй фактор", Cell::time(operator.totp_confirmed_at)),
        ("Ключей доступа", Cell::number(keys.len())),
        ("Вход заблокирован до", Cell::time(locks.sign_in)),
        ("Коды в сеансе заблокированы до", Cell::time(locks.proof)),
        ("Отключён", Cell::time(operator.disabled_at)),
        ("Создан", Cell::time(operator.created_at)),
    ];
    if id != visit.who.id {
        page.acts = locks.any().then(|| unlock_form(id)).into_iter().collect();
        page.acts.extend([
            Form::act(format!("/operators/{id}/access"), "Роль и доступ", "Сохранить")
                .text("Отключённый оператор не может войти, его сеансы завершаются.")
                .field(role_field().value(operator.role.code()))
                .fields(right_fields(&operator.rights))
                .field(Field::check("disabled", "Отключён").value(operator.disabled_at.map_or("", |_| "yes")))
                .field(Field::hidden("seen", seen_access(&operator))),
            Form::act(format!("/operators/{id}/reset"), "Новый пароль и второй фактор", "Сбросить")
                .text(
                    "Для оператора, который потерял второй фактор. Сеансы завершаются. Отключённый останется \
                     отключённым.",
                )
                .danger(),
        ]);
    }
    page.sections = vec![sessions_section(&open, None), acts_section(&acts)];
    visit.page(&page)
}

fn unlock_form(id: OperatorId) -> Form {
    Form::act(format!("/operators/{id}/unlock"), "Снять блокировку входа", "Снять").text(
        "После неверных паролей или кодов. Попытки будут считаться заново. Блокировка адреса, с которого входили, пройдёт сама.",
    )
}

/// `POST /operators/create`: shows the password once.
pub(crate) async fn create(visit: Visit<Owner>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let login = form.required("login", "Логин")?;
    let name = form.required("name", "Имя")?;
    check_login(login).and_then(|()| check_name(name)).map_err(|rule| Fault::refused(rule.text()))?;
    let role: OperatorRole = form.parsed("role", "Роль")?.ok_or_else(|| Fault::refused("Выберите роль."))?;
    let (reason, rights) = (visit.reason()?, granted(form));
    let password = password::generate(visit.deps.clock());
    let password_hash = hash_off_thread(password.clone()).await?;
    let id = OperatorId::generate(visit.deps.clock());
    let insert = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        let new = NewOperator { id, login, name, role, rights: &rights, password_hash: &password_hash };
        match operators::insert(&mut act, &new, now).await {
            Err(StoreError::Duplicate { .. }) => return Err(Fault::refused("Этот логин уже занят.")),
            done => done?,
        }
        act.commit(Record {
            action: "operator.create",
            subject: ("operator", id.to_string()),
            reason,
            before: Value::Null,
            after: json!({ "login": login, "name": name, "role": role, "rights": rights.to_string() }),
        })
        .await
    };
    repeat_contended(insert).await?;
    password_page(&visit, &format!("Оператор {login} добавлен"), password.expose_secret())
}

async fn hash_off_thread(password: secrecy::SecretString) -> Result<String, Fault> {
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    hashed.map_err(Fault::internal)?.map_err(Fault::internal)
}

fn password_page(visit: &Visit<Owner>, title: &str, password: &str) -> Result<Response, Fault> {
    let mut page = DetailPage::new(visit.layout(title));
    page.links = vec![Cell::link("/operators", "К операторам")];
    page.blocks = vec![("Пароль, больше он не будет показан", Cell::Block(password.to_owned()))];
    visit.page(&page)
}

/// The operator to change; nobody changes the own access, so that an owner always remains.
async fn lock_other(visit: &Visit<Owner>, conn: &mut Conn) -> Result<OperatorRow, Fault> {
    let id: OperatorId = visit.request.id()?;
    if id == visit.who.id {
        return Err(Fault::refused("Свой доступ менять нельзя: попросите другого владельца."));
    }
    operators::lock(conn, id).await?.ok_or(Fault::NotFound)
}

/// What a form of an operator's access was filled in from.
fn seen_access(operator: &OperatorRow) -> String {
    let rights = OperatorRight::ALL.iter().copied().filter(|right| operator.rights.has(*right));
    let rights: Vec<&str> = rights.map(OperatorRight::code).collect();
    let disabled_at = operator.disabled_at.map_or(0, |at| at.timestamp_micros());
    format!("{}/{}/{disabled_at}", operator.role.code(), rights.join(","))
}

/// `POST /operators/:id/access`.
pub(crate) async fn change_access(visit: Visit<Owner>) -> Result<Response, Fault> {
    let form = &visit.request.form;
    let role: OperatorRole = form.parsed("role", "Роль")?.ok_or_else(|| Fault::refused("Выберите роль."))?;
    let (is_disabled, reason, rights) = (form.is_set("disabled"), visit.reason()?, granted(form));
    let seen = form.get("seen");
    let change = || async {
        let mut act = visit.begin().await?;
        let before = lock_other(&visit, &mut act).await?;
        // Otherwise a form that was opened before another owner disabled the operator would enable it.
        if seen != Some(seen_access(&before).as_str()) {
            return Err(Fault::conflict(
                "Оператора изменили, пока форма была открыта. Откройте его страницу заново.",
            ));
        }
        let now = act.now();
        let disabled_at = is_disabled.then(|| before.disabled_at.unwrap_or(now));
        operators::write_access(&mut act, before.id, (role, &rights), disabled_at, now).await?;
        if is_disabled {
            sessions::end_all(&mut act, before.id, now).await?;
        }
        act.commit(Record {
            action: "operator.change_access",
            subject: ("operator", before.id.to_string()),
            reason,
            before: json!({
                "role": before.role.as_str(),
                "rights": before.rights.to_string(),
                "disabled": before.disabled_at.is_some(),
            }),
            after: json!({ "role": role.as_str(), "rights": rights.to_string(), "disabled": is_disabled }),
        })
        .await?;
        Ok::<_, Fault>(before.id)
    };
    let id = repeat_contended(change).await?;
    Ok(visit.done(&format!("/operators/{id}"), "Доступ изменён."))
}

/// `POST /operators/:id/reset`: shows the new password once.
pub(crate) async fn reset(visit: Visit<Owner>) -> Result<Response, Fault> {
    let reason = visit.reason()?;
    let password = password::generate(visit.deps.clock());
    let password_hash = hash_off_thread(password.clone()).await?;
    let write = || async {
        let mut act = visit.begin().await?;
        let operator = lock_other(&visit, &mut act).await?;
        let now = act.now();
        operators::reset(&mut act, operator.id, &password_hash, now).await?;
        recovery_codes::remove_all(&mut act, operator.id).await?;
        passkeys::remove_all(&mut act, operator.id).await?;
        sessions::end_all(&mut act, operator.id, now).await?;
        act.commit(Record {
            action: "operator.reset",
            subject: ("operator", operator.id.to_string()),
            reason,
            before: json!({
                "second_factor": operator.totp_confirmed_at.is_some(),
                "disabled": operator.disabled_at.is_some(),
            }),
            after: json!({ "second_factor": false, "disabled": operator.disabled_at.is_some() }),
        })
        .await?;
        Ok::<_, Fault>(operator.login)
    };
    let login = repeat_contended(write).await?;
    password_page(&visit, &format!("Доступ оператора {login} сброшен"), password.expose_secret())
}

/// `POST /operators/:id/unlock`. A form that was sent twice is refused: nothing is counted any more.
pub(crate) async fn unlock(visit: Visit<Owner>) -> Result<Response, Fault> {
    let reason = visit.reason()?;
    let write = || async {
        let mut act = visit.begin().await?;
        let operator = lock_other(&visit, &mut act).await?;
        let now = act.now();
        let counted = lockout::lift(&mut act, &operator.login, now).await?;
        let before = counted.ok_or_else(|| Fault::conflict("Неверных попыток у этого оператора нет."))?;
        act.commit(Record {
            action: "operator.unlock",
            subject: ("operator", operator.id.to_string()),
            reason,
            before,
            after: Value::Null,
        })
        .await?;
        Ok::<_, Fault>(operator.id)
    };
    let id = repeat_contended(write).await?;
    Ok(visit.done(&format!("/operators/{id}"), "Блокировка снята."))
}
