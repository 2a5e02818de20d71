//! Routes with the access that each demands.

use std::future::Future;
use std::pin::Pin;

use flysk_domain::admin::{OperatorRight, OperatorRole};
use flysk_store::admin::operators;
use flysk_store::admin::sessions::Session;
use flysk_store::portal::sessions::VendorSession;
use flysk_store::portal::users;
use poem::Response;
use poem::http::Method;

use super::vendor_visit::ActingVendor;
use super::{Acting, Demand, Fault, Guest, Incoming, Newcomer, Rank, VendorNewcomer, VendorVisit, Visit};
use crate::deps::Deps;
use crate::fault::Missing;

/// A response in the making.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Response, Fault>> + Send>>;
type GuestHandler = Box<dyn Fn(Guest) -> Answer + Send + Sync>;
type NewcomerHandler = Box<dyn Fn(Newcomer) -> Answer + Send + Sync>;
/// A page that checks the operator's rank.
pub(super) type MemberPage = dyn Fn(Member) -> Result<Answer, Missing> + Send + Sync;
type MemberHandler = Box<MemberPage>;
/// A page between password and second factor of a vendor's user.
pub(super) type VendorNewcomerPage = dyn Fn(VendorNewcomer) -> Answer + Send + Sync;
/// A page of the portal.
pub(super) type VendorPage = dyn Fn(VendorMember) -> Answer + Send + Sync;

/// Principals that may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody: the sign-in form, health checks, styles.
    Open,
    /// An operator who has given the password, but not the second factor.
    SecondFactor,
    /// A signed-in operator with at least this role.
    Role(OperatorRole),
    /// A signed-in operator with this right.
    Right(OperatorRight),
    /// A vendor's user who has given the password, but not the second factor.
    VendorSecondFactor,
    /// A signed-in user of a vendor, for what is this vendor's.
    Vendor,
}

impl Access {
    /// Role or right that the operator lacks for the route.
    pub(super) fn missing(self, operator: &operators::Operator) -> Option<Missing> {
        match self {
            Self::Role(role) if !operator.role.includes(role) => Some(Missing::Role(role)),
            Self::Right(right) if !operator.rights.has(right) => Some(Missing::Right(right)),
            _ => None,
        }
    }
}

/// A signed-in operator's request before its role is checked.
pub(super) struct Member {
    pub(super) deps: Deps,
    pub(super) request: Incoming,
    pub(super) operator: operators::Operator,
    pub(super) session: Session,
}

/// A request of a vendor's signed-in user.
pub(super) struct VendorMember {
    pub(super) deps: Deps,
    pub(super) request: Incoming,
    pub(super) user: users::VendorUser,
    pub(super) session: VendorSession,
}

pub(super) enum Handler {
    Open(GuestHandler),
    SecondFactor(NewcomerHandler),
    Member(MemberHandler),
    VendorSecondFactor(Box<VendorNewcomerPage>),
    Vendor(Box<VendorPage>),
}

/// A route: method, path, access, page.
pub struct Route {
    /// `GET` for pages, `POST` for acts.
    pub method: Method,
    /// Path with the parameter `:id`.
    pub path: &'static str,
    /// Principals that may use the route.
    pub access: Access,
    /// Whether it needs a second factor that was given a short time ago.
    pub needs_fresh_proof: bool,
    pub(super) handler: Handler,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.access)
    }
}

/// A function that serves a route for requests `V`.
pub(crate) trait Page<V>: Send + Sync + 'static {
    /// Serves a request.
    fn serve(&self, visit: V) -> Answer;
}

impl<V, F, Fut> Page<V> for F
where
    F: Fn(V) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response, Fault>> + Send + 'static,
{
    fn serve(&self, visit: V) -> Answer {
        Box::pin(self(visit))
    }
}

impl Route {
    /// Whether a path is one of this route.
    pub(crate) fn leads_to(&self, path: &str) -> bool {
        let (own, given) = (self.path.split('/'), path.split('/'));
        own.clone().count() == given.clone().count()
            && own.zip(given).all(|(own, given)| own == given || own.starts_with(':'))
    }

    /// A page for everybody.
    pub(crate) fn open(method: Method, path: &'static str, page: impl Page<Guest>) -> Self {
        let handler = Handler::Open(Box::new(move |guest| page.serve(guest)));
        Self { method, path, access: Access::Open, needs_fresh_proof: false, handler }
    }

    /// A page between password and second factor.
    pub(crate) fn second_factor(method: Method, path: &'static str, page: impl Page<Newcomer>) -> Self {
        let handler = Handler::SecondFactor(Box::new(move |newcomer| page.serve(newcomer)));
        Self { method, path, access: Access::SecondFactor, needs_fresh_proof: false, handler }
    }

    /// A page that shows something.
    pub(crate) fn get<R: Rank>(path: &'static str, page: impl Page<Visit<R>>) -> Self {
        Self::member(Method::GET, path, page)
    }

    /// A page that changes something.
    pub(crate) fn post<R: Rank>(path: &'static str, page: impl Page<Visit<R>>) -> Self {
        Self::member(Method::POST, path, page)
    }

    fn member<R: Rank>(method: Method, path: &'static str, page: impl Page<Visit<R>>) -> Self {
        let handler = Handler::Member(Box::new(move |member| {
            let Member { deps, request, operator, session } = member;
            let who = Acting::<R>::check(&operator, session)?;
            Ok(page.serve(Visit { deps, who, request }))
        }));
        let access = R::RIGHT.map_or(Access::Role(R::ROLE), Access::Right);
        let needs_fresh_proof = method == Method::POST && R::NEEDS_FRESH_PROOF;
        Self { method, path, access, needs_fresh_proof, handler }
    }

    /// A page between password and second factor of a vendor's user.
    pub(crate) fn vendor_second_factor(
        method: Method,
        path: &'static str,
        page: impl Page<VendorNewcomer>,
    ) -> Self {
        let handler = Handler::VendorSecondFactor(Box::new(move |newcomer| page.serve(newcomer)));
        Self { method, path, access: Access::VendorSecondFactor, needs_fresh_proof: false, handler }
    }

    /// A page of the portal that shows something.
    pub(crate) fn vendor_get<D: Demand>(path: &'static str, page: impl Page<VendorVisit<D>>) -> Self {
        Self::vendor(Method::GET, path, page)
    }

    /// A page of the portal that changes something.
    pub(crate) fn vendor_post<D: Demand>(path: &'static str, page: impl Page<VendorVisit<D>>) -> Self {
        Self::vendor(Method::POST, path, page)
    }

    fn vendor<D: Demand>(method: Method, path: &'static str, page: impl Page<VendorVisit<D>>) -> Self {
        let handler = Handler::Vendor(Box::new(move |member| {
            let VendorMember { deps, request, user, session } = member;
            let who = ActingVendor::<D>::new(&user, session);
            page.serve(VendorVisit { deps, who, request })
        }));
        let needs_fresh_proof = method == Method::POST && D::NEEDS_FRESH_PROOF;
        Self { method, path, access: Access::Vendor, needs_fresh_proof, handler }
    }
}
