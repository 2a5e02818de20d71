//! The control API, `/_sandbox/…`: what its handlers share.

use std::sync::Arc;

use poem::web::{Data, Json};
use serde::Serialize;

use super::journal::Filter;
use super::occurrence::Entry;
use super::problem::Problem;
use super::scene::{Current, Scene};

/// Entries of the timeline in an answer to an act.
const MAX_ENTRIES: usize = 1_000;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Control {
    pub(super) current: Current,
    /// For the bank's form, which is another server.
    pub(super) http: reqwest::Client,
}

/// The handlers' argument.
pub(super) type ControlData<'a> = Data<&'a Control>;

impl Control {
    pub(super) fn new(current: Current) -> reqwest::Result<Self> {
        let redirects = reqwest::redirect::Policy::none();
        Ok(Self { current, http: reqwest::Client::builder().no_proxy().redirect(redirects).build()? })
    }

    pub(super) fn scene(&self) -> Result<Arc<Scene>, Problem> {
        self.current.scene()
    }
}

/// An answer to an act: what it is about, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Done<T> {
    #[serde(flatten)]
    pub(super) about: T,
    /// What happened since the act began.
    pub(super) items: Vec<Entry>,
    /// Whether everything has run that the act made due. False: the backend has not answered an event yet, or the clock moves; what
    /// is missing in `items` comes into the timeline.
    pub(super) settled: bool,
}

/// Runs what an act made due; the answer tells what came of it.
pub(super) async fn done<T: Serialize>(
    scene: &Scene,
    after: u64,
    about: T,
) -> Result<Json<Done<T>>, Problem> {
    let settled = scene.run_due().await?;
    Ok(told(scene, after, about, settled))
}

/// The answer to an act whose due jobs have run, if `settled`.
pub(super) fn told<T: Serialize>(scene: &Scene, after: u64, about: T, settled: bool) -> Json<Done<T>> {
    let filter = Filter { after, ..Filter::default() };
    Json(Done { about, items: scene.journal.read(&filter, MAX_ENTRIES).items, settled })
}

/// A number in a path.
pub(super) fn number(text: &str, what: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("`{text}` is not the id of {what}")))
}
