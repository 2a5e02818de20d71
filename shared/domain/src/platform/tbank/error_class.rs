//! Classes of `ErrorCode` by the next step.

/// Class of a T-Bank error, by the next step that it requires.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorClass {
    /// Insufficient funds or a limit of the payer: try again later, by the reminder schedule.
    Funds,
    /// The issuer or the network refuses, perhaps temporarily: a few new attempts, days apart.
    Soft,
    /// The card or account will not work: stop and ask for another one.
    Hard,
    /// Suspected fraud or too many attempts: stop automatic attempts.
    Stop,
    /// The outcome is uncertain: query the payment's state before any new attempt.
    Unknown,
    /// The call does not fit the payment's state: query it.
    State,
    /// An error of ours or of the terminal's settings: alert operators; the payer is not at fault.
    Config,
}

impl ErrorClass {
    /// Whether the payer's side definitely declined: the attempt is over and no money moved.
    pub const fn is_decline(self) -> bool {
        matches!(self, Self::Funds | Self::Soft | Self::Hard | Self::Stop)
    }
}

/// The class of an error code; `None` for the codes that mean success (0, and 1085 by the bank's table).
///
/// Codes missing from the table are [`ErrorClass::Unknown`], the class whose next step is harmless for every code. So
/// are 120 and similar codes ("try later"), whose first step is a status query.
pub fn class_of(code: &str) -> Option<ErrorClass> {
    let Ok(number) = code.trim().parse::<u32>() else { return Some(ErrorClass::Unknown) };
    Some(match number {
        0 | 1085 => return None,

        103 | 116 | 1013 | 1019 | 1051 | 1061 | 1065 | 1075 | 5060..=5062 => ErrorClass::Funds,

        11 | 99 | 104 | 1001 | 1005 | 1006 | 1008 | 1012 | 1017 | 1030 | 1034 | 1062 | 1088 | 1089 | 1091
        | 1092 | 3029 | 3030 | 3041 | 3042 => ErrorClass::Soft,

        76
        | 77
        | 101
        | 107
        | 252
        | 262
        | 511
        | 1014
        | 1015
        | 1033
        | 1039
        | 1041
        | 1053
        | 1054
        | 1057
        | 1058
        | 1071
        | 1078
        | 1080
        | 1082
        | 2014
        | 3012
        | 3014
        | 3015
        | 5031
        | 5064..=5067 => ErrorClass::Hard,

        102 | 119 | 506 | 600 | 603 | 1004 | 1007 | 1043 | 1059 | 1063 | 1093 | 1094 | 2200 | 5036 | 5063 => {
            ErrorClass::Stop
        }

        4 | 7 | 8 | 20 | 255 | 330 | 335 | 503 | 623 | 914 | 3037 => ErrorClass::State,

        10
        | 12
        | 202
        | 204
        | 205
        | 251
        | 308
        | 309
        | 329
        | 334
        | 501
        | 648
        | 1125
        | 1126
        | 1202..=1204
        | 1235
        | 1502
        | 3001
        | 3002
        | 3013
        | 3016
        | 3017
        | 3019 => ErrorClass::Config,

        // 3, 21, 100, 120, 123, 125, 401, 402, 903, 999, 1018, 1096, 3040, 7999, 8001–8004, 9001, 9999 …
        _ => ErrorClass::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banks_table_is_classified() {
        use ErrorClass::{Config, Funds, Hard, Soft, State, Stop, Unknown};
        for (codes, class) in [
            (&[103, 116, 1013, 1051, 1075, 5060, 5061, 5062][..], Funds),
            (&[11, 99, 104, 1001, 1005, 1030, 1091, 3029, 3042], Soft),
            (&[76, 101, 107, 252, 262, 1014, 1033, 1041, 1071, 1082, 3014, 5031, 5064, 5067], Hard),
            (&[102, 119, 506, 600, 603, 1004, 1059, 1094, 2200, 5036, 5063], Stop),
            (&[3, 21, 100, 120, 401, 402, 903, 999, 1018, 1096, 3040, 7999, 8002, 9001, 9999], Unknown),
            (&[4, 7, 8, 20, 255, 330, 335, 503, 623, 914, 3037], State),
            (&[10, 12, 202, 204, 205, 251, 308, 309, 329, 334, 501, 1125, 1126, 1203, 3002, 3016], Config),
        ] {
            for code in codes {
                assert_eq!(class_of(&code.to_string()), Some(class), "{code}");
            }
        }
        assert_eq!(class_of("0"), None);
        assert_eq!(class_of("1085"), None);
    }

    #[test]
    fn what_is_not_in_the_table_is_asked_about() {
        for code in ["", "77777", "E12", "-1"] {
            assert_eq!(class_of(code), Some(ErrorClass::Unknown), "{code}");
        }
    }

    #[test]
    fn only_the_payers_side_declines() {
        assert!(ErrorClass::Funds.is_decline() && ErrorClass::Stop.is_decline());
        assert!(!ErrorClass::Unknown.is_decline() && !ErrorClass::State.is_decline());
        assert!(!ErrorClass::Config.is_decline());
    }
}
