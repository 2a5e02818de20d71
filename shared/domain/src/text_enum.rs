//! Enums with a text form, used in columns, JSON, metrics and on the command line.
//!
//! Each derives `strum::{Display, EnumString, IntoStaticStr, VariantArray}` with `#[strum(serialize_all = "snake_case")]`
//! and uses [`UnknownText`] as its error; [`TextEnum`] returns its text. A text never changes once it is released.

use strum::VariantArray;

/// An enum whose variants have a text form.
pub trait TextEnum: VariantArray + Copy + Into<&'static str> {
    /// Text of the variant, as in SQL and JSON.
    fn as_str(self) -> &'static str {
        self.into()
    }
}

impl<T: VariantArray + Copy + Into<&'static str>> TextEnum for T {}

/// The text does not name a variant of the enum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is unknown; there are {known}")]
pub struct UnknownText {
    /// Name of the enum.
    pub kind: &'static str,
    /// The rejected text, cut to 40 characters.
    pub text: String,
    /// All valid texts.
    pub known: String,
}

impl UnknownText {
    /// The parse error of `T`, for its `parse_err_fn`.
    pub fn of<T: TextEnum>(text: &str) -> Self {
        let known: Vec<&str> = T::VARIANTS.iter().map(|&variant| variant.as_str()).collect();
        Self {
            kind: std::any::type_name::<T>().rsplit("::").next().unwrap_or_default(),
            text: text.chars().take(40).collect(),
            known: known.join(", "),
        }
    }
}

/// Declares an enum as `Variant = "code", "Russian label"`; codes never change once released.
macro_rules! labeled_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
            strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
        )]
        #[strum(
                    parse_err_ty = $crate::text_enum::UnknownText,
            parse_err_fn = $crate::text_enum::UnknownText::of::<Self>
        )]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $code)] #[strum(serialize = $code)] $variant,)+ }

        impl $name {
            /// All variants, in the order of declaration.
            pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

            /// The stable code, as in SQL and JSON.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Label in Russian, for users.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

pub(crate) use labeled_enum;

#[cfg(test)]
mod tests {
    use super::{TextEnum as _, UnknownText};

    labeled_enum!(
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
            assert_eq!(season.as_str(), season.code());
            assert_eq!(serde_json::to_value(season).unwrap(), season.code());
            assert_eq!(serde_json::from_value::<Season>(season.code().into()).unwrap(), *season);
        }
        assert_eq!(Season::Winter.label(), "Зима");
        let unknown: UnknownText = "spring".parse::<Season>().unwrap_err();
        assert_eq!((unknown.kind, unknown.text.as_str()), ("Season", "spring"));
        assert_eq!(unknown.to_string(), "`spring` is unknown; there are winter, summer");
        assert!(serde_json::from_str::<Season>("\"Winter\"").is_err());
    }
}
