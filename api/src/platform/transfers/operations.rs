//! `/v1/transfer_invoices` and the operations that ask for such invoices.

use flysk_domain::trace::Trace;
use flysk_store::platform::transfers::TransferInvoice;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::issue::{
    cancel_invoice, find_of_install, invoice_for_coins, invoice_for_subscription, list_of_install,
};
use super::view::{FirmInput, TransferInvoicePage, TransferInvoiceView};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::deps::Deps;
use crate::idempotency::KeyHeader;
use crate::platform::purchases::{Buyer, item_of};
use crate::platform::subscriptions::Refusal;
use crate::platform::tag::Tag;
use crate::problem::{Problem, answers};
use crate::strict_json::{NoBody, StrictJson};

/// Default number of invoices on a page.
fn default_limit() -> u32 {
    50
}

/// Request to buy Flycoins by bank transfer.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub(crate) struct CoinTransferInput {
    /// The `id` of a package on offer. Send either this or `amount_kopecks`.
    package_id: Option<String>,
    /// Any sum within the limits of `getTopUpLimits`, in kopecks.
    amount_kopecks: Option<i64>,
    /// Payer of the invoice.
    payer: FirmInput,
}

impl Example for CoinTransferInput {
    fn example() -> Self {
        Self { package_id: None, amount_kopecks: Some(1_000_000), payer: FirmInput::example() }
    }
}

answers! {
    /// Responses of `issueSubscriptionTransferInvoice`.
    Issued {
        /// The invoice. The bank sends it to the payer within seconds.
        202 => Accepted(Json<TransferInvoiceView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// The account has no such invoice.
        404 => NotFound,
        /// The invoice is not open, another payment of it is under way, or the seller is not paid by transfer.
        409 => Conflict [SubscriptionsNotUsed, PurchasesUnavailable, WrongState, VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// A value is not valid.
        422 => Invalid,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `buyFlycoinsByTransfer`.
    Bought {
        /// The invoice. The bank sends it to the payer within seconds.
        202 => Accepted(Json<TransferInvoiceView>, header "Idempotency-Replayed" Option<String>),
    }
    problems {
        /// Malformed request, or no valid idempotency key.
        400 => BadRequest [IdempotencyKeyMissing, InvalidRequest],
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not active in the account.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// The seller is not paid by transfer, the package is not on offer, or the account has no wallet yet.
        409 => Conflict [PurchasesUnavailable, PackageNotAvailable, WrongState, VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// A value is not valid, or the idempotency key was already used with a different request.
        422 => Invalid [Invalid, IdempotencyKeyReused],
        /// Too many unpaid purchases.
        429 => TooManyRequests,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getTransferInvoice`.
    Got {
        /// The invoice.
        200 => Ok(Json<TransferInvoiceView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such invoice.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `cancelTransferInvoice`.
    Cancelled {
        /// The cancelled invoice.
        200 => Ok(Json<TransferInvoiceView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such invoice.
        404 => NotFound,
        /// The invoice does not wait for money.
        409 => Conflict [WrongState, VersionConflict],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `listTransferInvoices`.
    Listed {
        /// A page of invoices, newest first.
        200 => Ok(Json<TransferInvoicePage>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations on invoices that firms pay by bank transfer.
pub(crate) struct TransferInvoicesApi;

#[OpenApi]
impl TransferInvoicesApi {
    /// Pay an open invoice of the subscription by bank transfer. Only for administrators of the account.
    ///
    /// The price is held until the due day. The transfer invoice is the one open payment of the invoice: a form of the bank is
    /// cancelled first, which may take a minute, and a form that is opened later cancels the transfer invoice. A repeated request
    /// of the same payer returns the invoice that waits, or pays it from the firm's balance if that has all that is missing.
    #[oai(
        path = "/v1/subscription/invoices/:id/transfer_invoices",
        method = "post",
        operation_id = "issueSubscriptionTransferInvoice",
        tag = "Tag::Subscriptions"
    )]
    async fn issue(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Invoice id, `inv_…`.
        id: Path<String>,
        body: StrictJson<FirmInput>,
    ) -> Issued {
        match issue(&deps, &trace, &caller.0, &id.0, &body.0).await {
            Ok(invoice) => Issued::Accepted(Json(TransferInvoiceView::new(&deps, &invoice))),
            Err(refusal) => Problem::from(refusal).into(),
        }
    }

    /// Buy Flycoins by bank transfer. Only for administrators of the account.
    ///
    /// The coins are credited when all of the sum has arrived. A request with the same `Idempotency-Key` and body returns the same
    /// invoice.
    #[oai(
        path = "/v1/flycoins/transfer_invoices",
        method = "post",
        operation_id = "buyFlycoinsByTransfer",
        tag = "Tag::Flycoins"
    )]
    async fn buy(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Idempotency key of the purchase: 1 to 120 visible ASCII characters, unique per account.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: StrictJson<CoinTransferInput>,
    ) -> Bought {
        match buy(&deps, &trace, &caller.0, &key.0, &body.0).await {
            Ok((invoice, replayed)) => {
                let replayed = replayed.then(|| "true".to_owned());
                Bought::Accepted(Json(TransferInvoiceView::new(&deps, &invoice)), replayed)
            }
            Err(problem) => problem.into(),
        }
    }

    /// List the account's invoices for bank transfers, newest first. Only for administrators of the account.
    #[oai(
        path = "/v1/transfer_invoices",
        method = "get",
        operation_id = "listTransferInvoices",
        tag = "Tag::Widget"
    )]
    async fn list(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// `next` of the previous page.
        cursor: Query<Option<String>>,
        /// Maximum number of invoices.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u32>,
    ) -> Listed {
        let listed = async {
            caller.0.must_be_admin()?;
            list_of_install(&deps, caller.0.install.id, cursor.0.as_deref(), limit.0).await
        };
        match listed.await {
            Ok((items, next)) => {
                let items = items.iter().map(|invoice| TransferInvoiceView::new(&deps, invoice)).collect();
                Listed::Ok(Json(TransferInvoicePage { items, next }))
            }
            Err(problem) => problem.into(),
        }
    }

    /// Get an invoice for a bank transfer. Only for administrators of the account.
    #[oai(
        path = "/v1/transfer_invoices/:id",
        method = "get",
        operation_id = "getTransferInvoice",
        tag = "Tag::Widget"
    )]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Invoice id, `tin_…`.
        id: Path<String>,
    ) -> Got {
        let found = async {
            caller.0.must_be_admin()?;
            find_of_install(&deps, caller.0.install.id, &id.0).await
        };
        match found.await {
            Ok(invoice) => Got::Ok(Json(TransferInvoiceView::new(&deps, &invoice))),
            Err(problem) => problem.into(),
        }
    }

    /// Cancel an invoice that waits for money. Only for administrators of the account.
    ///
    /// What has arrived of it is in the firm's balance and pays its next invoice first. Money that is still on its way gets there,
    /// too.
    #[oai(
        path = "/v1/transfer_invoices/:id",
        method = "delete",
        operation_id = "cancelTransferInvoice",
        tag = "Tag::Widget"
    )]
    async fn cancel(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        caller: WidgetCaller,
        /// Invoice id, `tin_…`.
        id: Path<String>,
        _body: NoBody,
    ) -> Cancelled {
        let cancelled = async {
            caller.0.must_be_admin()?;
            cancel_invoice(&deps, &trace, caller.0.install.id, &id.0).await
        };
        match cancelled.await {
            Ok(invoice) => Cancelled::Ok(Json(TransferInvoiceView::new(&deps, &invoice))),
            Err(problem) => problem.into(),
        }
    }
}

async fn issue(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    id: &str,
    input: &FirmInput,
) -> Result<TransferInvoice, Refusal> {
    user.must_be_admin()?;
    let firm = input.check()?;
    invoice_for_subscription(deps, trace, user, id, &firm).await
}

async fn buy(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    key: &str,
    input: &CoinTransferInput,
) -> Result<(TransferInvoice, bool), Problem> {
    user.must_be_admin()?;
    let firm = input.payer.check()?;
    let buyer = Buyer { install: &user.install, user_id: user.user_id };
    let item = item_of(input.package_id.as_deref(), input.amount_kopecks)?;
    invoice_for_coins(deps, trace, buyer, (item, key), &firm).await
}
