//! Saved cards of an account, and unlinking one for its owner.

use flysk_domain::id::{CardId, InstallId};
use flysk_services::invoice_payments::find_chargeable_card;
use flysk_services::subscriptions::{Actor, settings_of, unlink_saved_card};
use flysk_store::platform::invoice_payments::{self, Card};
use flysk_store::platform::{subscriptions, widgets};
use flysk_store::{Conn, StoreResult, repeat_contended};
use poem::Response;
use serde_json::json;

use crate::http::{Billing, Fault, Record, Visit};
use crate::view::{Cell, Field, Form, Row, Section, Table, Tone};

/// The cards of an install, with the one that renewals are charged with.
pub(super) struct SavedCards {
    cards: Vec<Card>,
    renews: Option<CardId>,
    /// Whether the seller can charge the one for renewals; not if it was saved at another terminal.
    is_chargeable: bool,
    subscription: Option<flysk_domain::id::SubscriptionId>,
}

impl SavedCards {
    /// Reads the cards of an install.
    pub(super) async fn of_install(conn: &mut Conn, install: InstallId) -> StoreResult<Self> {
        let row = subscriptions::find_subscription_of_install(conn, install).await?;
        let chargeable = match &row {
            Some(row) => find_chargeable_card(conn, row).await?,
            None => None,
        };
        Ok(Self {
            cards: invoice_payments::list_all_cards(conn, install).await?,
            renews: row.as_ref().and_then(|row| row.card_id),
            is_chargeable: chargeable.is_some(),
            subscription: row.map(|row| row.id),
        })
    }

    /// Rows of a table of cards.
    pub(super) fn rows(&self) -> Vec<Row> {
        let state = |card: &Card| match (card.unlinked_at, self.renews == Some(card.id)) {
            (Some(_), _) => Cell::state("отвязана", Tone::Quiet),
            (None, true) if self.is_chargeable => Cell::state("для продлений", Tone::Good),
            (None, true) => Cell::state("для продлений, но списать нельзя", Tone::Bad),
            (None, false) => Cell::state("сохранена", Tone::Busy),
        };
        let row = |card: &Card| {
            let subscription =
                self.subscription.map(|id| Cell::link(format!("/subscriptions/{id}"), "подписка"));
            Row::plain(vec![
                Cell::code(card.id),
                Cell::maybe(card.pan.clone()),
                state(card),
                Cell::code(&card.terminal_key),
                subscription.unwrap_or(Cell::Empty),
                Cell::time(card.linked_at),
                Cell::time(card.unlinked_at),
            ])
        };
        self.cards.iter().map(row).collect()
    }

    /// The form that unlinks one of the cards; `None` if none is linked.
    pub(super) fn form(&self) -> Option<Form> {
        let linked: Vec<&Card> = self.cards.iter().filter(|card| card.unlinked_at.is_none()).collect();
        let install = linked.first()?.install_id;
        let name = |card: &Card| card.pan.clone().unwrap_or_else(|| card.id.to_string());
        let choices = linked.iter().map(|card| (card.id, name(card)));
        let form = Form::act(format!("/installs/{install}/unlink-card"), "Отвязать карту", "Отвязать")
            .text("По просьбе владельца. Карта больше не спишется, запланированные списания отменятся. Подписка не отменяется.")
            .field(Field::choice("card", "Карта", choices).required())
            .danger();
        Some(form)
    }
}

/// A section with these rows.
pub(super) fn section(rows: Vec<Row>) -> Section {
    let head = ["Id", "Номер", "Состояние", "Терминал", "Чья", "Сохранена", "Отвязана"];
    Section::new("Карты", Table::new(&head, rows), "Карт нет.")
}

/// `POST /installs/:id/unlink-card`.
pub(crate) async fn unlink(visit: Visit<Billing>) -> Result<Response, Fault> {
    let (install, reason): (InstallId, _) = (visit.request.id()?, visit.reason()?);
    let card: Option<CardId> = visit.request.form.parsed("card", "Карта")?;
    let card = card.ok_or_else(|| Fault::refused("Заполните поле «Карта»."))?;
    let run = || async {
        let mut act = visit.begin().await?;
        let row = subscriptions::lock_subscription_of_install(&mut act, install).await?;
        let row = row.ok_or(Fault::NotFound)?;
        let widget = widgets::find(&mut act, row.widget_id).await?.ok_or(Fault::NotFound)?;
        let found = invoice_payments::find_card(&mut act, card).await?;
        let found = found.filter(|found| found.install_id == install);
        let found = found.ok_or_else(|| Fault::refused("У этой установки такой карты нет."))?;
        let (clock, actor) = (visit.deps.clock(), Actor::Operator(&visit.who.login));
        let settings = settings_of(&widget);
        if !unlink_saved_card(act.unit(), clock, &settings, &row, card, actor).await? {
            return Err(Fault::conflict("Эту карту уже отвязали."));
        }
        act.commit(Record {
            action: "card.unlink",
            subject: ("subscription", row.id.to_string()),
            reason,
            before: json!({ "card": card, "pan": found.pan, "for_renewals": row.card_id == Some(card) }),
            after: json!({ "card": null }),
        })
        .await?;
        Ok::<_, Fault>(row.id)
    };
    let subscription = repeat_contended(run).await?;
    Ok(visit.done(&format!("/subscriptions/{subscription}"), "Карта отвязана, списаний с неё не будет."))
}
