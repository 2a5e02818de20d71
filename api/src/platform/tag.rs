//! Tags that group operations in the OpenAPI document.

use poem_openapi::Tags;

/// The callers of an operation.
#[derive(Tags)]
pub(super) enum Tag {
    /// Called by amoCRM, and opened in browsers to grant access.
    OAuth,
    /// Called by widgets in amoCRM's pages.
    Widget,
    /// Called by vendors' backends.
    Backend,
    /// Access by subscription. Amounts are integers of kopecks (fields that end in `_kopecks`), dates are days in Moscow.
    Subscriptions,
    /// Payment by usage. Amounts are integers of micro-Flycoins (fields that end in `_micro`); one Flycoin costs one rouble.
    Flycoins,
}
