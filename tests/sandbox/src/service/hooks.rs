//! Hooks that get lost.

use poem::handler;
use poem::web::{Data, Json};
use serde::{Deserialize, Serialize};

use super::control::ControlData;
use super::event_proxy::Losses;
use super::input::Input;
use super::problem::Problem;
use super::scene::Scene;

/// Whose hooks get lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sender {
    /// Events of Flysk to the vendor's backend.
    Events,
    /// What amoCRM sends: installs, uninstalls, and webhooks to whoever subscribed to them.
    Amocrm,
    /// Notifications of the bank to Flysk.
    Bank,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lose {
    pub(super) of: Sender,
    /// Number of the next hooks that are lost; 0 ends it.
    #[serde(default = "one")]
    pub(super) next: u32,
    /// Flysk believes that the backend has received the events, so it does not repeat them.
    #[serde(default)]
    pub(super) answered: bool,
}

fn one() -> u32 {
    1
}

/// Numbers of hooks that are still to be lost.
#[derive(Debug, Serialize)]
pub(super) struct Remaining {
    events: u32,
    answered: bool,
    amocrm: u32,
    bank: u32,
}

#[handler]
pub(super) fn read(Data(control): ControlData<'_>) -> Result<Json<Remaining>, Problem> {
    Ok(Json(remaining(&*control.scene()?)))
}

/// Loses the next hooks of a sender.
#[handler]
pub(super) fn lose(
    Data(control): ControlData<'_>,
    Input(wanted): Input<Lose>,
) -> Result<Json<Remaining>, Problem> {
    let scene = control.scene()?;
    lose_next(&scene, &wanted)?;
    Ok(Json(remaining(&scene)))
}

/// Loses the next hooks of a sender.
pub(super) fn lose_next(scene: &Scene, wanted: &Lose) -> Result<(), Problem> {
    if wanted.answered && wanted.of != Sender::Events {
        return Err(Problem::invalid("`answered` is for `events` only"));
    }
    match wanted.of {
        Sender::Events => {
            scene.outside.events.proxy.lose(Losses { next: wanted.next, answered: wanted.answered });
        }
        Sender::Amocrm => scene.sandbox.amocrm.state.lose_webhooks(wanted.next),
        Sender::Bank => scene.sandbox.bank.state.lose_notifications(wanted.next),
    }
    Ok(())
}

fn remaining(scene: &Scene) -> Remaining {
    let Losses { next, answered } = scene.outside.events.proxy.losses();
    Remaining {
        events: next,
        answered,
        amocrm: scene.sandbox.amocrm.state.webhook_losses(),
        bank: scene.sandbox.bank.state.losses(),
    }
}
