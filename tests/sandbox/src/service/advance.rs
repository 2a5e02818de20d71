//! The clock: reading it, and moving it on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use poem::handler;
use poem::web::{Data, Json};
use serde::{Deserialize, Serialize};

use super::announcement::{ClockState, clock_of};
use super::control::ControlData;
use super::input::Input;
use super::journal::Filter;
use super::occurrence::Entry;
use super::options::check_time;
use super::problem::Problem;
use super::scene::Scene;
use super::span;

/// Entries of the timeline in an answer; the others are read from the timeline.
const MAX_ENTRIES: usize = 10_000;

#[handler]
pub(super) fn read_clock(Data(control): ControlData<'_>) -> Result<Json<ClockState>, Problem> {
    Ok(Json(clock_of(&*control.scene()?)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Advance {
    /// The time to go to, such as `2027-03-01T09:00:00Z`.
    pub(super) to: Option<String>,
    /// The time to go on, such as `30d`.
    pub(super) by: Option<String>,
}

/// What came of moving the clock.
#[derive(Debug, Serialize)]
pub(super) struct Advanced {
    from: DateTime<Utc>,
    now: DateTime<Utc>,
    /// Moments at which something was due, the first and the last included.
    stops: u32,
    /// Jobs that ran.
    pub(super) jobs: usize,
    /// Number of entries of each kind.
    counts: BTreeMap<&'static str, u64>,
    /// What happened, in order; at most 10,000 entries.
    items: Vec<Entry>,
    /// The `after` that reads on in the timeline.
    next: u64,
    /// Whether the timeline has more entries of this time.
    more: bool,
}

/// Moves the clock on. Whatever becomes due on the way is run to rest at its moment.
#[handler]
pub(super) async fn advance(
    Data(control): ControlData<'_>,
    Input(wanted): Input<Advance>,
) -> Result<Json<Advanced>, Problem> {
    let scene = control.scene()?;
    let to = target(scene.sandbox.now(), &wanted)?;
    Ok(Json(move_clock(&scene, to).await?))
}

/// The time to go to.
pub(super) fn target(now: DateTime<Utc>, wanted: &Advance) -> Result<DateTime<Utc>, Problem> {
    let to = match (&wanted.to, &wanted.by) {
        (Some(to), None) => span::time(to).map_err(Problem::invalid)?,
        (None, Some(by)) => span::after(now, by).map_err(Problem::invalid)?,
        _ => return Err(Problem::invalid("give either `to` or `by`")),
    };
    check_time(to)
}

/// Moves the clock to `to`.
pub(super) async fn move_clock(scene: &Scene, to: DateTime<Utc>) -> Result<Advanced, Problem> {
    let moved = scene.advance(to).await?;
    let filter = Filter { after: moved.after, ..Filter::default() };
    let page = scene.journal.read(&filter, MAX_ENTRIES);
    Ok(Advanced {
        from: moved.from,
        now: moved.to,
        stops: moved.stops,
        jobs: moved.jobs,
        counts: scene.journal.counts(moved.after),
        items: page.items,
        next: page.next,
        more: page.more,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_told_one_way_only() {
        let now: DateTime<Utc> = "2027-01-31T09:00:00Z".parse().unwrap();
        let read = |text: &str| serde_json::from_str::<Advance>(text).unwrap();
        assert_eq!(target(now, &read(r#"{"by": "1d"}"#)).unwrap().to_rfc3339(), "2027-02-01T09:00:00+00:00");
        let later = target(now, &read(r#"{"to": "2027-03-01T12:00:00+03:00"}"#)).unwrap();
        assert_eq!(later.to_rfc3339(), "2027-03-01T09:00:00+00:00");
        for wrong in
            ["{}", r#"{"to": "2027-03-01T12:00:00Z", "by": "1d"}"#, r#"{"by": "20y"}"#, r#"{"by": "1"}"#]
        {
            assert!(target(now, &read(wrong)).is_err(), "{wrong}");
        }
    }
}
