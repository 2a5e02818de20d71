//! Roles and rights as types.
//!
//! A function that moves money takes an [`Acting<Billing>`]: it cannot be called for somebody who only supports customers.
//! Values are made by the gate alone, after it has checked role and rights.

use std::marker::PhantomData;

use flysk_domain::admin::{OperatorRight, OperatorRights, OperatorRole, RowDensity};
use flysk_domain::id::OperatorId;
use flysk_store::admin::operators;
use flysk_store::admin::sessions::Session;

use crate::fault::Missing;

/// Role and right that a page requires of an operator, as a type.
pub(crate) trait Rank: Send + Sync + 'static {
    /// The smallest role.
    const ROLE: OperatorRole;
    /// A right besides the role.
    const RIGHT: Option<OperatorRight> = None;
    /// Whether forms need a second factor that was given a short time ago: all that do more than support does, and all that a
    /// right allows.
    const NEEDS_FRESH_PROOF: bool = !matches!(Self::ROLE, OperatorRole::Support) || Self::RIGHT.is_some();
}

macro_rules! ranks {
    ($($(#[$doc:meta])* $name:ident { $($const:item)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) enum $name {}

        impl Rank for $name {
            $($const)+
        }
    )+};
}

ranks! {
    /// At least [`OperatorRole::Support`].
    Support { const ROLE: OperatorRole = OperatorRole::Support; }
    /// At least [`OperatorRole::Billing`].
    Billing { const ROLE: OperatorRole = OperatorRole::Billing; }
    /// At least [`OperatorRole::Operator`].
    Operator { const ROLE: OperatorRole = OperatorRole::Operator; }
    /// [`OperatorRole::Owner`].
    Owner { const ROLE: OperatorRole = OperatorRole::Owner; }
    /// Any role, with [`OperatorRight::Export`].
    Exporting {
        const ROLE: OperatorRole = OperatorRole::Support;
        const RIGHT: Option<OperatorRight> = Some(OperatorRight::Export);
    }
    /// Any role, with [`OperatorRight::Bulk`].
    Bulk {
        const ROLE: OperatorRole = OperatorRole::Support;
        const RIGHT: Option<OperatorRight> = Some(OperatorRight::Bulk);
    }
    /// Any role, with [`OperatorRight::Listen`].
    Listening {
        const ROLE: OperatorRole = OperatorRole::Support;
        const RIGHT: Option<OperatorRight> = Some(OperatorRight::Listen);
    }
    /// Any role, with [`OperatorRight::Erase`].
    Erasing {
        const ROLE: OperatorRole = OperatorRole::Support;
        const RIGHT: Option<OperatorRight> = Some(OperatorRight::Erase);
    }
    /// Any role, with a fresh second factor.
    Proving {
        const ROLE: OperatorRole = OperatorRole::Support;
        const NEEDS_FRESH_PROOF: bool = true;
    }
}

/// A signed-in operator with at least the rank `R`.
#[derive(Debug)]
pub(crate) struct Acting<R> {
    pub(crate) id: OperatorId,
    /// Login, for the audit log.
    pub(crate) login: String,
    /// Name to show.
    pub(crate) name: String,
    /// Actual role, which may be larger than `R`.
    pub(crate) role: OperatorRole,
    /// Granted rights.
    pub(crate) rights: OperatorRights,
    /// Height of the rows of tables.
    pub(crate) row_density: RowDensity,
    pub(crate) session: Session,
    rank: PhantomData<fn() -> R>,
}

impl<R: Rank> Acting<R> {
    /// Checks the operator's role and rights.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(super) fn check(operator: &operators::Operator, session: Session) -> Result<Self, Missing> {
        if !operator.role.includes(R::ROLE) {
            return Err(Missing::Role(R::ROLE));
        }
        if let Some(right) = R::RIGHT.filter(|right| !operator.rights.has(*right)) {
            return Err(Missing::Right(right));
        }
        Ok(Self {
            id: operator.id,
            login: operator.login.clone(),
            name: operator.name.clone(),
            role: operator.role,
            rights: operator.rights.clone(),
            row_density: operator.row_density,
            session,
            rank: PhantomData,
        })
    }

    /// Whether the operator may also do what `T` may do, to show or hide forms.
    pub(crate) fn may<T: Rank>(&self) -> bool {
        self.role.includes(T::ROLE) && T::RIGHT.is_none_or(|right| self.rights.has(right))
    }
}
