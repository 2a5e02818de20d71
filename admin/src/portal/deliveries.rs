//! The log of deliveries of a vendor's widget, newest first. A page reads as many rows as it shows (see
//! [`flysk_store::portal::deliveries`]).

use flysk_domain::id::AccountId;
use flysk_domain::platform::events::AttemptOutcome;
use flysk_store::platform::attempts::LoggedAttempt;
use flysk_store::portal::NEWEST;
use flysk_store::portal::deliveries::{self, LogFilter};
use poem::Response;

use super::chosen::{widget_filter, widget_of_filter};
use super::filtered::{BEFORE, FilteredPage, NO_WIDGETS};
use crate::http::{Fault, Pairs, SignedIn, VendorVisit};
use crate::view::{Cell, Field, Row, Section, Table, Tone, delivery_error, labels};

/// Path of the page.
const PATH: &str = "/portal/deliveries";
/// Attempts per page.
const PAGE_SIZE: u32 = 50;
/// Outcomes for the filter, by code.
const OUTCOMES: [(&str, &str, AttemptOutcome); 4] = [
    ("failed", "не доставлено", AttemptOutcome::Failed),
    ("delivered", "доставлено", AttemptOutcome::Delivered),
    ("refused", "отклонено (410)", AttemptOutcome::Refused),
    ("interrupted", "прервано на стороне Flysk", AttemptOutcome::Interrupted),
];

/// `GET /portal/deliveries`.
pub(super) async fn show(visit: VendorVisit<SignedIn>) -> Result<Response, Fault> {
    let query = &visit.request.query;
    let (filter, before) = (filter_of(query)?, query.parsed(BEFORE, BEFORE)?);
    let mut conn = visit.deps.read().await?;
    let (all, chosen) = widget_of_filter(&visit, &mut conn).await?;
    let mut page = FilteredPage::new(visit.layout("Доставки событий"), PATH);
    let Some(widget) = chosen else {
        page.text = NO_WIDGETS;
        return visit.page(&page);
    };
    let log =
        deliveries::page(&mut conn, visit.who.vendor, widget.id, filter, before.unwrap_or(NEWEST), PAGE_SIZE)
            .await?;
    page.set_links(query, before, log.attempts.last().filter(|_| log.has_more).map(|last| last.id));
    page.fields = fields(query, widget_filter(&all, query));
    let head =
        ["Когда", "Событие", "Исход", "Попытка", "Статус", "Длительность", "Аккаунт", "Ответ или ошибка"];
    page.sections = vec![Section::new(
        format!("Попытки доставки: {}", widget.name),
        Table::new(&head, log.attempts.iter().map(row).collect()),
        "Таких попыток не было.",
    )];
    visit.page(&page)
}

/// The filter. An account excludes an outcome, because each has an index of its own.
fn filter_of(query: &Pairs) -> Result<LogFilter, Fault> {
    let account: Option<AccountId> = query.parsed("account", "Аккаунт")?;
    let outcome = query.get("outcome").map(|code| {
        let known = OUTCOMES.iter().find(|(known, _, _)| *known == code);
        known.map(|(_, _, outcome)| *outcome).ok_or_else(|| Fault::refused("Такого исхода нет."))
    });
    match (account, outcome.transpose()?) {
        (None, None) => Ok(LogFilter::All),
        (None, Some(outcome)) => Ok(LogFilter::Outcome(outcome)),
        (Some(account), None) => Ok(LogFilter::Account(account)),
        (Some(_), Some(_)) => Err(Fault::refused("Выберите что-то одно: исход или аккаунт.")),
    }
}

fn fields(query: &Pairs, widget: Field) -> Vec<Field> {
    let value = |name: &str| query.get(name).unwrap_or_default().to_owned();
    vec![
        widget,
        Field::filter("outcome", "Исход", OUTCOMES.map(|(code, label, _)| (code, label)))
            .value(value("outcome")),
        Field::text("account", "Аккаунт").value(value("account")),
    ]
}

/// An outcome with its meaning.
fn outcome_cell(outcome: AttemptOutcome) -> Cell {
    let label = OUTCOMES.iter().find(|(_, _, known)| *known == outcome).map_or("", |(_, label, _)| *label);
    let tone = match outcome {
        AttemptOutcome::Delivered => Tone::Good,
        AttemptOutcome::Refused => Tone::Quiet,
        AttemptOutcome::Failed => Tone::Bad,
        AttemptOutcome::Interrupted => Tone::Busy,
    };
    Cell::state(label, tone)
}

fn row(logged: &LoggedAttempt) -> Row {
    let (href, attempt) = (format!("/portal/events/{}", logged.event_id), &logged.attempt);
    let answer = attempt.answer_head.clone().filter(|head| !head.is_empty());
    Row::linked(
        href.clone(),
        vec![
            Cell::time(attempt.started_at),
            Cell::link(href, labels::event(logged.kind)),
            outcome_cell(AttemptOutcome::of(attempt.status, attempt.interrupted)),
            Cell::number(attempt.attempt),
            attempt.status.map_or(Cell::Empty, |status| Cell::Text(status.to_string())),
            Cell::duration_ms(Some(attempt.took_ms.into())),
            Cell::code(logged.account_id),
            Cell::maybe(answer.or_else(|| attempt.error.as_deref().map(delivery_error))),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_an_outcome_or_an_account() {
        let filter = |query: &str| filter_of(&Pairs::parse(query.as_bytes()));
        assert!(matches!(filter("widget=wgt_1"), Ok(LogFilter::All)));
        assert!(matches!(filter("outcome=failed"), Ok(LogFilter::Outcome(AttemptOutcome::Failed))));
        assert!(matches!(filter("account=7"), Ok(LogFilter::Account(AccountId(7)))));
        assert!(filter("outcome=nothing").is_err() && filter("account=7&outcome=failed").is_err());
    }
}
