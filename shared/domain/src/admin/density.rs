//! Height of rows in the panel.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Height of the rows of the panel's tables, as an operator prefers it.
    RowDensity {
        /// Rows that are easy to read.
        Comfortable = "comfortable", "просторно";
        /// Low rows: more of them fit on the screen.
        Compact = "compact", "плотно";
    }
);

impl RowDensity {
    /// The density that the panel's switch selects.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Comfortable => Self::Compact,
            Self::Compact => Self::Comfortable,
        }
    }
}
