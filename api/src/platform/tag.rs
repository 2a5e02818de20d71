//! How operations are grouped in the document.

use poem_openapi::Tags;

/// Whom an operation is for.
#[derive(Tags)]
pub(super) enum Tag {
    /// For amoCRM and browsers on their way through it.
    OAuth,
    /// For widgets inside amoCRM's pages.
    Widget,
    /// For backends of vendors.
    Backend,
    /// Payment by use. Amounts are integers of millionths of a Flycoin (`_micro`); one Flycoin costs one rouble.
    Flycoins,
}
