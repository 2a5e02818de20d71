"""Models over the product's tables, with the columns that the lists of the panel show."""

from django.db import models


def _text(length=255):
    return models.CharField(max_length=length)


def _id():
    return models.CharField(max_length=30, primary_key=True)


def _number():
    return models.BigIntegerField()


def _time():
    return models.DateTimeField()


def _model(name, table, /, **fields):
    """A model of a table that Django does not manage."""
    meta = type("Meta", (), {"managed": False, "db_table": table})
    return type(name, (models.Model,), {"__module__": __name__, "Meta": meta, **fields})


MODELS = [
    _model(
        "Account",
        "accounts",
        id=models.BigIntegerField(primary_key=True),
        name=_text(),
        host=_text(),
        created_at=_time(),
        updated_at=_time(),
    ),
    _model(
        "Install",
        "installs",
        id=_id(),
        account_id=_number(),
        widget_id=_text(30),
        status=_text(16),
        created_at=_time(),
        updated_at=_time(),
    ),
    _model(
        "Call",
        "transcriptions",
        id=_id(),
        account_id=_number(),
        note_id=_number(),
        state=_text(24),
        failure_code=_text(40),
        duration_ms=_number(),
        run=_number(),
        created_at=_time(),
        finished_at=_time(),
    ),
    _model(
        "Subscription",
        "subscriptions",
        id=_id(),
        account_id=_number(),
        state=_text(16),
        seats=_number(),
        period_until=models.DateField(),
        trial_until=models.DateField(),
        next_due_at=_time(),
        created_at=_time(),
    ),
    _model(
        "Invoice",
        "subscription_invoices",
        id=_id(),
        kind=_text(8),
        state=_text(8),
        title=_text(),
        total_kopecks=_number(),
        refunded_kopecks=_number(),
        paid_at=_time(),
        created_at=_time(),
    ),
    _model(
        "Payment",
        "invoice_payments",
        id=_id(),
        invoice_id=_text(30),
        kind=_text(8),
        state=_text(12),
        amount_kopecks=_number(),
        payment_id=_text(20),
        bank_status=_text(32),
        created_at=_time(),
        paid_at=_time(),
    ),
    _model(
        "Receipt",
        "invoice_receipts",
        id=_id(),
        invoice_id=_text(30),
        state=_text(12),
        error_code=_text(16),
        due_at=_time(),
        created_at=_time(),
    ),
    _model(
        "Wallet",
        "wallets",
        id=_id(),
        install_id=_text(30),
        widget_id=_text(30),
        available_micro=_number(),
        held_micro=_number(),
        updated_at=_time(),
    ),
    _model(
        "Purchase",
        "coin_purchases",
        id=_id(),
        wallet_id=_text(30),
        state=_text(16),
        price_kopecks=_number(),
        coins_micro=_number(),
        payment_id=_text(20),
        created_at=_time(),
    ),
    _model(
        "Notification",
        "tbank_notifications",
        id=_id(),
        order_id=_text(50),
        payment_id=_text(20),
        status=_text(32),
        amount_kopecks=_number(),
        state=_text(12),
        received_at=_time(),
        applied_at=_time(),
    ),
    _model(
        "Discrepancy",
        "tbank_discrepancies",
        id=_id(),
        day=models.DateField(),
        kind=_text(24),
        order_id=_text(50),
        ours=_text(120),
        banks=_text(120),
        found_at=_time(),
    ),
    _model(
        "Job",
        "jobs",
        id=_id(),
        kind=_text(64),
        state=_text(12),
        attempt=_number(),
        tenant=_text(64),
        run_at=_time(),
        last_error=_text(1000),
        created_at=_time(),
    ),
    _model(
        "Event",
        "lifecycle_events",
        id=_id(),
        number=_number(),
        install_id=_text(30),
        type=_text(48),
        account_id=_number(),
        state=_text(12),
        attempts=_number(),
        happened_at=_time(),
    ),
    _model(
        "Act",
        "audit_log",
        id=_id(),
        operator_login=_text(64),
        action=_text(48),
        subject_kind=_text(24),
        subject_id=_text(120),
        reason=_text(500),
        address=_text(45),
        happened_at=_time(),
    ),
]
