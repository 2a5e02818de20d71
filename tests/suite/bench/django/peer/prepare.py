"""Creates Django's own tables and a superuser; prints the key of a session."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peer.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

call_command("migrate", verbosity=0, interactive=False)
user = User.objects.filter(username="bench").first() or User.objects.create_superuser("bench")
client = Client()
client.force_login(user)
print(client.cookies["sessionid"].value)
