//! Lifecycle of an install.
//!
//! Facts about an install arrive through several channels (redirects, hooks, refused tokens, operators), repeated,
//! late and in any order. An install therefore stores the latest time of each kind of fact, and its status is
//! computed from them: recording a fact is commutative and idempotent, so the order does not matter.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::UnknownText;

/// Status of an install. A widget works only while [`InstallStatus::Active`].
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallStatus {
    /// An authorization code was received; there is no access yet.
    Installing,
    /// The widget works.
    Active,
    /// Access is granted, but the widget is switched off.
    Inactive,
    /// Access was lost: an administrator must grant it again.
    Reconnect,
    /// The account disabled the integration.
    Uninstalled,
}

impl InstallStatus {
    /// Reason in Russian why the widget is off, for users of the account; `None` while it is active.
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

    /// Whether the account's tokens may be used.
    pub const fn has_access(self) -> bool {
        matches!(self, Self::Active | Self::Inactive)
    }
}

/// An event in the history of an install, recorded with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// amoCRM issued a token pair.
    Granted,
    /// amoCRM refused the grant permanently.
    Lost,
    /// The account disabled the integration, confirmed by amoCRM's API.
    Disconnected,
    /// An authorized user or operator switched the widget on.
    SwitchedOn,
    /// An authorized user or operator switched the widget off.
    SwitchedOff,
}

/// Latest time of each kind of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InstallFacts {
    /// Latest [`Fact::Granted`].
    pub granted_at: Option<DateTime<Utc>>,
    /// Latest [`Fact::Lost`].
    pub lost_at: Option<DateTime<Utc>>,
    /// Latest [`Fact::Disconnected`].
    pub disconnected_at: Option<DateTime<Utc>>,
    /// Latest [`Fact::SwitchedOn`].
    pub switched_on_at: Option<DateTime<Utc>>,
    /// Latest [`Fact::SwitchedOff`].
    pub switched_off_at: Option<DateTime<Utc>>,
}

impl InstallFacts {
    /// Records a fact; one older than the recorded fact of its kind changes nothing.
    pub fn record(&mut self, fact: Fact, at: DateTime<Utc>) {
        let known = match fact {
            Fact::Granted => &mut self.granted_at,
            Fact::Lost => &mut self.lost_at,
            Fact::Disconnected => &mut self.disconnected_at,
            Fact::SwitchedOn => &mut self.switched_on_at,
            Fact::SwitchedOff => &mut self.switched_off_at,
        };
        *known = (*known).max(Some(at));
    }

    /// Computes the status. If two facts have the same time, the one that is better for the customer wins.
    ///
    /// The switch survives reinstallation: a reinstalled widget is switched on or off as it was before.
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

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    use strum::VariantArray as _;

    use super::*;
    use crate::TextEnum as _;

    const FACTS: [Fact; 5] =
        [Fact::Granted, Fact::Lost, Fact::Disconnected, Fact::SwitchedOn, Fact::SwitchedOff];

    /// Model that applies facts one by one in order: the order-independent rules must agree with it.
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
                facts.record(*fact, *at);
            }
            assert_eq!(facts.status(), story.status, "round {round}: {life:?} told as {told:?}");
        }
    }

    #[test]
    fn a_widget_that_comes_back_is_as_it_was() {
        let mut facts = InstallFacts::default();
        facts.record(Fact::Granted, at(1));
        facts.record(Fact::SwitchedOff, at(2));
        facts.record(Fact::Disconnected, at(3));
        assert_eq!(facts.status(), InstallStatus::Uninstalled);
        facts.record(Fact::Granted, at(4));
        assert_eq!(facts.status(), InstallStatus::Inactive);
    }

    #[test]
    fn names_survive_a_row() {
        for &status in InstallStatus::VARIANTS {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.reason_ru().is_none(), status == InstallStatus::Active);
        }
    }
}
