//! When the widgets of an install made handshakes, for the timeline that operators read.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use flysk_store::platform::handshake_periods::{self, SeenHandshakes};
use flysk_store::{Conn, StoreResult};

use crate::write_buffer::{WaitingRows, WriteBuffer};

/// Largest number of installs in memory; handshakes of more are not noted.
const MAX_INSTALLS: usize = 50_000;

/// The handshakes of a process.
pub(crate) type HandshakeLog = WriteBuffer<WaitingHandshakes>;

impl HandshakeLog {
    /// Notes a handshake. Needs a Tokio runtime.
    pub(crate) fn record(&self, install_id: InstallId, at: DateTime<Utc>) {
        self.add(SeenHandshakes { install_id, first_at: at, last_at: at, handshakes: 1 });
    }
}

/// Handshakes that were not written yet, by install.
#[derive(Debug, Default)]
pub(crate) struct WaitingHandshakes(BTreeMap<InstallId, SeenHandshakes>);

impl WaitingRows for WaitingHandshakes {
    type Row = SeenHandshakes;
    const TABLE: &'static str = "handshake_periods";
    const FLUSH_DELAY: Duration = Duration::from_secs(10);

    fn add(&mut self, row: SeenHandshakes) {
        if let Some(known) = self.0.get_mut(&row.install_id) {
            known.first_at = known.first_at.min(row.first_at);
            known.last_at = known.last_at.max(row.last_at);
            known.handshakes += row.handshakes;
        } else if self.0.len() < MAX_INSTALLS {
            self.0.insert(row.install_id, row);
        }
    }

    fn into_rows(self) -> Vec<SeenHandshakes> {
        self.0.into_values().collect()
    }

    async fn write(conn: &mut Conn, rows: &[SeenHandshakes]) -> StoreResult<()> {
        handshake_periods::add(conn, rows).await
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use flysk_domain::SystemClock;

    use super::*;

    #[test]
    fn handshakes_of_an_install_are_added_up_whatever_their_order() {
        let install_id = InstallId::generate(&SystemClock);
        let at = DateTime::from_timestamp(1_796_000_000, 0).expect("a time");
        let mut waiting = WaitingHandshakes::default();
        for second in [5, 0, 9] {
            let at = at + TimeDelta::seconds(second);
            waiting.add(SeenHandshakes { install_id, first_at: at, last_at: at, handshakes: 1 });
        }
        let last_at = at + TimeDelta::seconds(9);
        assert_eq!(
            waiting.into_rows(),
            [SeenHandshakes { install_id, first_at: at, last_at, handshakes: 3 }]
        );
    }
}
