//! Erasure of an account's personal data: what would be erased and what stays, the request, and its record. A second operator
//! approves it.

use flysk_domain::TextEnum as _;
use flysk_domain::admin::KEPT;
use flysk_domain::id::AccountId;
use flysk_services::erasure::{self, ERASE, EraseError, ErasureRequest, Survey, survey};
use flysk_store::Conn;
use flysk_store::admin::erasures::{self, Erasure};
use flysk_store::admin::pending_acts::PendingAct;
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Act, Billing, Erasing, Fault, Pairs, Visit};
use crate::screens::approval_requests;
use crate::view::{Cell, DetailPage, Field, Form, Row, Section, Table, Tone, format};

/// Erasures of an account on its page.
const ERASURES_SHOWN: u32 = 20;
/// Stands for an amount in the list of what waits for a second operator.
const EVERYTHING: &str = "все личные данные";

/// Why an account is not erased, in Russian.
fn to_fault(error: EraseError) -> Fault {
    match (error.text_ru().unwrap_or_default(), error) {
        (_, EraseError::NotFound) => Fault::NotFound,
        (_, EraseError::Store(error)) => error.into(),
        (text, EraseError::WrongDomain) => Fault::refused(text),
        (text, EraseError::Installed | EraseError::Subscribed | EraseError::Running) => Fault::conflict(text),
    }
}

/// `GET /accounts/:id/erasure`: the dry run, and earlier erasures. Changes nothing.
pub(crate) async fn preview(visit: Visit<Erasing>) -> Result<Response, Fault> {
    let id: AccountId = visit.request.id()?;
    let mut conn = visit.deps.read().await?;
    let found = survey(&mut conn, id, visit.deps.clock().now()).await.map_err(to_fault)?;
    let earlier = earlier_rows(&mut conn, id).await?;
    drop(conn);
    let mut page = DetailPage::new(visit.layout("Стирание данных аккаунта"));
    page.links = vec![Cell::link(format!("/accounts/{id}"), "К аккаунту")];
    page.facts = vec![("Номер", Cell::code(id)), ("Домен", Cell::code(&found.account.host))];
    match &found.refusal {
        Some(refusal) => {
            page.blocks = vec![("Сейчас нельзя", Cell::text(refusal.text_ru().unwrap_or_default()))];
        }
        None => page.acts = vec![form(id, &found)],
    }
    let kept = KEPT.iter().map(|(what, why)| Row::plain(vec![Cell::text(*what), Cell::text(*why)])).collect();
    page.sections = vec![
        Section::new("Будет стёрто", Table::new(&["Что", "Чьё", "Сколько"], counted(&found)), "Данных нет.")
            .text("Пока ничего не изменено."),
        Section::new("Останется", Table::new(&["Что", "Почему"], kept), ""),
        Section::new(
            "Стирания этого аккаунта",
            Table::new(&["Запрошено", "Кем", "Подтвердил", "Причина", "Состояние", "Стёрто"], earlier),
            "Данные не стирали.",
        ),
    ];
    visit.page(&page)
}

fn counted(found: &Survey) -> Vec<Row> {
    let later = || Cell::text("найдётся при стирании");
    let row = |(kind, count): &(flysk_domain::admin::ErasedKind, Option<i64>)| {
        Row::plain(vec![
            Cell::text(kind.label()),
            Cell::text(kind.side().label()),
            count.map_or_else(later, Cell::number),
        ])
    };
    found.counts.iter().map(row).collect()
}

async fn earlier_rows(conn: &mut Conn, id: AccountId) -> Result<Vec<Row>, Fault> {
    let mut rows = Vec::new();
    for erasure in erasures::list_of_account(conn, id, ERASURES_SHOWN).await? {
        let counts = erasures::counts(conn, erasure.id).await?;
        let told: Vec<String> = counts
            .iter()
            .map(|count| {
                let number = format::number(i64::try_from(count.erased).unwrap_or(i64::MAX));
                format!("{}: {number}", count.kind.label())
            })
            .collect();
        rows.push(Row::plain(vec![
            Cell::time(erasure.requested_at),
            Cell::text(erasure.operator_login.clone()),
            Cell::maybe(erasure.approved_login.clone()),
            Cell::text(erasure.reason.clone()),
            state(&erasure),
            Cell::text(told.join("; ")),
        ]));
    }
    Ok(rows)
}

fn state(erasure: &Erasure) -> Cell {
    use flysk_domain::admin::ErasureState;
    let tone = match erasure.state {
        ErasureState::Running => Tone::Busy,
        ErasureState::Done => Tone::Good,
        ErasureState::Stopped => Tone::Bad,
    };
    Cell::state(erasure.state.label(), tone)
}

/// The form that confirms the erasure: the domain has to be typed.
fn form(id: AccountId, found: &Survey) -> Form {
    Form::act(format!("/accounts/{id}/erase"), "Стереть данные", "Запросить стирание")
        .text(format!(
            "Отменить стирание нельзя. Его подтвердит другой оператор с тем же правом. Чтобы запросить, введите домен \
             аккаунта: {}. Не пишите в причине имён, телефонов и адресов: она останется в журнале.",
            found.account.host
        ))
        .field(Field::text("domain", "Домен аккаунта").required())
        .danger()
}

/// `POST /accounts/:id/erase`: the request waits for a second operator.
pub(crate) async fn request(visit: Visit<Erasing>) -> Result<Response, Fault> {
    let (id, reason): (AccountId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let domain = form.required("domain", "Домен аккаунта")?;
    erasure::check(&mut *visit.deps.read().await?, id, domain).await.map_err(to_fault)?;
    approval_requests::store(&visit, ERASE, form, ("account", id.to_string()), EVERYTHING, reason).await?;
    let notice =
        "Стирание ждёт второго оператора в разделе «Заявки». До его подтверждения ничего не стирается.";
    Ok(visit.done(&format!("/accounts/{id}"), notice))
}

/// Begins an erasure that was requested, in the transaction of its approval.
pub(super) async fn erase_in(
    visit: &Visit<Billing>,
    act: &mut Act<'_, Billing>,
    pending: &PendingAct,
    form: &Pairs,
) -> Result<(Value, Value), Fault> {
    if !visit.who.may::<Erasing>() {
        return Err(Fault::refused("Стирание подтверждает оператор с правом «Стирание данных аккаунтов»."));
    }
    let wanted = ErasureRequest {
        account_id: pending.subject_id.parse().map_err(Fault::internal)?,
        domain: form.required("domain", "Домен аккаунта")?,
        operator_id: Some(pending.requested_by),
        login: &pending.requested_login,
        approved_login: Some(&visit.who.login),
        reason: &pending.reason,
        address: &visit.request.address,
    };
    let begun = erasure::request(act.unit(), visit.deps.clock(), &wanted).await.map_err(to_fault)?;
    Ok((Value::Null, json!({ "erasure": begun.id, "state": begun.state.as_str() })))
}
