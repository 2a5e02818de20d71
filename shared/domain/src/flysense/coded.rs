//! Enums that live three lives: a variant in code, a stable code in SQL and JSON, a Russian label on the screen.

/// The text is not a code of this enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}")]
pub struct UnknownCode {
    /// The enum that was wanted.
    pub kind: &'static str,
    /// What was given instead, cut to 40 characters.
    pub text: String,
}

/// Declares an enum by `Variant = "code", "Russian label"`; codes are never renamed once released.
macro_rules! coded_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every variant, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable code, as in SQL and JSON.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// What people read, in Russian.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.code())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::flysense::coded::UnknownCode;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|known| known.code() == text).ok_or_else(|| Self::Err {
                    kind: stringify!($name),
                    text: text.chars().take(40).collect(),
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::flysense::coded::UnknownCode;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.code().to_owned()
            }
        }
    };
}

pub(super) use coded_enum;

#[cfg(test)]
mod tests {
    coded_enum!(
        /// A sample.
        Season {
            /// Cold.
            Winter = "winter", "Зима";
            /// Warm.
            Summer = "summer", "Лето";
        }
    );

    #[test]
    fn a_code_survives_its_text_in_every_direction() {
        for season in Season::ALL {
            assert_eq!(season.to_string().parse(), Ok(*season));
            assert_eq!(Season::try_from(String::from(*season)), Ok(*season));
            assert_eq!(serde_json::to_value(season).unwrap(), season.code());
        }
        assert_eq!(Season::Winter.label(), "Зима");
        assert_eq!("spring".parse::<Season>().unwrap_err().to_string(), "`spring` is not a Season");
        assert!(serde_json::from_str::<Season>("\"Winter\"").is_err());
    }
}
