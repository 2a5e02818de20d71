//! The life of a widget in an account.
//!
//! What happens to an install reaches us over several roads (redirects, hooks, refused tokens, operators),
//! twice, late and in any order. So an install keeps the latest moment of each kind of fact, and its
//! status follows from them: taking in a fact is commutative and idempotent, and no order can be wrong.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

/// Whether the widget may work in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstallStatus {
    /// A code arrived, access is not there yet.
    Installing,
    /// The widget works.
    Active,
    /// Access is there, but the widget was switched off.
    Inactive,
    /// Access was lost: an administrator has to give it again.
    Reconnect,
    /// The account disabled the integration.
    Uninstalled,
}

/// The text names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the status of an install")]
pub struct UnknownStatus(String);

impl InstallStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Installing, Self::Active, Self::Inactive, Self::Reconnect, Self::Uninstalled];

    /// Its name in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installing => "installing",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Reconnect => "reconnect",
            Self::Uninstalled => "uninstalled",
        }
    }

    /// Why the widget is off, for the people in the account; `None` while it is on.
    pub const fn reason_ru(self) -> Option<&'static str> {
        match self {
            Self::Active => None,
            Self::Installing => {
                Some("Виджет ещё подключается к аккаунту. Обычно это занимает несколько секунд.")
            }
            Self::Inactive => Some("Виджет отключён для этого аккаунта."),
            Self::Reconnect => {
                Some("Доступ к аккаунту потерян. Администратору нужно подключить виджет заново.")
            }
            Self::Uninstalled => Some("Интеграция отключена в этом аккаунте."),
        }
    }

    /// Tokens of the account may be used.
    pub const fn has_access(self) -> bool {
        matches!(self, Self::Active | Self::Inactive)
    }
}

impl fmt::Display for InstallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for InstallStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

impl TryFrom<String> for InstallStatus {
    type Error = UnknownStatus;

    fn try_from(text: String) -> Result<Self, UnknownStatus> {
        text.parse()
    }
}

/// Something that happened to an install, at a moment the caller names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// A token pair came from amoCRM.
    Granted,
    /// amoCRM refused our grant for good.
    Lost,
    /// The account disabled the integration, and its API confirmed it.
    Disconnected,
    /// Somebody with the right to do so switched the widget on.
    SwitchedOn,
    /// Somebody with the right to do so switched the widget off.
    SwitchedOff,
}

/// The latest moment of each kind of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InstallFacts {
    /// The last grant.
    pub granted_at: Option<DateTime<Utc>>,
    /// The last loss.
    pub lost_at: Option<DateTime<Utc>>,
    /// The last confirmed disconnection.
    pub disconnected_at: Option<DateTime<Utc>>,
    /// The last switching on.
    pub switched_on_at: Option<DateTime<Utc>>,
    /// The last switching off.
    pub switched_off_at: Option<DateTime<Utc>>,
}

impl InstallFacts {
    /// Takes in a fact; an older one than is known changes nothing.
    pub fn learn(&mut self, fact: Fact, at: DateTime<Utc>) {
        let known = match fact {
            Fact::Granted => &mut self.granted_at,
            Fact::Lost => &mut self.lost_at,
            Fact::Disconnected => &mut self.disconnected_at,
            Fact::SwitchedOn => &mut self.switched_on_at,
            Fact::SwitchedOff => &mut self.switched_off_at,
        };
        *known = (*known).max(Some(at));
    }

    /// What follows from the facts. Of two facts of one moment the better one for the customer counts.
    ///
    /// The switch outlives everything else: a widget that is installed again is as it was.
    pub fn status(&self) -> InstallStatus {
        if self.granted_at.is_none() {
            InstallStatus::Installing
        } else if self.disconnected_at > self.granted_at {
            InstallStatus::Uninstalled
        } else if self.lost_at > self.granted_at {
            InstallStatus::Reconnect
        } else if self.switched_off_at > self.switched_on_at {
            InstallStatus::Inactive
        } else {
            InstallStatus::Active
        }
    }
}

/// What a vendor's backend is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// The widget came into an account, or came back.
    Install,
    /// The widget works from now on.
    Activate,
    /// The widget does not work from now on.
    Deactivate,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Install, Self::Activate, Self::Deactivate];

    /// Its name in rows and bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
        }
    }

    /// What a change of status means to the vendor, in the order it is told.
    pub fn between(before: InstallStatus, after: InstallStatus) -> Vec<Self> {
        use InstallStatus::{Active, Installing, Uninstalled};
        let mut events = Vec::new();
        if matches!(before, Installing | Uninstalled) && !matches!(after, Installing | Uninstalled) {
            events.push(Self::Install);
        }
        if before != Active && after == Active {
            events.push(Self::Activate);
        }
        if before == Active && after != Active {
            events.push(Self::Deactivate);
        }
        events
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event; there are install, activate and deactivate")]
pub struct UnknownEvent(String);

impl FromStr for EventKind {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, UnknownEvent> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownEvent(text.to_owned()))
    }
}

impl TryFrom<String> for EventKind {
    type Error = UnknownEvent;

    fn try_from(text: String) -> Result<Self, UnknownEvent> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    use super::*;

    const FACTS: [Fact; 5] =
        [Fact::Granted, Fact::Lost, Fact::Disconnected, Fact::SwitchedOn, Fact::SwitchedOff];

    /// The same life told step by step, each fact in its turn: what the order-free rules must agree with.
    #[derive(Debug)]
    struct Story {
        status: InstallStatus,
        on: bool,
    }

    impl Story {
        fn step(&mut self, fact: Fact) {
            use InstallStatus::{Active, Inactive, Installing, Reconnect, Uninstalled};
            match (fact, self.status) {
                (Fact::SwitchedOn, _) => self.on = true,
                (Fact::SwitchedOff, _) => self.on = false,
                (Fact::Granted, _) => self.status = Active,
                (Fact::Lost, Active | Inactive) => self.status = Reconnect,
                (Fact::Disconnected, Active | Inactive | Reconnect) => self.status = Uninstalled,
                (Fact::Lost, Installing | Reconnect | Uninstalled)
                | (Fact::Disconnected, Installing | Uninstalled) => {}
            }
            if matches!(self.status, Active | Inactive) {
                self.status = if self.on { Active } else { Inactive };
            }
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_hundred_thousand_orders_end_where_the_ordered_one_ends() {
        let mut chance = StdRng::seed_from_u64(20_261_122);
        for round in 0..100_000 {
            let life: Vec<(Fact, DateTime<Utc>)> =
                (0..chance.random_range(1..=12)).map(|n| (FACTS[chance.random_range(0..5)], at(n))).collect();
            let mut story = Story { status: InstallStatus::Installing, on: true };
            for (fact, _) in &life {
                story.step(*fact);
            }

            let mut told = life.clone();
            for _ in 0..chance.random_range(0..=6) {
                told.push(life[chance.random_range(0..life.len())]);
            }
            told.shuffle(&mut chance);
            let mut facts = InstallFacts::default();
            for (fact, at) in &told {
                facts.learn(*fact, *at);
            }
            assert_eq!(facts.status(), story.status, "round {round}: {life:?} told as {told:?}");
        }
    }

    #[test]
    fn a_widget_that_comes_back_is_as_it_was() {
        let mut facts = InstallFacts::default();
        facts.learn(Fact::Granted, at(1));
        facts.learn(Fact::SwitchedOff, at(2));
        facts.learn(Fact::Disconnected, at(3));
        assert_eq!(facts.status(), InstallStatus::Uninstalled);
        facts.learn(Fact::Granted, at(4));
        assert_eq!(facts.status(), InstallStatus::Inactive);
    }

    #[test]
    fn the_vendor_hears_of_each_change_once_and_in_order() {
        use EventKind::{Activate, Deactivate, Install};
        use InstallStatus::{Active, Inactive, Installing, Reconnect, Uninstalled};
        for (before, after, told) in [
            (Installing, Active, vec![Install, Activate]),
            (Uninstalled, Active, vec![Install, Activate]),
            (Uninstalled, Inactive, vec![Install]),
            (Inactive, Active, vec![Activate]),
            (Reconnect, Active, vec![Activate]),
            (Active, Reconnect, vec![Deactivate]),
            (Active, Uninstalled, vec![Deactivate]),
            (Active, Inactive, vec![Deactivate]),
            (Reconnect, Uninstalled, vec![]),
            (Active, Active, vec![]),
        ] {
            assert_eq!(EventKind::between(before, after), told, "{before} to {after}");
        }
    }

    #[test]
    fn names_survive_a_row() {
        for status in InstallStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(status.reason_ru().is_none(), status == InstallStatus::Active);
        }
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
