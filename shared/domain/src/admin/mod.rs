//! The admin panel: roles and rights of operators, lock-out after failed attempts to sign in, freshness of the second factor,
//! passkeys, height of rows, bulk acts, erasure of accounts, figures of the dashboard, hash chain of the audit log. The vendors' portal:
//! invitations, figures of widgets.

mod bulk;
mod chain;
mod density;
mod erasure;
mod figure;
mod four_eyes;
mod invitation;
mod lockout;
mod passkey;
mod right;
mod role;
mod step_up;
mod widget_figure;

pub use bulk::{BulkAction, BulkState, MAX_BULK_ROWS};
pub use chain::{CHAIN_START, chain_hash};
pub use density::RowDensity;
pub use erasure::{ErasedKind, ErasureSide, ErasureState, KEPT, confirms_domain};
pub use figure::{FIGURE_COUNT_LIMIT, Figure, FigureUnit};
pub use four_eyes::{
    ALONE_BONUS_DAYS, ALONE_COMPENSATION, ALONE_MARK, ALONE_REFUND, ALONE_TRANSFER, BONUS_WINDOW,
    bonus_needs_second, compensation_needs_second, mark_needs_second, refund_needs_second,
    transfer_needs_second,
};
pub use invitation::{INVITATION_TTL, Invited, check_invited};
pub use lockout::{ACCOUNT_ATTEMPTS, ADDRESS_ATTEMPTS, ATTEMPT_WINDOW, LOCK_DURATION, LoginAttempts};
pub use passkey::{MAX_PASSKEYS, PASSKEY_CHALLENGE_TTL, PasskeyPurpose, PasskeyRefusal};
pub use right::{OperatorRight, OperatorRights};
pub use role::{OperatorRole, SessionStage};
pub use step_up::{FRESH_PROOF, is_fresh_proof};
pub use widget_figure::{WidgetFigure, WidgetFigureUnit};
