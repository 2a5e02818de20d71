//! Seats that users occupy: who has one, and freeing a seat.

use flysk_domain::id::{SubscriptionId, UserId};
use flysk_services::subscriptions::{Actor, OccupiedSeat, SubscriptionDetails, free_seat};
use flysk_store::repeat_contended;
use poem::Response;
use serde_json::json;

use super::acts::{lock, record};
use super::list::day;
use crate::http::{Billing, Fault, Visit};
use crate::view::{Cell, Field, Form, Row, Section, Table};

/// Section with the occupied seats; `None` if the widget gives no seats to users, and before the first purchase.
pub(super) fn section(details: &SubscriptionDetails, seats: &[OccupiedSeat]) -> Option<Section> {
    details.seats?;
    let row = |occupied: &OccupiedSeat| {
        Row::plain(vec![
            Cell::number(occupied.seat.number),
            Cell::code(occupied.seat.user),
            Cell::maybe(occupied.name.clone()),
            Cell::time(occupied.seat.taken_at),
            Cell::time(occupied.seat.seen_at),
            day(occupied.lost_on),
        ])
    };
    let head = ["Место", "Пользователь", "Имя", "Занято", "Последний раз", "Исчезнет"];
    let table = Table::new(&head, seats.iter().map(row).collect());
    Some(Section::new("Занятые места", table, "Место займёт первый пользователь, кто откроет виджет."))
}

/// The form that frees a seat; `None` if nobody has one.
pub(super) fn form(id: SubscriptionId, seats: &[OccupiedSeat]) -> Option<Form> {
    if seats.is_empty() {
        return None;
    }
    let label = |occupied: &OccupiedSeat| match &occupied.name {
        Some(name) => format!("{name} ({})", occupied.seat.user),
        None => occupied.seat.user.to_string(),
    };
    let choices = seats.iter().map(|occupied| (occupied.seat.user, label(occupied)));
    let form = Form::act(format!("/subscriptions/{id}/free-seat"), "Освободить место", "Освободить")
        .text("Место займёт первый пользователь без места, кто откроет виджет, возможно, тот же самый.")
        .field(Field::choice("user", "Пользователь", choices).required())
        .danger();
    Some(form)
}

/// `POST /subscriptions/:id/free-seat`.
pub(crate) async fn free(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (id, reason): (SubscriptionId, _) = (visit.request.id()?, visit.reason()?);
    let user: Option<UserId> = visit.request.form.parsed("user", "Пользователь")?;
    let user = user.ok_or_else(|| Fault::refused("Заполните поле «Пользователь»."))?;
    let run = || async {
        let mut act = visit.begin().await?;
        let (row, _) = lock(&mut act, id).await?;
        let actor = Actor::Operator(&visit.who.login);
        if !free_seat(act.unit(), visit.deps.clock(), &row, user, actor, Some(reason)).await? {
            return Err(Fault::conflict("У этого пользователя уже нет места."));
        }
        act.commit(record("subscription.free_seat", id, reason, &row, json!({ "user_id": user }))).await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/subscriptions/{id}"), "Место свободно."))
}
