"""Lists of all models: Django's defaults, with the columns of the models."""

from django.contrib import admin

from peer.models import MODELS

for model in MODELS:
    columns = [field.name for field in model._meta.fields]
    admin.site.register(model, type(f"{model.__name__}Admin", (admin.ModelAdmin,), {"list_display": columns}))
