//! Tables for signing in, of operators and of vendors' users alike: sessions, recovery codes, password and second factor.
//!
//! Each of both has tables of its own, whose statements stand beside the tables' rows ([`crate::admin`], [`crate::portal`]). The id of a
//! person names the tables by its type: a session of one kind cannot be given where the other is expected.

pub mod credentials;
pub mod recovery_codes;
pub mod sessions;

use std::fmt::{Debug, Display};

use flysk_domain::id::{InvalidId, OperatorId, VendorUserId};

use credentials::CredentialTable;
use recovery_codes::RecoveryCodeTable;
use sessions::SessionTable;

/// An id of this store's tables, as a parameter and as a column.
pub trait StoredId:
    Copy + Eq + Debug + Display + TryFrom<String, Error = InvalidId> + Send + Sync + Unpin + 'static
{
}

impl<T> StoredId for T where
    T: Copy + Eq + Debug + Display + TryFrom<String, Error = InvalidId> + Send + Sync + Unpin + 'static
{
}

/// Id of a principal: of an operator or of a vendor's user, and of nobody else.
pub trait Principal: SessionTable + RecoveryCodeTable + CredentialTable {}

impl Principal for OperatorId {}
impl Principal for VendorUserId {}

/// Keeps other crates from naming tables of their own.
pub(crate) mod sealed {
    /// Principal that has tables for signing in.
    pub trait Sealed {}

    impl Sealed for super::OperatorId {}
    impl Sealed for super::VendorUserId {}
}
