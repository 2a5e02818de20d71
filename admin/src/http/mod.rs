//! Requests and responses: what every page has in common.
//!
//! [`gate`] is the one place that decides whether a request reaches its page. A page states the role it needs by the type of
//! its argument ([`Visit<R>`](visit::Visit)), so that no page can forget the check. A page of the vendors' portal takes a
//! [`VendorVisit`], which names one vendor.

mod caller;
pub(crate) mod gate;
mod notice;
pub(crate) mod rank;
mod refusal;
pub(crate) mod respond;
pub(crate) mod route;
pub(crate) mod seen;
mod vendor_gate;
mod vendor_visit;
pub(crate) mod visit;

pub(crate) use crate::fault::{Fault, Missing};
pub(crate) use crate::request::{Incoming, Pairs};
pub(crate) use rank::{
    Acting, Billing, Bulk, Erasing, Exporting, Listening, Operator, Owner, Proving, Rank, Support,
};
pub(crate) use route::Route;
pub(crate) use vendor_visit::{Demand, Proved, SignedIn, VendorNewcomer, VendorVisit};
pub(crate) use visit::{Act, Guest, Newcomer, Record, Visit};
